//! Errors of settings.

use hooklog_process::secret::SecretError;
use rdkafka::error::KafkaError;

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
