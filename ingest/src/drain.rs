//! The drain: hands what the spool holds of a lane to the log, oldest first, and lets the fence down when nothing is left.
//!
//! A window of records is with the log's client at a time. They are removed from the spool when the log has them, from the first on; what
//! failed, and all after it that the log has not, is handed over again. A record that the log will never take is set aside, so that it
//! holds up nobody; but only if it was handed over alone, since the log refuses all that travels with such a record too.

use std::sync::Arc;
use std::time::Duration;

use hooklog_kafka::{Append, AppendError, Delivery, ErrorKind, Outgoing};
use hooklog_process::failpoint;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::lanes::Lane;
use crate::spool::Spool;
use crate::spool::metrics::SpoolMetrics;
use crate::spool::record::Spooled;
use crate::spool::shelf::{Place, SetAside};

/// Records of one lane that are with the log's client at a time: at first, and at most. A lane whose log is away leaves few there.
const WINDOW: (usize, usize) = (8, 512);

/// Their bytes.
const WINDOW_BYTES: usize = 2 << 20;

/// Lanes that are drained at a time: live records share the way to the log.
const LANES_AT_ONCE: usize = 4;

/// How long a lane that is drained may be without a report before another lane gets its turn too.
const TURN: Duration = Duration::from_secs(1);

/// How long the drain rests after a failure: at first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What draining takes. Clones share it.
#[derive(Clone)]
pub struct Drain {
    spool: Spool,
    log: Arc<dyn Append>,
    places: Arc<Semaphore>,
    metrics: SpoolMetrics,
}

/// What became of a window.
#[derive(Default)]
struct Progress {
    /// Places done with, from the first on.
    done: usize,
    /// Whether something has to be tried again.
    failed: bool,
    /// Whether the next has to be handed over alone.
    alone: bool,
}

impl Drain {
    /// From `spool` to `log`.
    #[must_use]
    pub fn new(spool: Spool, log: Arc<dyn Append>, metrics: SpoolMetrics) -> Self {
        Self { spool, log, places: Arc::new(Semaphore::new(LANES_AT_ONCE)), metrics }
    }

    /// Has a lane drained until its fence is down, unless somebody does so already.
    pub fn tend(&self, lane: &Arc<Lane>) {
        if lane.tend() {
            let (drain, lane) = (self.clone(), Arc::clone(lane));
            tokio::spawn(async move { drain.run(&lane).await });
        }
    }

    async fn run(&self, lane: &Lane) {
        let (mut rest, mut records) = (REST.0, WINDOW.0);
        while lane.may_drain().await {
            let mut turn = self.places.acquire().await.ok();
            let Progress { failed, alone, .. } = match self.step(lane, records, &mut turn).await {
                Some(progress) => progress,
                None => {
                    // All that it holds is still on its way into it, or the spool has failed and is opened anew.
                    let _ = tokio::time::timeout(REST.0, lane.change_of_state()).await;
                    Progress::default()
                }
            };
            records = match (alone, failed || turn.is_none()) {
                (true, _) => 1,
                (false, true) => WINDOW.0,
                (false, false) => (records * 2).min(WINDOW.1),
            };
            drop(turn);
            if failed {
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(REST.1);
            } else {
                rest = REST.0;
            }
        }
        tracing::info!(lane = %lane.id(), "the spool holds nothing of this lane any more");
    }

    /// One window of so many records: read, hand over, wait, remove. None when there is nothing to read.
    async fn step(&self, lane: &Lane, records: usize, turn: &mut Option<SemaphorePermit<'_>>) -> Option<Progress> {
        let places = self.spool.window(lane.id().clone(), records, WINDOW_BYTES).await.ok()?;
        let first = places.first()?.number();
        failpoint::hit("edge.drain-read");
        let mut aside = Vec::new();
        if cfg!(feature = "sabotage-trim-early") {
            let upto = places.last().map_or(first, |last| last.number() + 1);
            let _ = self.spool.trim(lane.id().clone(), upto, Vec::new()).await;
        }
        let progress = self.hand_over(lane, &places, &mut aside, turn).await;
        let done = &places[..progress.done];
        if done.is_empty() {
            return Some(progress);
        }
        let upto = first + u64::try_from(done.len()).unwrap_or(0);
        failpoint::hit("edge.drain-acked");
        let kept: Vec<u64> = aside.iter().map(|set| set.number).collect();
        if self.spool.trim(lane.id().clone(), upto, aside).await.is_err() {
            return Some(Progress { failed: true, ..Progress::default() });
        }
        failpoint::hit("edge.drain-trimmed");
        let mut drained = 0;
        for place in done {
            // What is set aside takes room still.
            if let Place::Whole(record) = place
                && !kept.contains(&record.number)
            {
                self.spool.give(&record.source, record.size);
                drained += 1;
            }
        }
        lane.drained(done.len(), upto);
        self.metrics.drained(drained);
        self.metrics.set_aside(kept.len());
        Some(progress)
    }

    /// Hands a window to the log and waits for its reports. Records before the first failure are done with.
    async fn hand_over(
        &self,
        lane: &Lane,
        places: &[Place],
        aside: &mut Vec<SetAside>,
        turn: &mut Option<SemaphorePermit<'_>>,
    ) -> Progress {
        let mut sent: Vec<Sent> = Vec::with_capacity(places.len());
        let mut failed = false;
        for place in places {
            match self.send(lane, place) {
                Sent::Refused(error) => {
                    tracing::warn!(lane = %lane.id(), %error, "the log takes nothing from the spool now");
                    failed = true;
                    break;
                }
                other => sent.push(other),
            }
        }
        failpoint::hit("edge.drain-produced");
        let mut progress = Progress { failed, ..Progress::default() };
        let mut stopped = false;
        for (place, sent) in places.iter().zip(sent) {
            match outcome(sent, turn).await {
                // It need not be handed over again with what is before it.
                Ok(Reported::Taken) if stopped => lane.arrived(place.number()),
                Ok(Reported::Never { .. }) | Err(_) if stopped => {}
                Ok(Reported::Taken) => progress.done += 1,
                Ok(Reported::Never { with_others, .. }) if with_others && places.len() > 1 => {
                    (stopped, progress.alone) = (true, true);
                }
                Ok(Reported::Never { reason, .. }) => {
                    aside.push(Self::set_aside(lane, place.number(), reason));
                    progress.done += 1;
                }
                Err(error) => {
                    tracing::warn!(lane = %lane.id(), %error, "the log did not take a record from the spool; it is tried again");
                    (stopped, progress.failed) = (true, true);
                }
            }
        }
        progress
    }

    fn set_aside(lane: &Lane, number: u64, reason: String) -> SetAside {
        tracing::error!(lane = %lane.id(), number, reason, "a spooled record can't be drained and is set aside");
        SetAside { number, reason }
    }

    fn send(&self, lane: &Lane, place: &Place) -> Sent {
        match place {
            Place::Whole(record) if lane.has_arrived(record.number) => Sent::Done,
            Place::Whole(record) => match self.append(lane, record) {
                Ok(delivery) => Sent::Waits(delivery),
                Err(error) if error.kind() == ErrorKind::TooLarge => Sent::Aside(error.to_string()),
                Err(error) => Sent::Refused(error),
            },
            Place::Damaged { damage, .. } => Sent::Aside(damage.to_string()),
            Place::Missing { .. } => Sent::Done,
        }
    }

    fn append(&self, lane: &Lane, record: &Spooled) -> Result<Delivery, AppendError> {
        let headers: Vec<(&str, &[u8])> =
            record.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        self.log.append(Outgoing {
            topic: &lane.id().topic,
            partition: lane.id().partition,
            key: Some(&record.key),
            value: &record.value,
            headers: &headers,
            timestamp: Some(record.timestamp),
        })
    }
}

/// What became of a place when it was handed over.
enum Sent {
    /// The log has it, by its original; or it is not there.
    Done,
    /// It can't be drained, and why.
    Aside(String),
    /// The log has been handed it.
    Waits(Delivery),
    /// The log takes nothing now.
    Refused(AppendError),
}

/// What the log, or the spool, says of a place.
enum Reported {
    /// There is nothing more to do.
    Taken,
    /// It will never be drained.
    Never {
        /// Why.
        reason: String,
        /// Whether that may be for what travelled with it.
        with_others: bool,
    },
}

/// Waits for what became of a place, or why it is tried again.
async fn outcome(sent: Sent, turn: &mut Option<SemaphorePermit<'_>>) -> Result<Reported, AppendError> {
    let mut delivery = match sent {
        Sent::Done => return Ok(Reported::Taken),
        Sent::Aside(reason) => return Ok(Reported::Never { reason, with_others: false }),
        Sent::Refused(error) => return Err(error),
        Sent::Waits(delivery) => delivery,
    };
    let reported = match tokio::time::timeout(TURN, &mut delivery).await {
        Ok(reported) => reported,
        Err(_) => {
            // The log of this lane is away. Others may not be.
            *turn = None;
            delivery.await
        }
    };
    match reported {
        Ok(_) => Ok(Reported::Taken),
        Err(error) if error.kind() == ErrorKind::TooLarge => {
            Ok(Reported::Never { reason: error.to_string(), with_others: true })
        }
        Err(error) => Err(error),
    }
}
