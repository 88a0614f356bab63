//! Asking and arranging: topics, bounds, committed offsets, groups. Every question has a deadline and blocks its thread.

mod group;
mod topics;

use std::time::{Duration, Instant};

use hooklog_schemas::{NextOffset, Partition, Timestamp, TopicName};
use rdkafka::admin::AdminClient;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{ClientConfig, ClientContext, Offset, Statistics, TopicPartitionList};

pub use group::{Group, Member};
pub use topics::{Created, Difference, TopicSpec};

use crate::config::Connection;
use crate::error::{AdminError, ConfigError};
use crate::log_lines;
use crate::reader::{Committed, Watermarks};

/// How long the library is asked for the cluster's id at a time.
const CLUSTER_ID_SLICE: Duration = Duration::from_millis(500);

/// A connection for questions and changes. Use it on a thread without an async runtime.
pub struct Admin {
    connection: Connection,
    config: ClientConfig,
    consumer: BaseConsumer<Quiet>,
    client: AdminClient<Quiet>,
}

/// A topic as the brokers have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub topic: TopicName,
    /// Its partitions, in order.
    pub partitions: Vec<Partition>,
    /// Copies of each partition; the least, where they differ.
    pub replicas: usize,
    /// Partitions without a leader: they can be neither read nor written now.
    pub leaderless: Vec<Partition>,
}

/// A broker as the cluster names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its number.
    pub id: i32,
    /// The address it advertises.
    pub address: String,
}

impl Admin {
    /// Makes the client. Asks nobody yet.
    ///
    /// # Errors
    /// [`ConfigError`] when a property is refused.
    pub fn new(connection: &Connection) -> Result<Self, ConfigError> {
        let mut config = connection.client_config()?;
        config.set("allow.auto.create.topics", "false").set("statistics.interval.ms", "0");
        let consumer = config.create_with_context(Quiet).map_err(|error| ConfigError::of(&error))?;
        let client = config.create_with_context(Quiet).map_err(|error| ConfigError::of(&error))?;
        Ok(Self { connection: connection.clone(), config, consumer, client })
    }

    /// The cluster's id: another one means another log, whatever the topics are called.
    ///
    /// # Errors
    /// [`AdminError::Unreachable`]
    pub fn cluster_id(&self, within: Duration) -> Result<String, AdminError> {
        // In short slices: the library waits for a change of its brokers' states, and one that came just before is missed.
        let until = Instant::now() + within;
        let id = loop {
            let left = until.saturating_duration_since(Instant::now());
            let id = self.consumer.client().fetch_cluster_id(left.min(CLUSTER_ID_SLICE));
            if id.is_some() || left <= CLUSTER_ID_SLICE {
                break id;
            }
        };
        self.drain_logs();
        id.ok_or_else(|| self.unreachable(within, "no cluster id"))
    }

    /// The brokers.
    ///
    /// # Errors
    /// [`AdminError::Unreachable`]
    pub fn brokers(&self, within: Duration) -> Result<Vec<BrokerInfo>, AdminError> {
        let metadata = self.metadata(None, within)?;
        let brokers = metadata.brokers().iter();
        Ok(brokers.map(|b| BrokerInfo { id: b.id(), address: format!("{}:{}", b.host(), b.port()) }).collect())
    }

    /// All topics but Kafka's own, by name.
    ///
    /// # Errors
    /// [`AdminError::Unreachable`]
    pub fn topics(&self, within: Duration) -> Result<Vec<TopicInfo>, AdminError> {
        let metadata = self.metadata(None, within)?;
        let named = metadata.topics().iter().filter(|topic| !topic.name().starts_with("__"));
        let mut topics: Vec<_> = named.filter_map(topics::info).collect();
        topics.sort_by(|a, b| a.topic.cmp(&b.topic));
        Ok(topics)
    }

    /// One topic.
    ///
    /// # Errors
    /// [`AdminError::UnknownTopic`] when it does not exist; [`AdminError::Unreachable`].
    pub fn topic(&self, topic: &TopicName, within: Duration) -> Result<TopicInfo, AdminError> {
        let metadata = self.metadata(Some(topic), within)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic.as_str());
        match found.map(|found| (found.error(), found)) {
            Some((None, found)) if !found.partitions().is_empty() => {
                topics::info(found).ok_or_else(|| self.unknown(topic))
            }
            Some((Some(error), _)) => Err(self.failed("describe a topic", Some(topic), error.into(), within)),
            _ => Err(self.unknown(topic)),
        }
    }

    /// A partition's bounds.
    ///
    /// # Errors
    /// [`AdminError`]
    pub fn watermarks(
        &self,
        topic: &TopicName,
        partition: Partition,
        within: Duration,
    ) -> Result<Watermarks, AdminError> {
        let bounds = self.consumer.fetch_watermarks(topic.as_str(), partition.0, within);
        self.drain_logs();
        let (start, end) =
            bounds.map_err(|error| self.of("ask for the bounds of a partition", Some(topic), &error, within))?;
        Ok(Watermarks { start: NextOffset(start), end: NextOffset(end) })
    }

    /// The first offset whose record is not older than `time`; none when all are older.
    ///
    /// # Errors
    /// [`AdminError`]
    pub fn offset_at(
        &self,
        topic: &TopicName,
        partition: Partition,
        time: Timestamp,
        within: Duration,
    ) -> Result<Option<NextOffset>, AdminError> {
        let what = "ask for the offset of a time";
        let asked = [(topic.as_str().to_owned(), partition.0, Offset::Offset(time.0))].into_iter().collect();
        let answer = self.consumer.offsets_for_times(asked, within);
        self.drain_logs();
        let answer = answer.map_err(|error| self.of(what, Some(topic), &error, within))?;
        let Some(element) = answer.find_partition(topic.as_str(), partition.0) else { return Ok(None) };
        element.error().map_err(|error| self.of(what, Some(topic), &error, within))?;
        Ok(match element.offset() {
            Offset::Offset(next) => Some(NextOffset(next)),
            _ => None,
        })
    }

    /// What a group has committed for the partitions of a topic; partitions without a commit have none. The group is not joined.
    ///
    /// # Errors
    /// [`AdminError`]
    pub fn committed(
        &self,
        group: &str,
        topic: &TopicName,
        within: Duration,
    ) -> Result<Vec<(Partition, Option<Committed>)>, AdminError> {
        let partitions = self.topic(topic, within)?.partitions;
        let mut config = self.config.clone();
        config.set("group.id", group).set("enable.auto.commit", "false");
        let member: BaseConsumer<Quiet> = config.create_with_context(Quiet).map_err(|error| ConfigError::of(&error))?;
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for partition in &partitions {
            asked.add_partition(topic.as_str(), partition.0);
        }
        let what = "ask for a group's committed offsets";
        let answer =
            member.committed_offsets(asked, within).map_err(|error| self.of(what, Some(topic), &error, within))?;
        let mut committed = Vec::with_capacity(partitions.len());
        for element in answer.elements() {
            element.error().map_err(|error| self.of(what, Some(topic), &error, within))?;
            let offset = match element.offset() {
                Offset::Offset(next) => Some(Committed { next: NextOffset(next), note: element.metadata().to_owned() }),
                _ => None,
            };
            committed.push((Partition(element.partition()), offset));
        }
        Ok(committed)
    }

    fn metadata(&self, topic: Option<&TopicName>, within: Duration) -> Result<rdkafka::metadata::Metadata, AdminError> {
        let metadata = self.consumer.fetch_metadata(topic.map(TopicName::as_str), within);
        self.drain_logs();
        metadata.map_err(|error| self.of("describe topics", topic, &error, within))
    }

    /// The library's log lines wait in a queue until somebody polls.
    fn drain_logs(&self) {
        // Without a group nothing but logs and errors comes out, and those are passed on inside.
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }

    fn of(&self, what: &str, topic: Option<&TopicName>, error: &KafkaError, within: Duration) -> AdminError {
        self.failed(what, topic, error.rdkafka_error_code().unwrap_or(Code::Unknown), within)
    }

    fn failed(&self, what: &str, topic: Option<&TopicName>, code: Code, within: Duration) -> AdminError {
        let bootstrap = self.connection.bootstrap.clone();
        let cause = code.to_string();
        let what = topic.map_or_else(|| what.to_owned(), |topic| format!("{what} ({topic})"));
        match (code, topic) {
            (Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition, Some(topic)) => {
                self.unknown(topic)
            }
            (
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication,
                _,
            ) => AdminError::NotAuthorized { bootstrap, what, cause },
            (
                Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::MessageTimedOut
                | Code::RequestTimedOut
                | Code::Resolve
                | Code::WaitingForCoordinator,
                _,
            ) => self.unreachable(within, &cause),
            _ => AdminError::Refused { bootstrap, what, cause },
        }
    }

    fn unknown(&self, topic: &TopicName) -> AdminError {
        AdminError::UnknownTopic { bootstrap: self.connection.bootstrap.clone(), topic: topic.clone() }
    }

    fn unreachable(&self, within: Duration, cause: &str) -> AdminError {
        AdminError::Unreachable { bootstrap: self.connection.bootstrap.clone(), within, cause: cause.to_owned() }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Callbacks of a client that nobody watches.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // What failed is told by the question's own error: these lines are for those who look for the reason behind it.
        log_lines::line(RDKafkaLogLevel::Debug, facility, message);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", reason, "{error}");
    }
}

impl ConsumerContext for Quiet {}
