//! The client library's own log lines, passed on to ours with their level.

use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Passes a line on.
pub(crate) fn line(level: Level, facility: &str, message: &str) {
    match level {
        Level::Emerg | Level::Alert | Level::Critical => tracing::error!(target: "librdkafka", facility, "{message}"),
        // The library calls a broker's restart an error; it mends that by itself.
        Level::Error | Level::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        Level::Notice | Level::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        Level::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// Passes an error event on; the end of a partition is none.
pub(crate) fn error(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::PartitionEOF) => {}
        Some(RDKafkaErrorCode::Fatal) => tracing::error!(target: "librdkafka", reason, "{error}"),
        _ => tracing::warn!(target: "librdkafka", reason, "{error}"),
    }
}
