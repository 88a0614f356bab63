//! Errors of those who read.

use std::time::Duration;

use hooklog_schemas::NextOffset;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::ConfigError;
use crate::reader::Lease;

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
