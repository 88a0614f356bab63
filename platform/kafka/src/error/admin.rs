//! Errors of those who ask and arrange.

use std::time::Duration;

use hooklog_schemas::TopicName;

use crate::error::ConfigError;

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
