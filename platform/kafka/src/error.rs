//! What can go wrong with the log, for those who append, read and administer: each error names its cause and the mend.

use std::time::Duration;

use hooklog_process::secret::SecretError;
use hooklog_schemas::{NextOffset, TopicName};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::reader::Lease;

/// Why a connection or a client's settings were refused, before anything was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting that has no default is empty.
    #[error("kafka: {key} is empty: set it")]
    Missing {
        /// The setting.
        key: &'static str,
    },
    /// A property that carries a promise of this system.
    #[error("kafka: the property {key} can't be set: {reason}")]
    Pinned {
        /// The property.
        key: String,
        /// Why.
        reason: &'static str,
    },
    /// A property outside the families that users may set.
    #[error(
        "kafka: the property {key} can't be set: allowed are {}",
        crate::config::ALLOWED.join(" ")
    )]
    NotAllowed {
        /// The property.
        key: String,
    },
    /// The client library refuses the value, which is not repeated here.
    #[error("kafka: the property {key} is refused by the client library: {reason}")]
    Refused {
        /// The property.
        key: String,
        /// Whether the name or the value is wrong.
        reason: &'static str,
    },
    /// The value is not UTF-8.
    #[error("kafka: the value of {key} is no text")]
    NotText {
        /// The property.
        key: String,
    },
    /// A secret in plain text.
    #[error("kafka: {key} holds a secret: write {{ file = \"…\" }} or {{ env = \"…\" }} in place of its value")]
    PlainSecret {
        /// The property.
        key: String,
    },
    /// A secret can't be read.
    #[error("kafka: {key}: {cause}")]
    Secret {
        /// The property.
        key: String,
        /// Why.
        cause: SecretError,
    },
    /// A setting is out of its range.
    #[error("kafka: {key} is {value}, allowed is {allowed}")]
    Range {
        /// The setting.
        key: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The client could not be made.
    #[error("kafka: the client could not be made: {cause}")]
    Client {
        /// What the library said.
        cause: String,
    },
}

impl ConfigError {
    /// The library's own text holds the value: only the key is taken from it.
    pub(crate) fn of(error: &KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(kind, _, key, _) => Self::Refused {
                key: key.clone(),
                reason: match kind {
                    rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => "it has no such property",
                    _ => "the value is not one it takes",
                },
            },
            other => Self::Client { cause: other.to_string() },
        }
    }
}

/// What an append's failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It may succeed later without anybody changing the record: keep it, try again.
    Transient,
    /// The local queue is full: the log is slower than we are. Try again when it has room.
    Full,
    /// The record is larger than the topic takes, or the brokers refuse it for what it is: it never will succeed.
    TooLarge,
    /// The writer is broken and needs a new process.
    Fatal,
}

/// Why a record was not appended, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The local queue is full.
    #[error("the queue to the log is full: the brokers take records more slowly than they come")]
    Full,
    /// No answer in time, or an answer that says "not now".
    #[error("the log is not available for {topic}: {cause}")]
    Unavailable {
        /// The topic.
        topic: TopicName,
        /// What the library said.
        cause: String,
        /// Whether the record may be in the log all the same: a copy sent later may then be its second.
        maybe_appended: bool,
    },
    /// Larger than the limit.
    #[error(
        "the record has {size} bytes with key and headers, {topic} takes less: raise max.message.bytes or refuse earlier"
    )]
    TooLarge {
        /// The topic.
        topic: TopicName,
        /// Bytes of key and value.
        size: usize,
    },
    /// The topic or partition is not there.
    #[error("the topic {topic} or its partition does not exist: create it with `hooklog topics apply`")]
    UnknownTopic {
        /// The topic.
        topic: TopicName,
    },
    /// The brokers do not let us.
    #[error("not authorized to append to {topic}: {cause}: grant WRITE and DESCRIBE on the topic")]
    NotAuthorized {
        /// The topic.
        topic: TopicName,
        /// What the library said.
        cause: String,
    },
    /// The brokers refuse the record for what it is.
    #[error("the brokers refuse the record for {topic}: {cause}")]
    Refused {
        /// The topic.
        topic: TopicName,
        /// What the library said.
        cause: String,
    },
    /// The producer is broken; a new one is made at most once a minute.
    #[error("the writer is broken: {message}")]
    Fatal {
        /// What the library said.
        message: String,
    },
}

impl AppendError {
    /// What it means for the caller.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Full => ErrorKind::Full,
            Self::TooLarge { .. } | Self::Refused { .. } => ErrorKind::TooLarge,
            Self::Fatal { .. } => ErrorKind::Fatal,
            // The mend is outside this process; it goes on when somebody has made it.
            Self::Unavailable { .. } | Self::UnknownTopic { .. } | Self::NotAuthorized { .. } => ErrorKind::Transient,
        }
    }

    /// Reads an error of the library, at enqueueing (`sent` false) or from a delivery report (`sent` true).
    pub(crate) fn of(code: Code, topic: &TopicName, size: usize, sent: bool) -> Self {
        let topic = topic.clone();
        match code {
            Code::QueueFull => Self::Full,
            Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
                Self::TooLarge { topic, size }
            }
            Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition => Self::UnknownTopic { topic },
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication => Self::NotAuthorized { topic, cause: code.to_string() },
            Code::InvalidRecord | Code::PolicyViolation | Code::InvalidTopic | Code::InvalidTimestamp => {
                Self::Refused { topic, cause: code.to_string() }
            }
            Code::Fatal
            | Code::OutOfOrderSequenceNumber
            | Code::InvalidProducerEpoch
            | Code::UnknownProducerId
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedFeature => Self::Fatal { message: code.to_string() },
            // A record that was purged from the queue never left; everything else that was sent may have arrived.
            _ => Self::Unavailable { topic, cause: code.to_string(), maybe_appended: sent && code != Code::PurgeQueue },
        }
    }
}

/// Why reading stopped or a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A setting is refused.
    #[error("{0}")]
    Config(String),
    /// The brokers did not answer in time.
    #[error("no answer from the log about {what}: {cause}")]
    Unavailable {
        /// What was asked.
        what: String,
        /// What the library said.
        cause: String,
    },
    /// The offset to read is not in the partition any more, or not yet: retention was faster, or the topic was made anew.
    #[error("{}/{} has no offset {next}: it was deleted by retention, or the topic was made anew; choose where to go on", lease.topic, lease.partition)]
    OutOfRange {
        /// Whose.
        lease: Lease,
        /// The offset that was asked for.
        next: NextOffset,
    },
    /// A record's bytes are damaged, or in a form that can't be read.
    #[error("{}/{} can't be read at or after offset {next}: {cause}", lease.topic, lease.partition)]
    Damaged {
        /// Whose.
        lease: Lease,
        /// The offset that was to be read.
        next: NextOffset,
        /// What the library said.
        cause: String,
    },
    /// A topic of the subscription does not exist.
    #[error(
        "a topic of the subscription does not exist: create it with `hooklog topics apply`; it is read as soon as it is there"
    )]
    UnknownTopic,
    /// The brokers do not let us.
    #[error("not authorized: {cause}: grant READ on the topics and on the group")]
    NotAuthorized {
        /// What the library said.
        cause: String,
    },
    /// A commit was refused.
    #[error("the offset was not committed: {cause}")]
    Commit {
        /// What the library said.
        cause: String,
    },
    /// More commands wait for the poll thread than it accepts.
    #[error("{limit} commands wait for the poll thread already")]
    Busy {
        /// How many.
        limit: usize,
    },
    /// The reader is closed.
    #[error("the reader is closed")]
    Closed,
    /// Closing took too long; what is left ends with the process.
    #[error("the reader could not be closed within {within:?}")]
    CloseTimeout {
        /// How long was waited.
        within: Duration,
    },
    /// The client is broken: the process must end and be started anew.
    #[error("the reader is broken: {cause}")]
    Fatal {
        /// What the library said.
        cause: String,
    },
}

impl ReadError {
    /// Whether the reader ends with this.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal { .. } | Self::Config(_))
    }

    /// An error from a partition's queue; none for what the client mends by itself.
    pub(crate) fn of_partition(error: &KafkaError, lease: &Lease, next: NextOffset) -> Option<Self> {
        let lease = lease.clone();
        if let KafkaError::MessageConsumptionFatal(code) = error {
            return Some(Self::Fatal { cause: code.to_string() });
        }
        match error.rdkafka_error_code()? {
            Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => {
                Some(Self::OutOfRange { lease, next })
            }
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed => {
                Some(Self::NotAuthorized { cause: error.to_string() })
            }
            Code::BadMessage
            | Code::BadCompression
            | Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::NotImplemented
            | Code::MessageSizeTooLarge => Some(Self::Damaged { lease, next, cause: error.to_string() }),
            _ => None,
        }
    }

    /// An error of a client without a group; none for what the client mends by itself.
    pub(crate) fn of_tail(error: &KafkaError) -> Option<Self> {
        match error.rdkafka_error_code()? {
            Code::AutoOffsetReset
            | Code::OffsetOutOfRange
            | Code::LogTruncation
            | Code::BadMessage
            | Code::BadCompression
            | Code::InvalidMessage => {
                Some(Self::Unavailable { what: "the next record".to_owned(), cause: error.to_string() })
            }
            _ => Self::of_client(error),
        }
    }

    /// An error from the client's main queue; none for what the client mends by itself.
    pub(crate) fn of_client(error: &KafkaError) -> Option<Self> {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            return Some(Self::Fatal { cause: code.to_string() });
        }
        match error.rdkafka_error_code()? {
            Code::Fatal | Code::FencedInstanceId | Code::UnreleasedInstanceId => {
                Some(Self::Fatal { cause: error.to_string() })
            }
            Code::UnknownTopic | Code::UnknownTopicOrPartition => Some(Self::UnknownTopic),
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication => Some(Self::NotAuthorized { cause: error.to_string() }),
            _ => None,
        }
    }
}

impl From<ConfigError> for ReadError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

/// Why a question to the cluster, or a change of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A setting is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody answered.
    #[error(
        "no broker answered at {bootstrap} within {within:?} ({cause}): is it running? is the address the one it advertises?"
    )]
    Unreachable {
        /// The brokers asked.
        bootstrap: String,
        /// How long was waited.
        within: Duration,
        /// What the library said.
        cause: String,
    },
    /// The topic is not there.
    #[error("the topic {topic} does not exist on {bootstrap}: create it with `hooklog topics apply`")]
    UnknownTopic {
        /// The brokers asked.
        bootstrap: String,
        /// The topic.
        topic: TopicName,
    },
    /// The brokers do not let us.
    #[error("{bootstrap} does not allow to {what}: {cause}")]
    NotAuthorized {
        /// The brokers asked.
        bootstrap: String,
        /// What was asked.
        what: String,
        /// What the library said.
        cause: String,
    },
    /// The brokers refused.
    #[error("{bootstrap} refused to {what}: {cause}")]
    Refused {
        /// The brokers asked.
        bootstrap: String,
        /// What was asked.
        what: String,
        /// What the library said.
        cause: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: Code) -> ErrorKind {
        AppendError::of(code, &TopicName::parse("t").unwrap(), 7, true).kind()
    }

    #[test]
    fn every_answer_of_the_brokers_has_its_meaning() {
        for (code, expected) in [
            (Code::QueueFull, ErrorKind::Full),
            (Code::MessageSizeTooLarge, ErrorKind::TooLarge),
            (Code::MessageTimedOut, ErrorKind::Transient),
            (Code::NotEnoughReplicas, ErrorKind::Transient),
            (Code::NotEnoughReplicasAfterAppend, ErrorKind::Transient),
            (Code::UnknownTopicOrPartition, ErrorKind::Transient),
            (Code::TopicAuthorizationFailed, ErrorKind::Transient),
            (Code::InvalidRecord, ErrorKind::TooLarge),
            (Code::OutOfOrderSequenceNumber, ErrorKind::Fatal),
            (Code::Fatal, ErrorKind::Fatal),
        ] {
            assert_eq!(kind(code), expected, "{code:?}");
        }
    }

    #[test]
    fn only_what_left_the_queue_may_have_been_appended() {
        let topic = TopicName::parse("t").unwrap();
        let maybe = |code, sent| match AppendError::of(code, &topic, 7, sent) {
            AppendError::Unavailable { maybe_appended, .. } => maybe_appended,
            other => panic!("{other}"),
        };
        assert!(maybe(Code::MessageTimedOut, true));
        assert!(maybe(Code::PurgeInflight, true));
        assert!(!maybe(Code::PurgeQueue, true));
        assert!(!maybe(Code::AllBrokersDown, false));
    }
}
