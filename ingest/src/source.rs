//! A configured source: who may send to it, how that is proven, and where its events go. Checked whole before anything is bound.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hooklog_process::secret::SecretError;
use hooklog_schemas::id::NameError;
use hooklog_schemas::{SourceName, TopicName};
use hooklog_signatures::{KeyError, Keys, Scheme, SchemeError, WhenLogAway, builtin, names_like};

use crate::admit::Rate;
use crate::config::{Config, SecretConfig, SourceConfig};

/// The largest body any source may allow, in bytes: 25 MiB, what GitHub sends at most.
pub const MAX_BODY_LIMIT: u64 = 25 * 1024 * 1024;

/// A source, ready to verify.
pub struct Source {
    /// The name in the path, in the topic and in the record.
    pub name: SourceName,
    /// How a sender proves itself, and where id, type and key are.
    pub scheme: Scheme,
    /// The live secrets.
    pub keys: Keys,
    /// Where the events go.
    pub topic: TopicName,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// What to do when the log is away.
    pub when_log_away: WhenLogAway,
    /// Requests a second, if limited.
    pub rate: Option<Rate>,
    allow: Vec<ipnet::IpNet>,
    media_types: Vec<String>,
}

/// All sources by name. Looked up by the exact text in the path: nothing is decoded or normalised.
#[derive(Default)]
pub struct Sources(BTreeMap<String, Arc<Source>>);

/// Why a source was refused. Says which one, never what the secret was.
#[derive(Debug, thiserror::Error)]
#[error("source {source_name:?}: {problem}")]
pub struct SourceError {
    source_name: String,
    #[source]
    problem: Problem,
}

/// What is wrong with a source.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Its name or its topic's is none.
    #[error("{0}")]
    Name(#[from] NameError),
    /// There is no such provider.
    #[error(
        "there is no provider {given:?}; alike are: {near}; `hooklog sources list` shows all; for any other HMAC sender use \"hmac\""
    )]
    UnknownProvider {
        /// As given.
        given: String,
        /// Those that are written alike.
        near: String,
    },
    /// What it changes in the scheme is no scheme.
    #[error("{0}")]
    Scheme(#[from] SchemeError),
    /// A secret can't be fetched.
    #[error("secret {id:?}: {cause}")]
    Secret {
        /// The secret's name.
        id: String,
        /// Why.
        cause: SecretError,
    },
    /// A secret can't be used.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// It allows a larger body than the edge ever does.
    #[error("max_body is over {MAX_BODY_LIMIT} bytes (25MiB)")]
    BodyLimit,
    /// A rate of nothing.
    #[error("rate is 0: leave it away for no limit")]
    ZeroRate,
}

impl Source {
    /// Whether this address may send.
    #[must_use]
    pub fn allows(&self, peer: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&peer.to_canonical()))
    }

    /// Whether this media type is taken; parameters such as `charset` do not count.
    #[must_use]
    pub fn takes(&self, content_type: Option<&str>) -> bool {
        let essence = content_type.and_then(|text| text.split(';').next()).map_or("", str::trim);
        self.media_types.is_empty() || self.media_types.iter().any(|taken| taken.eq_ignore_ascii_case(essence))
    }

    /// Whether anybody who knows the URL is believed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.scheme.is_authenticated()
    }

    fn build(name: &str, config: &SourceConfig, defaults: &Config) -> Result<Self, Problem> {
        let name = SourceName::parse(name)?;
        let topic = match &config.topic {
            Some(topic) => TopicName::parse(topic)?,
            None => TopicName::of_source(&name),
        };
        let known = builtin(&config.provider).ok_or_else(|| Problem::UnknownProvider {
            given: config.provider.clone(),
            near: match &names_like(&config.provider)[..] {
                [] => "none".to_owned(),
                near => near.join(", "),
            },
        })?;
        let scheme = known.with_overrides(&config.scheme)?;
        let keys = keys(&scheme, config)?;
        let max_body = config.max_body.unwrap_or(defaults.limits.max_body);
        if max_body.0 > MAX_BODY_LIMIT {
            return Err(Problem::BodyLimit);
        }
        let rate = match config.rate {
            Some(0) => return Err(Problem::ZeroRate),
            rate => rate.map(Rate::per_second),
        };
        Ok(Self {
            when_log_away: config.when_log_away.unwrap_or(scheme.delivery.when_log_away),
            name,
            scheme,
            keys,
            topic,
            max_body: max_body.as_usize(),
            rate,
            allow: config.allow.clone(),
            media_types: config.media_types.clone(),
        })
    }
}

fn keys(scheme: &Scheme, config: &SourceConfig) -> Result<Keys, Problem> {
    let fetch = |secret: &SecretConfig| {
        let fetched = secret.at.read().map_err(|cause| Problem::Secret { id: secret.id.clone(), cause })?;
        Ok((secret.id.clone(), fetched))
    };
    let secrets = config.secrets.iter().map(fetch).collect::<Result<Vec<_>, Problem>>()?;
    Ok(Keys::new(scheme, secrets.iter().map(|(id, secret)| (id, secret.expose())))?)
}

impl Sources {
    /// Builds every source of the configuration.
    ///
    /// # Errors
    /// [`SourceError`] for the first that can't be built.
    pub fn build(config: &Config) -> Result<Self, SourceError> {
        let build = |(name, source): (&String, &SourceConfig)| {
            let built = Source::build(name, source, config)
                .map_err(|problem| SourceError { source_name: name.clone(), problem })?;
            if built.is_open() {
                tracing::warn!(source = %built.name, "this source takes anything from anybody: provider \"none\"");
            }
            Ok((name.clone(), Arc::new(built)))
        };
        config.sources.iter().map(build).collect::<Result<_, _>>().map(Self)
    }

    /// The source with exactly this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Source>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.values().map(Arc::as_ref)
    }
}
