//! The sources of `hooklog dev`: five samples with secrets of their own, or those of a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hooklog_ingest::config::{Config, SecretConfig, SourceConfig};
use hooklog_ingest::secret::Life;
use hooklog_process::quantity::Span;
use hooklog_process::random::Random;
use hooklog_process::secret::SecretRef;
use hooklog_schemas::id::NameError;
use hooklog_schemas::{SourceName, TopicName};

use crate::failure::Failure;
use crate::home::{Held, new_secret};

/// How a provider hands out its secrets.
#[derive(Clone, Copy)]
enum SecretText {
    /// Any text.
    Plain,
    /// `whsec_` and base64.
    Whsec,
}

/// The sample sources: name, provider, form of the secret.
const SAMPLES: [(&str, &str, SecretText); 5] = [
    ("github", "github", SecretText::Plain),
    ("stripe", "stripe", SecretText::Plain),
    ("shopify", "shopify", SecretText::Plain),
    ("slack", "slack", SecretText::Plain),
    ("standard", "standard-webhooks", SecretText::Whsec),
];

/// How long a shutdown waits for requests in flight: somebody at a terminal waits too.
const DRAIN: Span = Span(std::time::Duration::from_secs(5));

/// One source: its name, its provider, its topic, and where its secret is if in a file.
#[derive(Debug, Clone)]
pub(crate) struct DevSource {
    pub(crate) name: SourceName,
    pub(crate) provider: String,
    pub(crate) topic: TopicName,
    pub(crate) secret: Option<PathBuf>,
}

/// The edge's configuration: that of `file`, or the defaults with the sample sources.
pub(crate) fn config(file: Option<&Path>, held: &Held, random: &Random) -> Result<Config, Failure> {
    let bad = |error: hooklog_process::config::ConfigError| Failure::Config(error.to_string());
    let mut config = match file {
        Some(file) => {
            let config = Config::load(Some(file)).map_err(bad)?;
            if config.sources.is_empty() {
                return Err(Failure::Config(format!("{}: it has no [sources.NAME]", file.display())));
            }
            config
        }
        None => {
            let mut config = Config::defaults().map_err(bad)?;
            config.sources = samples(held, random)?;
            config
        }
    };
    config.drain = DRAIN;
    Ok(config)
}

fn samples(held: &Held, random: &Random) -> Result<BTreeMap<String, SourceConfig>, Failure> {
    let sample = |(name, provider, form): (&str, &str, SecretText)| {
        let file = held.keep_secret(name, || match form {
            SecretText::Plain => new_secret(random),
            SecretText::Whsec => format!("whsec_{}", STANDARD.encode(random.bytes::<32>())),
        })?;
        let source = SourceConfig {
            provider: provider.to_owned(),
            secrets: vec![SecretConfig {
                id: "dev".to_owned(),
                at: SecretRef::File(file),
                life: Life::default(),
                captured: false,
            }],
            keys_url: None,
            topic: None,
            max_body: None,
            rate: None,
            allow: Vec::new(),
            public_url: None,
            media_types: Vec::new(),
            schema: None,
            when_log_away: None,
            duplicates: None,
            scheme: toml::Table::new(),
        };
        Ok((name.to_owned(), source))
    };
    SAMPLES.into_iter().map(sample).collect()
}

/// The sources of a configuration.
pub(crate) fn of(config: &Config) -> Result<Vec<DevSource>, Failure> {
    let bad = |name: &str, error: NameError| Failure::Config(format!("source {name:?}: {error}"));
    let source = |(name, source): (&String, &SourceConfig)| {
        let parsed = SourceName::parse(name).map_err(|error| bad(name, error))?;
        let topic = match &source.topic {
            Some(topic) => TopicName::parse(topic).map_err(|error| bad(name, error))?,
            None => TopicName::of_source(&parsed),
        };
        let in_file = |secret: &SecretConfig| match &secret.at {
            SecretRef::File(file) => Some(std::path::absolute(file).unwrap_or_else(|_| file.clone())),
            SecretRef::Env(_) => None,
        };
        let secret = source.secrets.iter().find_map(in_file);
        Ok(DevSource { name: parsed, provider: source.provider.clone(), topic, secret })
    };
    config.sources.iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use hooklog_ingest::source::Sources;

    use super::*;
    use crate::home::Home;

    #[test]
    fn the_sample_sources_are_ones_the_edge_takes_and_keep_their_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let held = Home::at(Some(folder.path())).unwrap().hold().unwrap();
        let config = config(None, &held, &Random::os()).unwrap();
        assert_eq!(Sources::build(&config).unwrap().iter().count(), SAMPLES.len());
        let secrets = || -> Vec<Vec<u8>> {
            of(&super::config(None, &held, &Random::os()).unwrap())
                .unwrap()
                .iter()
                .map(|source| std::fs::read(source.secret.as_ref().unwrap()).unwrap())
                .collect()
        };
        assert_eq!(secrets(), secrets());
        let sources = of(&config).unwrap();
        let stripe = sources.iter().find(|source| source.name.as_str() == "stripe").unwrap();
        assert_eq!((stripe.topic.as_str(), stripe.provider.as_str()), ("hooks.stripe", "stripe"));
    }
}
