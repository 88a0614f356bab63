//! Everything that can be set, with its defaults in `defaults.toml`, checked before anything is opened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use hooklog_kafka::reader::ReaderSettings;
use hooklog_kafka::registry::Registry;
use hooklog_kafka::{ConfigError, Connection, Envelopes, Property};
use hooklog_process::logging::Format;
use hooklog_process::quantity::{ByteSize, Span};
use hooklog_schemas::TopicName;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::identity::Generation;
use crate::performer::EffectPolicy;
use crate::retry::Backoff;
use crate::start::{LogTrimmed, NewGroup, Policy};

/// The defaults with their explanations.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// What environment variables begin with.
pub const PREFIX: &str = "HOOKLOG_CONSUMER";

/// Settings of a consumer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The consumer group; empty for the consumer's name.
    pub group: String,
    /// Which run over the log this is.
    pub generation: Generation,
    /// The topics to read.
    pub topics: Vec<TopicName>,
    /// Where the state lies.
    pub data_dir: PathBuf,
    /// Where the admin port listens.
    pub admin: SocketAddr,
    /// Where a new group begins.
    pub new_group: NewGroup,
    /// What to do about records that are gone.
    pub log_trimmed: LogTrimmed,
    /// After what time without progress a partition stands.
    pub stalled_after: Span,
    /// How long stopping may take.
    pub stop_within: Span,
    /// Memory of all state stores.
    pub state_memory: ByteSize,
    /// The brokers.
    pub kafka: KafkaSettings,
    /// Fetching ahead.
    pub fetch: FetchSettings,
    /// Being a member of the group.
    pub membership: MembershipSettings,
    /// Micro-batches.
    pub batch: BatchSettings,
    /// Deduplication.
    pub dedupe: DedupeSettings,
    /// Retries of the handler.
    pub retry: RetrySettings,
    /// Outside calls.
    pub effects: EffectSettings,
    /// Log lines.
    pub log: LogSettings,
}

/// The brokers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// `host:port`, separated by commas.
    pub bootstrap: String,
    /// How this process appears in the brokers' logs; empty for the group's name.
    pub client_id: String,
    /// A schema registry's URL; empty for none.
    pub registry: String,
    /// Properties of the client library: security, TLS, sockets, rack.
    #[serde(default)]
    pub properties: BTreeMap<String, Property>,
}

/// Fetching ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchSettings {
    /// Memory over all partitions.
    pub prefetch: ByteSize,
    /// The most partitions this process is expected to own.
    pub max_partitions: u32,
}

/// Being a member of the group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipSettings {
    /// How long the group waits for a silent process.
    pub session_timeout: Span,
    /// A name that stays with this process; empty for none.
    pub instance_id: String,
}

/// Micro-batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Records, at most.
    pub records: usize,
    /// Their bytes, at most.
    pub bytes: ByteSize,
    /// How often the state is synced and the offset committed.
    pub sync_every: Span,
}

/// Deduplication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DedupeSettings {
    /// For how long ids are remembered.
    pub window: Span,
}

/// Retries of the handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// Attempts in all.
    pub attempts: u32,
    /// The first wait.
    pub first: Span,
    /// The longest wait.
    pub cap: Span,
}

/// Outside calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectSettings {
    /// Calls of one partition at a time.
    pub concurrency: usize,
    /// Calls written down and not yet made.
    pub pending: usize,
    /// The longest a call may take.
    pub deadline: Span,
    /// Attempts in all.
    pub attempts: u32,
    /// The first wait.
    pub first: Span,
    /// The longest wait.
    pub cap: Span,
}

/// Log lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How they look.
    pub format: Format,
    /// Which are written.
    pub filter: String,
}

/// A setting that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}: {mend}")]
pub struct SettingError {
    /// Which.
    pub key: &'static str,
    /// What was set.
    pub value: String,
    /// What to set.
    pub mend: &'static str,
}

impl Settings {
    /// The defaults, for a consumer of this name.
    #[must_use]
    pub fn defaults(name: &str) -> Self {
        let mut settings: Self = toml::from_str(DEFAULTS).expect("the embedded defaults are whole; a test reads them");
        name.clone_into(&mut settings.group);
        settings
    }

    /// Checks what no type can.
    ///
    /// # Errors
    /// [`SettingError`] names the key and what to set.
    pub fn check(&self) -> Result<(), SettingError> {
        let refuse = |key, value: String, mend| Err(SettingError { key, value, mend });
        if self.topics.is_empty() {
            return refuse("topics", "empty".to_owned(), "name at least one topic to read, for example hooks.github");
        }
        if TopicName::dead_letters_of(&self.group).is_err() || self.group.starts_with('.') {
            return refuse("group", format!("{:?}", self.group), "use a-z, 0-9 and hyphens");
        }
        let counts = [
            ("batch.records", self.batch.records),
            ("effects.concurrency", self.effects.concurrency),
            ("effects.pending", self.effects.pending),
            ("retry.attempts", self.retry.attempts as usize),
            ("effects.attempts", self.effects.attempts as usize),
        ];
        if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return refuse(key, "0".to_owned(), "it must be at least 1");
        }
        if self.dedupe.window.0.as_secs() < 1 {
            return refuse("dedupe.window", self.dedupe.window.to_string(), "it must be at least 1s");
        }
        self.registry().map(drop)
    }

    /// The group as the brokers know it: another generation is another group.
    #[must_use]
    pub fn kafka_group(&self) -> String {
        match self.generation {
            Generation(0) => self.group.clone(),
            Generation(number) => format!("{}.g{number}", self.group),
        }
    }

    pub(crate) fn connection(&self) -> Result<Connection, ConfigError> {
        let KafkaSettings { bootstrap, client_id, properties, .. } = &self.kafka;
        let client_id = if client_id.is_empty() { &self.group } else { client_id };
        Connection::new(bootstrap, client_id, properties)
    }

    /// How records are read: with the registry, where one is set, asked on `runtime`.
    pub(crate) fn envelopes(&self, runtime: Handle) -> Result<Envelopes, SettingError> {
        Ok(self.registry()?.map_or_else(Envelopes::default, |registry| Envelopes::of(registry, runtime)))
    }

    fn registry(&self) -> Result<Option<Registry>, SettingError> {
        let url = &self.kafka.registry;
        let refused = |_| SettingError {
            key: "kafka.registry",
            value: format!("{url:?}"),
            mend: "write http://HOST:PORT, or leave it empty",
        };
        if url.is_empty() { Ok(None) } else { Registry::at(url).map(Some).map_err(refused) }
    }

    pub(crate) const fn policy(&self) -> Policy {
        Policy { new_group: self.new_group, log_trimmed: self.log_trimmed }
    }

    pub(crate) fn reader(&self) -> ReaderSettings {
        let mut reader = ReaderSettings::new(&self.kafka_group(), self.topics.clone());
        reader.prefetch = self.fetch.prefetch;
        reader.max_partitions = self.fetch.max_partitions;
        reader.session_timeout = self.membership.session_timeout;
        reader.instance_id = Some(self.membership.instance_id.clone()).filter(|id| !id.is_empty());
        reader
    }
}

impl RetrySettings {
    pub(crate) const fn backoff(&self) -> Backoff {
        Backoff { attempts: self.attempts, first: self.first.0, cap: self.cap.0 }
    }
}

impl EffectSettings {
    pub(crate) const fn policy(&self) -> EffectPolicy {
        EffectPolicy {
            concurrency: self.concurrency,
            retry: Backoff { attempts: self.attempts, first: self.first.0, cap: self.cap.0 },
            deadline: self.deadline.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_whole_and_need_topics_only() {
        let mut settings = Settings::defaults("ledger");
        assert_eq!(settings.check().unwrap_err().key, "topics");
        settings.topics = vec![TopicName::parse("hooks.stripe").unwrap()];
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.kafka_group(), "ledger");
        settings.generation = Generation(2);
        assert_eq!(settings.kafka_group(), "ledger.g2");
    }

    #[test]
    fn what_can_not_be_is_refused_by_name() {
        let broken = |change: fn(&mut Settings)| {
            let mut settings = Settings::defaults("ledger");
            settings.topics = vec![TopicName::parse("hooks.stripe").unwrap()];
            change(&mut settings);
            settings.check().unwrap_err().key
        };
        assert_eq!(broken(|settings| settings.batch.records = 0), "batch.records");
        assert_eq!(broken(|settings| settings.group = "a/b".to_owned()), "group");
        assert_eq!(broken(|settings| settings.group = "..".to_owned()), "group");
        assert_eq!(broken(|settings| settings.effects.attempts = 0), "effects.attempts");
        assert_eq!(broken(|settings| settings.kafka.registry = "registry:8081".to_owned()), "kafka.registry");
    }

    #[test]
    fn every_setting_is_explained() {
        let explained = hooklog_process::config::explain(DEFAULTS);
        assert!(explained.len() > 25, "{}", explained.len());
    }
}
