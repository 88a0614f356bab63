//! Making a record durable: the only place from which a 2xx can come.
//!
//! Today there is one way, the brokers' acknowledgement within the edge's own deadline. This is also the seat of the fence between
//! the log and a local spool: whatever is added here, [`Durable`] stays the only proof that an answer may say "stored".

use std::sync::Arc;
use std::time::{Duration, Instant};

use hooklog_kafka::{Append, AppendError, Delivery, ErrorKind, Outgoing};
use hooklog_process::failpoint;
use hooklog_process::metrics::Histogram;
use hooklog_schemas::{Position, TopicName};

use crate::outcome::Outcome;
use crate::phase::{Elapsed, Phase};

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

    /// Hands a copy of the record to the log. Nothing of the record is needed after that, so that a request that waits holds none of it.
    ///
    /// # Errors
    /// The [`Outcome`] that ends the request.
    pub fn begin(&self, record: Outgoing<'_>) -> Result<Pending<'_>, Outcome> {
        let start = Instant::now();
        let topic = record.topic;
        let delivery = self.log.append(record).map_err(|error| refused(topic, &error))?;
        failpoint::hit("edge.enqueued");
        Ok(Pending { store: self, start, delivery })
    }
}

/// A record that the log has been handed and has not acknowledged.
#[must_use = "a record is not stored before the log says so"]
pub struct Pending<'a> {
    store: &'a Store,
    start: Instant,
    delivery: Delivery,
}

impl Pending<'_> {
    /// Waits for the acknowledgement on the connection of `phase`; `topic` is where the record went.
    ///
    /// After a deadline the record may still reach the log: the answer is "unknown, retry", and the retry has the same dedupe id.
    ///
    /// # Errors
    /// The [`Outcome`] that ends the request.
    pub async fn durable(self, topic: &TopicName, phase: &Phase) -> Result<Durable, Outcome> {
        let Self { store, start, delivery } = self;
        match phase.within(start + store.deadline, delivery).await {
            Ok(Ok(position)) => {
                store.seconds.observe(start.elapsed().as_secs_f64());
                failpoint::hit("edge.acked");
                Ok(Durable::Log(position))
            }
            Ok(Err(error)) => Err(refused(topic, &error)),
            Err(Elapsed) => Err(Outcome::LogAway),
        }
    }
}

fn refused(topic: &TopicName, error: &AppendError) -> Outcome {
    tracing::error!(%topic, %error, "the log did not take a record");
    outcome_of(error)
}

/// A local queue that is full is our overload; what can't succeed later is refused; all else may mend itself.
fn outcome_of(error: &AppendError) -> Outcome {
    match error.kind() {
        ErrorKind::Full => Outcome::Overloaded,
        ErrorKind::TooLarge | ErrorKind::Fatal => Outcome::LogRefused,
        ErrorKind::Transient => Outcome::LogAway,
    }
}
