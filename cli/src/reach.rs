//! How a command finds its broker: told, or asked of the running `hooklog dev`, or Kafka's usual port.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hooklog_kafka::{AdminError, Connection};

use crate::failure::Failure;
use crate::home::Home;

/// Where Kafka's clients look if nobody tells them otherwise.
pub const USUAL: &str = "127.0.0.1:9092";

/// How long a broker may take to answer one question.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The options that name a broker.
#[derive(Debug, Args)]
pub struct Reach {
    /// The broker; the one of the running `hooklog dev` if not given, else 127.0.0.1:9092
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// The folder of the `hooklog dev` to look at
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Reach {
    /// The connection to the broker.
    ///
    /// # Errors
    /// As [`Reach::bootstrap`].
    pub fn connection(&self) -> Result<Connection, Failure> {
        Ok(Connection::plain(&self.bootstrap()?, "hooklog"))
    }

    /// The broker's address.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there is no usual folder to look for a running `hooklog dev` in, though one was named.
    pub fn bootstrap(&self) -> Result<String, Failure> {
        if let Some(broker) = &self.broker {
            return Ok(broker.clone());
        }
        let home = match Home::at(self.data_dir.as_deref()) {
            Ok(home) => home,
            // A service account has no home: then nobody runs `hooklog dev` there either.
            Err(_) if self.data_dir.is_none() => return Ok(USUAL.to_owned()),
            Err(failure) => return Err(failure),
        };
        match (home.running(), &self.data_dir) {
            (Some(running), _) => Ok(running.bootstrap),
            (None, None) => Ok(USUAL.to_owned()),
            (None, Some(folder)) => Err(Failure::Unavailable(format!(
                "no `hooklog dev` runs on {}: start it, or give --broker",
                folder.display()
            ))),
        }
    }
}

/// A runtime for a command that asks and ends.
///
/// # Errors
/// [`Failure::Internal`] when the system gives no thread for it.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().map_err(|error| Failure::Internal(format!("no threads: {error}")))
}

/// A question to the cluster that failed, as a command's end.
#[must_use]
pub fn unanswered(error: &AdminError) -> Failure {
    match error {
        AdminError::Config(_) => Failure::Config(error.to_string()),
        AdminError::Unreachable { .. } => Failure::Unavailable(error.to_string()),
        _ => Failure::Refused(error.to_string()),
    }
}
