//! Making a record durable: the only place from which a 2xx can come.
//!
//! ```text
//!             fence down                    acknowledged
//!  begin ───────────────────▶ the log ─────────────────────────────▶ Durable::Log
//!    │                           │ not in time, or refused for now
//!    │ fence up                  ▼ (and the fence goes up)   synced
//!    └─────────────────────▶ the spool ────────────────────────────▶ Durable::Spool
//! ```
//!
//! A source that would rather be asked again (`when_log_away = "refuse"`) has no spool: it is answered 503.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hooklog_kafka::{Append, AppendError, Delivery, ErrorKind, Outgoing};
use hooklog_process::failpoint;
use hooklog_process::metrics::Histogram;
use hooklog_schemas::{Partition, Position, SourceName};
use hooklog_signatures::WhenLogAway;
use tokio::sync::oneshot;

use crate::drain::Drain;
use crate::fence::Way;
use crate::lanes::{Lane, Lanes};
use crate::outcome::Outcome;
use crate::phase::{Elapsed, Phase};
use crate::seal::Sealed;
use crate::source::Source;
use crate::spool::{Spool, SpoolError, record, shelf};

/// Where a record is stored. Nothing but an acknowledgement or a synced write makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durable {
    /// On every in-sync replica of the log, at this position.
    Log(Position),
    /// On this machine's disk, on its way to the log.
    Spool,
}

impl Durable {
    /// The value of the header `hooklog-durability`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Spool => "spool",
        }
    }
}

/// How long a request waits.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the log, before its record goes to the spool.
    pub spool_after: Duration,
    /// In all.
    pub deadline: Duration,
}

/// The spool, where there is one, and who empties it.
pub struct Spooling {
    /// The spool.
    pub spool: Spool,
    /// Who empties it.
    pub drain: Drain,
}

/// The way to durability.
pub struct Store {
    log: Arc<dyn Append>,
    lanes: Arc<Lanes>,
    spooling: Option<Spooling>,
    patience: Patience,
    seconds: Histogram,
}

/// What is to be made durable, and whose it is.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The source.
    pub source: &'a Source,
    /// The record.
    pub sealed: &'a Sealed,
}

impl Entry<'_> {
    /// Lends the record as the log's client takes it.
    fn record<T>(&self, partition: Option<Partition>, take: impl FnOnce(Outgoing<'_>) -> T) -> T {
        let headers = self.sealed.headers(self.source);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        take(Outgoing {
            topic: &self.source.topic,
            partition,
            key: Some(self.key()),
            value: &self.sealed.value,
            headers: &headers,
            timestamp: Some(self.sealed.received_at),
        })
    }

    fn key(&self) -> &[u8] {
        self.sealed.event.key.as_str().as_bytes()
    }
}

impl Store {
    /// Stores in `log`, and in the spool where there is one.
    #[must_use]
    pub fn new(
        log: Arc<dyn Append>,
        lanes: Arc<Lanes>,
        spooling: Option<Spooling>,
        patience: Patience,
        seconds: Histogram,
    ) -> Self {
        Self { log, lanes, spooling, patience, seconds }
    }

    /// Whether a record of such a source is kept by its request until it is durable, since it may go to the spool.
    #[must_use]
    pub const fn may_spool(&self, when_log_away: WhenLogAway) -> bool {
        self.spooling.is_some() && matches!(when_log_away, WhenLogAway::Spool)
    }

    /// Hands a copy of the record to the log, or to the spool where that is its way.
    ///
    /// # Errors
    /// The [`Outcome`] that ends the request.
    pub fn begin(&self, entry: Entry<'_>) -> Result<Pending<'_>, Outcome> {
        let start = Instant::now();
        let topic = &entry.source.topic;
        let count = self.log.partitions(topic);
        let may_spool = self.may_spool(entry.source.when_log_away);
        let when_log_away = if may_spool { WhenLogAway::Spool } else { WhenLogAway::Refuse };
        let (lane, way) = self.lanes.enter(topic, entry.key(), count, when_log_away);
        let step = match way {
            Way::Refused => return Err(Outcome::LogAway),
            Way::Spool => Step::Spool(self.spill(&lane, entry, None)),
            Way::Log => match entry.record(lane.id().partition, |record| self.log.append(record)) {
                Ok(delivery) => Step::Log(InFlight { lane, delivery: Some(delivery) }),
                Err(error) => Step::Spool(self.instead(&lane, entry, &error)?),
            },
        };
        failpoint::hit("edge.enqueued");
        Ok(Pending { store: self, start, step })
    }

    /// The log did not take the record: the spool may.
    fn instead(&self, lane: &Arc<Lane>, entry: Entry<'_>, error: &AppendError) -> Result<Written, Outcome> {
        let outcome = outcome_of(error);
        if outcome == Outcome::LogRefused || !self.may_spool(entry.source.when_log_away) {
            return Err(refused(lane, error));
        }
        // One step: between the two nobody may find the fence down.
        lane.change(|fence| {
            fence.write();
            fence.land(false);
        });
        Ok(self.spill(lane, entry, None))
    }

    /// Writes a record, which its lane counts as being written already, to the spool. `original` is its delivery by the log, which may
    /// still come.
    fn spill(&self, lane: &Arc<Lane>, entry: Entry<'_>, original: Option<Delivery>) -> Written {
        let (done, written) = oneshot::channel();
        let Some(Spooling { spool, drain }) = &self.spooling else { return Written(written) };
        let (name, now) = (&entry.source.name, entry.sealed.received_at);
        let id = lane.id().clone();
        let bytes = entry.record(id.partition, |record| record::encode(&record, name, now));
        // A lane of its own tells that the number is the one it was made for.
        let count = id.partition.and_then(|_| self.log.partitions(&id.topic));
        let place = shelf::Entry { lane: id, count, bytes };
        let spill = Spill { spool: spool.clone(), drain: drain.clone(), lane: Arc::clone(lane), done, original };
        let source = name.clone();
        // Not part of the request: what it has begun has to be ended, whatever becomes of the caller.
        tokio::spawn(async move { spill.run(source, place).await });
        Written(written)
    }

    /// Waits until the spool holds nothing, as long as it holds less and less, and not beyond `until`. Returns how many records are left.
    pub async fn settle(&self, until: Instant) -> usize {
        let held = || self.lanes.all().iter().map(|lane| lane.held()).sum::<usize>();
        let (mut least, mut since) = (held(), Instant::now());
        while least > 0 && Instant::now() < until && since.elapsed() < NO_PROGRESS {
            tokio::time::sleep(LOOK).await;
            if held() < least {
                (least, since) = (held(), Instant::now());
            }
        }
        held()
    }

    /// Closes the spool.
    pub async fn close(&self) {
        if let Some(Spooling { spool, .. }) = &self.spooling {
            spool.close().await;
        }
    }
}

/// How long the end waits for a spool that does not get emptier, and how often it looks.
const NO_PROGRESS: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// A record on its way into the spool.
struct Spill {
    spool: Spool,
    drain: Drain,
    lane: Arc<Lane>,
    done: oneshot::Sender<Result<(), SpoolError>>,
    original: Option<Delivery>,
}

impl Spill {
    async fn run(self, source: SourceName, entry: shelf::Entry) {
        let Self { spool, drain, lane, done, original } = self;
        let written = write(&spool, &source, entry).await;
        match &written {
            Ok(_) => lane.change(crate::fence::Fence::written),
            Err(error) => {
                tracing::error!(lane = %lane.id(), %source, %error, "the spool did not take a record");
                lane.change(crate::fence::Fence::not_written);
            }
        }
        // Whoever asked may have gone: the record is there all the same.
        let _ = done.send(written.as_ref().map(|_| ()).map_err(Clone::clone));
        drain.tend(&lane);
        let Some(original) = original else { return };
        if let (Ok(_), Ok(number)) = (original.await, written) {
            lane.arrived(number);
        }
        lane.change(|fence| fence.land(true));
    }
}

async fn write(spool: &Spool, source: &SourceName, entry: shelf::Entry) -> Result<u64, SpoolError> {
    let size = entry.bytes.len();
    spool.take(source, size)?;
    let written = spool.put(entry).await;
    if written.is_err() {
        spool.give(source.as_str(), size);
    }
    written
}

/// Hears when a record is in the spool.
struct Written(oneshot::Receiver<Result<(), SpoolError>>);

/// A record that the log's client has. However its request ends, the lane hears of its report.
struct InFlight {
    lane: Arc<Lane>,
    delivery: Option<Delivery>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let (Some(delivery), Ok(runtime)) = (self.delivery.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let lane = Arc::clone(&self.lane);
        lane.change(crate::fence::Fence::give_up);
        runtime.spawn(async move {
            // For good or ill: nobody waits for it any more.
            let _ = delivery.await;
            lane.change(|fence| fence.land(true));
        });
    }
}

enum Step {
    Log(InFlight),
    Spool(Written),
}

/// A record that is on its way and not durable yet.
#[must_use = "a record is not stored before the log or the spool says so"]
pub struct Pending<'a> {
    store: &'a Store,
    start: Instant,
    step: Step,
}

impl Pending<'_> {
    /// Waits until it is durable, on the connection of `phase`. `again` is the same entry, for the spool, where it may go there.
    ///
    /// After the deadline the record may still reach the log: the answer is "unknown, retry", and the retry has the same dedupe id.
    ///
    /// # Errors
    /// The [`Outcome`] that ends the request.
    pub async fn durable(self, again: Option<Entry<'_>>, phase: &Phase) -> Result<Durable, Outcome> {
        let Self { store, start, step } = self;
        let written = match step {
            Step::Spool(written) => written,
            Step::Log(in_flight) => match store.acknowledged(in_flight, start, again, phase).await? {
                Logged::At(position) => return Ok(Durable::Log(position)),
                Logged::Spooled(written) => written,
            },
        };
        match phase.within(start + store.patience.deadline, written.0).await {
            Ok(Ok(Ok(()))) => {
                failpoint::hit("edge.spooled");
                Ok(Durable::Spool)
            }
            Ok(Ok(Err(SpoolError::Full(_)))) if cfg!(feature = "sabotage-drop") => Ok(Durable::Spool),
            Ok(Ok(Err(SpoolError::Full(_)))) => Err(Outcome::SpoolFull),
            Ok(Ok(Err(SpoolError::Busy))) => Err(Outcome::Overloaded),
            Ok(_) => Err(Outcome::SpoolFailed),
            Err(Elapsed) => Err(Outcome::LogAway),
        }
    }
}

/// What became of a record that was handed to the log.
enum Logged {
    /// The log has it.
    At(Position),
    /// It is on its way into the spool.
    Spooled(Written),
}

impl Store {
    /// Waits for the log's report of a record, for as long as its request waits for the log, and turns to the spool where it may.
    async fn acknowledged(
        &self,
        mut in_flight: InFlight,
        start: Instant,
        again: Option<Entry<'_>>,
        phase: &Phase,
    ) -> Result<Logged, Outcome> {
        let patience = if again.is_some() { self.patience.spool_after } else { self.patience.deadline };
        let Some(delivery) = in_flight.delivery.as_mut() else { return Err(Outcome::LogAway) };
        let reported = phase.within(start + patience, delivery).await;
        let lane = &in_flight.lane;
        match (reported, again) {
            (Ok(Ok(position)), _) => {
                in_flight.delivery = None;
                lane.land();
                self.seconds.observe(start.elapsed().as_secs_f64());
                failpoint::hit("edge.acked");
                Ok(Logged::At(position))
            }
            (Ok(Err(error)), again) => {
                in_flight.delivery = None;
                let entry = again.ok_or_else(|| refused(lane, &error))?;
                self.instead(lane, entry, &error).map(Logged::Spooled)
            }
            (Err(Elapsed), None) => Err(Outcome::LogAway),
            (Err(Elapsed), Some(entry)) => {
                let original = in_flight.delivery.take();
                lane.change(|fence| {
                    fence.give_up();
                    fence.write();
                });
                Ok(Logged::Spooled(self.spill(lane, entry, original)))
            }
        }
    }
}

/// The log does not have a record, and its request ends.
fn refused(lane: &Lane, error: &AppendError) -> Outcome {
    lane.land();
    tracing::error!(lane = %lane.id(), %error, "the log did not take a record");
    outcome_of(error)
}

/// A local queue that is full is our overload; what can't succeed later is refused; all else may mend itself.
fn outcome_of(error: &AppendError) -> Outcome {
    match error.kind() {
        ErrorKind::Full => Outcome::Overloaded,
        ErrorKind::TooLarge => Outcome::LogRefused,
        ErrorKind::Transient | ErrorKind::Fatal => Outcome::LogAway,
    }
}
