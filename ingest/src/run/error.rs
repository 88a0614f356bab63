//! Why the edge's process ended, and with which code.

use std::net::SocketAddr;

use hooklog_kafka::registry::RegistryError;
use hooklog_process::config::ConfigError;
use hooklog_process::exit::Exit;
use hooklog_process::failpoint::FailpointError;
use hooklog_process::logging::LoggingError;
use hooklog_process::metrics::MetricsError;

use crate::certificate::TlsError;
use crate::edge::EdgeError;
use crate::source::SourceError;
use crate::spool::SpoolError;

/// Why the process ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A source is wrong.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// TLS can't be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Log lines can't be written as asked.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// The failpoints can't be understood.
    #[error(transparent)]
    Failpoint(#[from] FailpointError),
    /// No source is configured.
    #[error("no source is configured: add `[sources.NAME]` with a `provider` to the file given by --config")]
    NoSource,
    /// A metric's name is taken.
    #[error("a metric can't be declared: {0}")]
    Metrics(#[from] MetricsError),
    /// The edge can't be built.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The spool can't be opened, or is damaged.
    #[error("spool: {0}")]
    Spool(#[from] SpoolError),
    /// The client for the log can't be made.
    #[error("kafka: {0}")]
    Kafka(#[from] hooklog_kafka::ConfigError),
    /// The schema registry does not help.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An address can't be bound.
    #[error("{setting} {address} can't be bound: {cause}")]
    Bind {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Something of the system failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl RunError {
    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Source(_)
            | Self::Tls(_)
            | Self::Logging(_)
            | Self::Failpoint(_)
            | Self::NoSource
            | Self::Kafka(_) => Exit::Config,
            Self::Metrics(_) => Exit::Internal,
            Self::Registry(RegistryError::Address { .. }) => Exit::Config,
            Self::Registry(_) => Exit::Unavailable,
            Self::Edge(EdgeError::Metrics(_)) => Exit::Internal,
            Self::Edge(EdgeError::Topic(_) | EdgeError::SharedTopic { .. } | EdgeError::Fetch(_)) => Exit::Config,
            Self::Bind { .. } | Self::Io(_) | Self::Spool(_) | Self::Edge(EdgeError::Thread(_)) => Exit::Io,
        }
    }
}
