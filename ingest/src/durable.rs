//! Making a record durable: the only place from which a 2xx can come.
//!
//! Today there is one way, the brokers' acknowledgement within the edge's own deadline. This is also the seat of the fence between
//! the log and a local spool: whatever is added here, [`Durable`] stays the only proof that an answer may say "stored".

use std::sync::Arc;
use std::time::{Duration, Instant};

use hooklog_kafka::{Append, AppendError, ErrorKind, Outgoing};
use hooklog_process::failpoint;
use hooklog_process::metrics::Histogram;
use hooklog_schemas::Position;

use crate::deadline::{Elapsed, Phase};
use crate::outcome::Outcome;

/// Where a record is stored. Nothing but an acknowledgement makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durable {
    /// On every in-sync replica of the log, at this position.
    Log(Position),
}

impl Durable {
    /// The value of the header `hooklog-durability`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
        }
    }
}

/// The way to durability.
#[derive(Clone)]
pub struct Store {
    log: Arc<dyn Append>,
    deadline: Duration,
    seconds: Histogram,
}

impl Store {
    /// Stores in `log`, waiting for it no longer than `deadline`.
    #[must_use]
    pub fn new(log: Arc<dyn Append>, deadline: Duration, seconds: Histogram) -> Self {
        Self { log, deadline, seconds }
    }

    /// Stores the record of a request on the connection of `phase`.
    ///
    /// After a deadline the record may still reach the log: the answer is "unknown, retry", and the retry has the same dedupe id.
    ///
    /// # Errors
    /// The [`Outcome`] that ends the request.
    pub async fn store(&self, record: Outgoing<'_>, phase: &Phase) -> Result<Durable, Outcome> {
        let start = Instant::now();
        let topic = record.topic;
        let refused = |error: &AppendError| {
            tracing::error!(%topic, %error, "the log did not take a record");
            outcome_of(error)
        };
        let delivery = self.log.append(record).map_err(|error| refused(&error))?;
        failpoint::hit("edge.enqueued");
        let report = phase.within(start + self.deadline, delivery).await;
        match report {
            Ok(Ok(position)) => {
                self.seconds.observe(start.elapsed().as_secs_f64());
                failpoint::hit("edge.acked");
                Ok(Durable::Log(position))
            }
            Ok(Err(error)) => Err(refused(&error)),
            Err(Elapsed) => Err(Outcome::LogAway),
        }
    }
}

/// A local queue that is full is our overload; what can't succeed later is refused; all else may mend itself.
fn outcome_of(error: &AppendError) -> Outcome {
    match error.kind() {
        ErrorKind::Full => Outcome::Overloaded,
        ErrorKind::TooLarge | ErrorKind::Fatal => Outcome::LogRefused,
        ErrorKind::Transient => Outcome::LogAway,
    }
}
