//! Errors of those who append.

use hooklog_schemas::TopicName;
use rdkafka::error::RDKafkaErrorCode as Code;

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
