//! The settings of a group's member, and the client's properties that follow from them.

use std::time::Duration;

use hooklog_process::quantity::{ByteSize, Span};
use hooklog_schemas::TopicName;
use rdkafka::ClientConfig;

use crate::config::Connection;
use crate::error::ConfigError;

/// Settings of a [`super::Reader`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderSettings {
    /// The consumer group.
    pub group: String,
    /// The topics read, all with the same group.
    pub topics: Vec<TopicName>,
    /// A name that stays with this process over restarts (`group.instance.id`), so that a short restart moves no partition. None
    /// for processes that are interchangeable.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// How long the group waits for a silent member before it moves its partitions.
    #[serde(default = "ReaderSettings::session_timeout")]
    pub session_timeout: Span,
    /// How long the poll thread may be busy with a revocation before the group gives this member up.
    #[serde(default = "ReaderSettings::max_poll_interval")]
    pub max_poll_interval: Span,
    /// Memory for records fetched ahead, over all partitions.
    #[serde(default = "ReaderSettings::prefetch")]
    pub prefetch: ByteSize,
    /// The most partitions this member is expected to own: `prefetch` is shared out among so many.
    #[serde(default = "ReaderSettings::max_partitions")]
    pub max_partitions: u32,
    /// How often the client's statistics (lag, queue depths) are turned into gauges.
    #[serde(default = "ReaderSettings::statistics_interval")]
    pub statistics_interval: Span,
}

impl ReaderSettings {
    /// The defaults for a group and its topics.
    #[must_use]
    pub fn new(group: &str, topics: Vec<TopicName>) -> Self {
        Self {
            group: group.to_owned(),
            topics,
            instance_id: None,
            session_timeout: Self::session_timeout(),
            max_poll_interval: Self::max_poll_interval(),
            prefetch: Self::prefetch(),
            max_partitions: Self::max_partitions(),
            statistics_interval: Self::statistics_interval(),
        }
    }

    /// How long the owner has to finish when partitions are taken away: half of what the group tolerates, 20 s at most.
    #[must_use]
    pub fn revocation_deadline(&self) -> Duration {
        (self.max_poll_interval.0 / 2).min(Duration::from_secs(20))
    }

    fn session_timeout() -> Span {
        Span(Duration::from_secs(45))
    }

    fn max_poll_interval() -> Span {
        Span(Duration::from_secs(300))
    }

    fn prefetch() -> ByteSize {
        ByteSize(64 << 20)
    }

    fn max_partitions() -> u32 {
        16
    }

    fn statistics_interval() -> Span {
        Span(Duration::from_secs(2))
    }

    /// The client's properties. The library's defaults would skip to the end of a partition, commit behind the owner's back and keep
    /// 64 MiB for each split queue, so everything that matters is named here.
    pub(super) fn client_config(&self, connection: &Connection) -> Result<ClientConfig, ConfigError> {
        if self.group.is_empty() {
            return Err(ConfigError::Missing { key: "group" });
        }
        if self.topics.is_empty() {
            return Err(ConfigError::Missing { key: "topics" });
        }
        // A split queue has the whole limit for itself: the budget is divided here, 1 MiB being the least that keeps a fetch whole.
        let queue_kib = (self.prefetch.0 / 1024 / u64::from(self.max_partitions.max(1))).max(1024);
        let session_ms = self.session_timeout.0.as_millis();
        let mut config = connection.client_config()?;
        config
            .set("group.id", &self.group)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_ms.to_string())
            .set("heartbeat.interval.ms", (session_ms / 15).clamp(100, 3000).to_string())
            .set("max.poll.interval.ms", self.max_poll_interval.0.as_millis().max(session_ms).to_string())
            .set("enable.auto.commit", "false")
            .set("queued.max.messages.kbytes", queue_kib.to_string())
            .set("statistics.interval.ms", self.statistics_interval.0.as_millis().to_string());
        pin_reading(&mut config);
        if let Some(instance) = &self.instance_id {
            config.set("group.instance.id", instance);
        }
        Ok(config)
    }
}

/// What every consumer of this crate has in common, with or without a group.
pub(crate) fn pin_reading(config: &mut ClientConfig) {
    config
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("queued.min.messages", "10000")
        .set("fetch.queue.backoff.ms", "50")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.min.bytes", "1")
        .set("fetch.error.backoff.ms", "200")
        .set("fetch.message.max.bytes", "1048576")
        .set("fetch.max.bytes", "16777216");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ReaderSettings {
        ReaderSettings::new("g", vec![TopicName::parse("hooks.github").unwrap()])
    }

    #[test]
    fn the_prefetch_budget_is_shared_out() {
        let connection = Connection::plain("127.0.0.1:1", "test");
        let mut settings = settings();
        settings.prefetch = ByteSize(256 << 20);
        settings.max_partitions = 32;
        let config = settings.client_config(&connection).unwrap();
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("8192"));
        settings.max_partitions = 4000;
        let config = settings.client_config(&connection).unwrap();
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("1024"), "never less than a fetch");
    }

    #[test]
    fn what_could_lose_records_is_pinned_and_the_library_takes_all_of_it() {
        let mut settings = settings();
        settings.instance_id = Some("pod-0".to_owned());
        let config = settings.client_config(&Connection::plain("127.0.0.1:1", "test")).unwrap();
        for (key, value) in [
            ("auto.offset.reset", "error"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("check.crcs", "true"),
            ("isolation.level", "read_committed"),
            ("group.instance.id", "pod-0"),
        ] {
            assert_eq!(config.get(key), Some(value), "{key}");
        }
        config.create_native_config().unwrap();
    }

    #[test]
    fn a_reader_without_group_or_topics_is_refused() {
        let connection = Connection::plain("127.0.0.1:1", "test");
        let mut nobody = settings();
        nobody.group.clear();
        assert!(matches!(nobody.client_config(&connection), Err(ConfigError::Missing { key: "group" })));
        let mut nothing = settings();
        nothing.topics.clear();
        assert!(matches!(nothing.client_config(&connection), Err(ConfigError::Missing { key: "topics" })));
    }
}
