//! A configured source: who may send to it, how that is proven, and where its events go. Checked whole before anything is bound.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hooklog_schemas::id::NameError;
use hooklog_schemas::{SourceName, Timestamp, TopicName};
use hooklog_signatures::{KeyError, Keys, Scheme, SchemeError, WhenLogAway, names_like};
use http::StatusCode;

use crate::admit::Rate;
use crate::config::{Config, SecretConfig, SourceConfig};
use crate::custom::{self, CustomError};
use crate::duplicates;
use crate::fetch::remote::Remote;
use crate::fetch::url::{HttpsUrl, HttpsUrlError};
use crate::metrics::Stored;
use crate::public_url::PublicUrl;
use crate::secret::{FetchError, Ring, no_keys};
use crate::validate::Schemas;
use crate::validate::folder::{self, FolderError};

/// The largest body any source may allow, in bytes: 25 MiB, what GitHub sends at most.
pub const MAX_BODY_LIMIT: u64 = 25 * 1024 * 1024;

/// A source, ready to verify.
#[derive(Clone)]
pub struct Source {
    /// The name in the path, in the topic and in the record.
    pub name: SourceName,
    /// How a sender proves itself, and where id, type and key are.
    pub scheme: Scheme,
    /// The live secrets.
    pub keys: Arc<Keys>,
    /// Where its keys lie, if not in secrets.
    pub remote: Option<Arc<Remote>>,
    /// The secret that its provider tells in a handshake, if it is to be kept.
    pub captured: Option<SecretConfig>,
    /// Where all secrets are.
    pub secrets: Arc<[SecretConfig]>,
    /// All secrets, those too that are not live yet or no longer.
    pub ring: Arc<Ring>,
    /// Where the events go.
    pub topic: TopicName,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// What its bodies have to look like, if that is checked.
    pub schemas: Option<Arc<Schemas>>,
    /// What the folder of schemas held just before it was read.
    schemas_seen: Option<[u8; 32]>,
    /// What to do when the log is away.
    pub when_log_away: WhenLogAway,
    /// Requests a second, if limited.
    pub rate: Option<Arc<Rate>>,
    /// How long a copy of a stored event is answered without storing it again.
    pub duplicates: Option<Duration>,
    /// The status of the answer for a record that waits in the spool.
    pub spooled: StatusCode,
    /// The names of the live secrets; before anybody said what time it is, of all.
    alive: Vec<String>,
    series: OnceLock<Stored>,
    /// The URL that the provider has, if configured.
    pub public_url: Option<PublicUrl>,
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
    /// Its provider's own file can't be used.
    #[error("{0}")]
    Custom(#[from] CustomError),
    /// What it changes in the scheme is no scheme.
    #[error("{0}")]
    Scheme(#[from] SchemeError),
    /// A secret can't be fetched.
    #[error(transparent)]
    Secret(#[from] FetchError),
    /// A secret can't be used.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Where its provider's key set lies is no URL.
    #[error("keys_url: {0}")]
    KeysUrl(#[from] HttpsUrlError),
    /// Two secrets can't both be what a handshake tells.
    #[error("two secrets are captured: keep captured = true at the one that the next handshake is to tell")]
    TwoCaptured,
    /// Its provider never tells a secret.
    #[error("secret {id:?} is captured, but no handshake tells it: {mend}")]
    NoCapture {
        /// The secret's name.
        id: String,
        /// What to do.
        mend: &'static str,
    },
    /// Its keys lie at two places.
    #[error("it has a keys_url and secrets: keep one of both, since only one of them would be asked")]
    TwoKeys,
    /// Nothing of its provider's lies at a URL.
    #[error("keys_url: provider {provider:?} publishes no key set: configure its secret")]
    NoKeySet {
        /// The provider.
        provider: String,
    },
    /// It allows a larger body than the edge ever does.
    #[error("max_body is over {MAX_BODY_LIMIT} bytes (25MiB)")]
    BodyLimit,
    /// A window that remembers nothing, or for too long.
    #[error("duplicates is to be over 0 and at most 7d: leave it away to have every copy stored")]
    Window,
    /// A schema can't be used.
    #[error("{0}")]
    Schema(#[from] FolderError),
    /// A rate of nothing.
    #[error("rate is 0: leave it away for no limit")]
    ZeroRate,
}

impl Source {
    /// Whether anybody may send, from anywhere.
    #[must_use]
    pub fn allows_all(&self) -> bool {
        self.allow.is_empty()
    }

    /// Whether this address may send.
    #[must_use]
    pub fn allows(&self, client: IpAddr) -> bool {
        self.allows_all() || self.allow.iter().any(|network| network.contains(&client.to_canonical()))
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

    /// Whether nothing at all can be believed now: a sender has to prove itself, and no secret is alive.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.alive.is_empty() && !self.is_open() && self.remote.is_none() && !self.is_awaiting()
    }

    /// Whether nothing but a handshake can be believed now: no secret is alive, and one is still to be told by the provider.
    #[must_use]
    pub fn is_awaiting(&self) -> bool {
        self.alive.is_empty() && self.ring.is_awaiting()
    }

    /// The names of the live secrets.
    #[must_use]
    pub fn alive(&self) -> &[String] {
        &self.alive
    }

    /// Whether the live secrets are those that are alive at `now`.
    #[must_use]
    pub fn is_as_alive(&self, now: Timestamp) -> bool {
        self.alive == self.ring.alive(now)
    }

    /// Makes live what is alive at `now`, and nothing else.
    pub fn revive(&mut self, now: Timestamp) {
        self.alive = self.ring.alive(now).into_iter().map(str::to_owned).collect();
        self.keys = Arc::new(self.ring.keys_at(&self.scheme, now));
    }

    /// Believes what is in these secrets from now on.
    pub fn hold(&mut self, ring: Arc<Ring>, now: Timestamp) {
        self.ring = ring;
        self.revive(now);
    }

    /// Goes on with what is left of the share of an older form of this source, if its rate is the same, and with the keys it has fetched.
    pub fn keep_share_of(&mut self, older: &Self) {
        if let (Some(rate), Some(old)) = (&mut self.rate, &older.rate)
            && rate.is_as_fast(old)
        {
            *rate = Arc::clone(old);
        }
        if let (Some(remote), Some(old)) = (&self.remote, &older.remote) {
            remote.adopt(old);
        }
    }

    /// The series of its stored webhooks, once somebody counts them.
    #[must_use]
    pub fn series(&self) -> Option<&Stored> {
        self.series.get()
    }

    /// Counts its stored webhooks with these, unless it has some.
    pub fn count_with(&self, series: impl FnOnce() -> Stored) {
        self.series.get_or_init(series);
    }

    fn build(name: &str, config: &SourceConfig, defaults: &Config) -> Result<Self, Problem> {
        let name = SourceName::parse(name)?;
        let topic = match &config.topic {
            Some(topic) => TopicName::parse(topic)?,
            None => TopicName::of_source(&name),
        };
        let known =
            custom::provider(&config.provider, &defaults.providers)?.ok_or_else(|| Problem::UnknownProvider {
                given: config.provider.clone(),
                near: match &names_like(&config.provider)[..] {
                    [] => "none".to_owned(),
                    near => near.join(", "),
                },
            })?;
        let scheme = known.with_overrides(&settings(&known, config))?;
        let ring = Ring::fetch(&config.secrets)?;
        let captured = captured(&scheme, config)?;
        let remote = remote(&name, &scheme, config)?.map(Arc::new);
        let keys = if remote.is_some() { no_keys() } else { ring.keys(&scheme)? };
        let max_body = config.max_body.unwrap_or(defaults.limits.max_body);
        if max_body.0 > MAX_BODY_LIMIT {
            return Err(Problem::BodyLimit);
        }
        let rate = match config.rate {
            Some(0) => return Err(Problem::ZeroRate),
            rate => rate.map(Rate::per_second).map(Arc::new),
        };
        let duplicates = config.duplicates.map(|window| window.0);
        if duplicates.is_some_and(|window| window.is_zero() || window > duplicates::LONGEST) {
            return Err(Problem::Window);
        }
        let schemas_seen = config.schema.as_ref().map(|schema| folder::fingerprint(&schema.dir));
        let schemas = config.schema.as_ref().map(|schema| {
            let max_bytes = schema.max_bytes.unwrap_or(defaults.limits.schema_bytes);
            folder::read(&schema.dir, schema.mode, max_bytes.as_usize())
        });
        Ok(Self {
            schemas: schemas.transpose()?.map(Arc::new),
            schemas_seen,
            when_log_away: config.when_log_away.unwrap_or(scheme.delivery.when_log_away),
            spooled: spooled(&scheme, config),
            name,
            scheme,
            keys: Arc::new(keys),
            remote,
            alive: config.secrets.iter().map(|secret| secret.id.clone()).collect(),
            ring: Arc::new(ring),
            captured,
            secrets: config.secrets.clone().into(),
            topic,
            max_body: max_body.as_usize(),
            rate,
            duplicates,
            series: OnceLock::new(),
            public_url: config.public_url.clone(),
            allow: config.allow.clone(),
            media_types: config.media_types.clone(),
        })
    }
}

/// The secret that a handshake is to tell.
fn captured(scheme: &Scheme, config: &SourceConfig) -> Result<Option<SecretConfig>, Problem> {
    let mut captured = config.secrets.iter().filter(|secret| secret.captured);
    let Some(secret) = captured.next() else { return Ok(None) };
    if captured.next().is_some() {
        return Err(Problem::TwoCaptured);
    }
    if !scheme.captures() {
        let mend = "set scheme.unsigned_handshakes = true if its provider tells one, or take captured out";
        return Err(Problem::NoCapture { id: secret.id.clone(), mend });
    }
    Ok(Some(secret.clone()))
}

/// Where its keys lie, if it has no secrets: at the URL that it names, or its provider's file, or each request.
fn remote(name: &SourceName, scheme: &Scheme, config: &SourceConfig) -> Result<Option<Remote>, Problem> {
    if !config.secrets.is_empty() {
        return if config.keys_url.is_some() { Err(Problem::TwoKeys) } else { Ok(None) };
    }
    let url = match (&config.keys_url, &scheme.keys_url) {
        (Some(_), _) if !scheme.takes_key_set() => {
            return Err(Problem::NoKeySet { provider: scheme.name.clone() });
        }
        (Some(url), _) => Some(url.clone()),
        (None, Some(url)) => Some(HttpsUrl::try_from(url.as_str())?),
        (None, None) => None,
    };
    let named = scheme.certificate_rules().map(|_| Remote::named(name, scheme));
    Ok(url.map(|url| Remote::set(name, scheme, url)).or(named))
}

/// 202 says that the record is on its way; whoever chose a status, also 200, gets it wherever the record is.
fn spooled(scheme: &Scheme, config: &SourceConfig) -> StatusCode {
    let is_chosen = config.scheme.get("reply").is_some_and(|reply| reply.get("status").is_some());
    if is_chosen || scheme.reply.status != StatusCode::OK { scheme.reply.status } else { StatusCode::ACCEPTED }
}

/// What the source sets of its scheme: `public_url` is the URL that the provider signs, where it signs one and the scheme names no other.
fn settings(scheme: &Scheme, config: &SourceConfig) -> toml::Table {
    let mut settings = config.scheme.clone();
    if let Some(url) = config.public_url.as_ref().filter(|_| scheme.needs_url()) {
        settings.entry("url").or_insert_with(|| toml::Value::String(url.as_str().to_owned()));
    }
    settings
}

impl Sources {
    /// Builds every source of the configuration. Every secret is live, whatever its time: that is for [`crate::roster`] to see to, which
    /// knows what time it is.
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

    /// The same, with those replaced that `change` gives another for.
    #[must_use]
    pub fn map(&self, change: impl Fn(&Source) -> Option<Source>) -> Self {
        let replaced = |(name, source): (&String, &Arc<Source>)| {
            (name.clone(), change(source).map_or_else(|| Arc::clone(source), Arc::new))
        };
        Self(self.0.iter().map(replaced).collect())
    }

    /// Whether the secrets of both are the same, source by source.
    #[must_use]
    pub fn has_secrets_of(&self, other: &Self) -> bool {
        let same =
            |source: &Source| other.find(source.name.as_str()).is_some_and(|other| source.ring.is_same(&other.ring));
        self.0.len() == other.0.len() && self.iter().all(same)
    }

    /// Whether both were read from the same provider files and schemas, source by source.
    #[must_use]
    pub fn is_made_as(&self, other: &Self) -> bool {
        let same = |source: &Source| {
            other
                .find(source.name.as_str())
                .is_some_and(|other| source.scheme.is_same(&other.scheme) && source.schemas_seen == other.schemas_seen)
        };
        self.0.len() == other.0.len() && self.iter().all(same)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.values().map(Arc::as_ref)
    }
}
