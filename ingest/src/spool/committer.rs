//! The spool's own thread: one synced write for everybody who waits, reads and removals for the drain, and what follows a failure.
//!
//! ```text
//!          a write or its sync failed
//!  ┌──────┐ ────────────────────────────▶ ┌────────┐  every order is refused, nothing is written
//!  │ Open │                               │ Failed │
//!  └──────┘ ◀──────────────────────────── └────────┘
//!             opened anew, and every record read and found whole
//! ```
//!
//! After a failed sync nobody knows what the device has, and asking again may be answered with a lie: the store is closed, opened anew and
//! read as a whole before it takes or gives another record.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use hooklog_disk::{DiskError, Sync};
use hooklog_process::failpoint;
use hooklog_schemas::Timestamp;
use tokio::sync::oneshot;

use super::shelf::{Entry, Place, SetAside, Shelf};
use super::survey::Survey;
use super::{Shared, SpoolError};
use crate::lane::LaneId;

/// Bytes that are written at once: more would make the first of them wait for the last.
const GROUP_BYTES: usize = 4 << 20;

/// How often the spool looks at itself, and how soon after a failure it is opened anew.
const TICK: Duration = Duration::from_secs(1);

type Done<T> = oneshot::Sender<Result<T, SpoolError>>;

/// What the thread is asked for.
pub(super) enum Order {
    /// A record for the end of its lane.
    Put { entry: Entry, done: Done<u64> },
    /// The first records of a lane.
    Window { lane: LaneId, records: usize, bytes: usize, done: Done<Vec<Place>> },
    /// The first places of a lane are done with.
    Trim { lane: LaneId, upto: u64, aside: Vec<SetAside>, done: Done<()> },
    /// The end.
    Close { done: oneshot::Sender<()> },
}

/// Opens the store.
pub(super) type Open = Box<dyn Fn() -> Result<Shelf, SpoolError> + Send>;

/// Called with what the spool holds when it was opened anew, before it takes another record.
pub(super) type Reopened = Box<dyn Fn(&Survey) + Send>;

/// The thread's own.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) orders: Receiver<Order>,
    pub(super) open: Open,
    pub(super) reopened: Reopened,
    /// None after a failure.
    pub(super) shelf: Option<Shelf>,
}

impl Committer {
    /// Serves until everybody who could ask is gone.
    pub(super) fn run(mut self) {
        let mut looked = Instant::now();
        loop {
            match self.orders.recv_timeout(TICK) {
                Ok(Order::Close { done }) => {
                    self.close();
                    let _ = done.send(());
                    return;
                }
                Ok(order) => self.serve(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.close();
                    return;
                }
            }
            if looked.elapsed() >= TICK {
                self.look();
                looked = Instant::now();
            }
        }
    }

    /// One order, and with a record all others that wait to be written.
    fn serve(&mut self, order: Order) {
        let mut group = Vec::new();
        let mut size = 0;
        let mut next = Some(order);
        while let Some(order) = next.take() {
            match order {
                Order::Put { entry, done } => {
                    size += entry.bytes.len();
                    group.push((entry, done));
                }
                Order::Window { lane, records, bytes, done } => {
                    let _ = done.send(self.with(|shelf| Ok(shelf.window(&lane, 0, records, bytes)?)));
                }
                Order::Trim { lane, upto, aside, done } => {
                    let _ = done.send(self.with(|shelf| Ok(shelf.trim(&lane, upto, &aside)?)));
                }
                Order::Close { done } => {
                    self.commit(std::mem::take(&mut group));
                    self.close();
                    let _ = done.send(());
                    return;
                }
            }
            // While records are gathered, all that waits is looked at; else one order is one turn.
            if !group.is_empty() && size < GROUP_BYTES {
                next = self.orders.try_recv().ok();
            }
        }
        self.commit(group);
    }

    /// One write, one sync, and only then one answer for each.
    fn commit(&mut self, group: Vec<(Entry, Done<u64>)>) {
        if group.is_empty() {
            return;
        }
        let started = Instant::now();
        let (records, dones): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        failpoint::hit("edge.spool-batch");
        let sync = if cfg!(feature = "sabotage-no-sync") { Sync::None } else { Sync::Synced };
        let written = self.with(|shelf| Ok(shelf.append(records, sync)?));
        failpoint::hit("edge.spool-synced");
        match written {
            Ok(numbers) => {
                self.shared.metrics.commit(started.elapsed(), numbers.len());
                for (number, done) in numbers.into_iter().zip(dones) {
                    let _ = done.send(Ok(number));
                }
            }
            Err(error) => {
                for done in dones {
                    let _ = done.send(Err(error.clone()));
                }
            }
        }
    }

    /// Whatever fails on the disk closes it.
    fn with<T>(&mut self, work: impl FnOnce(&mut Shelf) -> Result<T, SpoolError>) -> Result<T, SpoolError> {
        let Some(shelf) = &mut self.shelf else { return Err(self.shared.failure()) };
        let done = work(shelf);
        if let Err(error) = &done {
            self.fail(error);
        }
        done
    }

    fn fail(&mut self, error: &SpoolError) {
        tracing::error!(%error, "the spool failed and takes nothing until it was opened anew and read as a whole");
        self.shelf = None;
        self.shared.fail(error);
    }

    /// What is done once a second: room on the device, age, and after a failure another try.
    fn look(&mut self) {
        self.shared.look_at_device(self.shelf.is_some());
        let looked = match &self.shelf {
            Some(shelf) => oldest(shelf).and_then(|oldest| {
                self.shared.set_oldest(oldest);
                if oldest.is_none() && self.shared.is_device_full() {
                    // What was drained takes room until the store is made to give it back.
                    shelf.shrink()?;
                    self.shared.look_at_device(true);
                }
                Ok(())
            }),
            None => return self.reopen(),
        };
        if let Err(error) = looked {
            self.fail(&SpoolError::from(error));
        }
    }

    fn reopen(&mut self) {
        if self.shared.is_device_full() {
            return;
        }
        let opened = (self.open)().and_then(|shelf| {
            let survey = Survey::of(&shelf)?;
            if survey.damage.is_none() || self.shared.settings.accept_damage {
                Ok((shelf, survey))
            } else {
                Err(SpoolError::Damaged(survey.damage))
            }
        });
        match opened {
            Ok((shelf, survey)) => {
                self.shared.metrics.damaged(&survey.damage);
                self.shared.usage.set(survey.holding.clone());
                (self.reopened)(&survey);
                self.shelf = Some(shelf);
                // Before anything is taken: what the reserve left free is for the drain.
                self.shared.look_at_device(true);
                self.shared.mend();
                tracing::info!(records = survey.holding.records, "the spool is open again, and was read as a whole");
            }
            Err(error) => self.shared.fail(&error),
        }
    }

    fn close(&mut self) {
        if let Some(shelf) = self.shelf.take()
            && let Err(error) = shelf.sync()
        {
            tracing::error!(%error, "the spool could not be synced at its end; what was answered with 2xx had been synced before");
        }
    }
}

/// When the oldest record was spooled: each lane's first that can be read is its oldest.
fn oldest(shelf: &Shelf) -> Result<Option<Timestamp>, DiskError> {
    let mut oldest: Option<Timestamp> = None;
    for (lane, kept) in shelf.lanes() {
        let mut next = kept.start;
        while next < kept.end {
            match shelf.window(lane, next, 1, 1)?.first() {
                Some(Place::Whole(record)) => {
                    oldest = Some(oldest.map_or(record.spooled_at, |oldest| oldest.min(record.spooled_at)));
                    break;
                }
                _ => next += 1,
            }
        }
    }
    Ok(oldest)
}
