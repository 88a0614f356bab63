//! One partition's queue, polled by the worker that owns the partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hooklog_schemas::{NextOffset, Timestamp};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::context::GroupContext;
use super::{Lease, ReaderHandle};
use crate::error::ReadError;
use crate::record::{Arena, Incoming};

pub(super) type Client = BaseConsumer<GroupContext>;
pub(super) type Queue = PartitionQueue<GroupContext>;

/// What a look at the queue gave. Records go into the caller's list; this says what else there is to know.
#[derive(Debug)]
#[must_use]
pub enum Poll {
    /// At least one record was taken. There may be more.
    Records,
    /// Nothing came within the timeout.
    Idle,
    /// The end of the partition was reached (records may have been taken before it): nothing stable lies at or after this offset now.
    /// Said once each time the end is reached.
    EndOfPartition(NextOffset),
    /// The lease has ended: drop the reader.
    Revoked,
    /// The partition can't be read on. Records taken before are good. [`PartitionReader::start`] may be called again.
    Failed(ReadError),
}

/// What the group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub next: NextOffset,
    /// The note it was committed with.
    pub note: String,
}

/// The bounds of a partition: the first offset that is kept, and the one that the next record will get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset kept.
    pub start: NextOffset,
    /// The end: one after the last record.
    pub end: NextOffset,
}

/// The lease's state as worker and poll thread share it.
#[derive(Debug, Default)]
pub(super) struct LeaseState {
    revoked: AtomicBool,
    phase: Mutex<Phase>,
    changed: Condvar,
}

/// How far a lease has come. While it is not [`Phase::Reading`] the queue is left alone: what lies in it belongs to an earlier start.
#[derive(Debug, Default)]
enum Phase {
    #[default]
    Paused,
    Reading,
    Failed(ReadError),
}

impl LeaseState {
    pub(super) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    pub(super) fn begin(&self) {
        self.set(Phase::Reading);
    }

    pub(super) fn fail(&self, error: ReadError) {
        self.set(Phase::Failed(error));
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.changed.notify_all();
    }

    /// Waits until the partition is being read; otherwise says what is to be told instead.
    fn reading_within(&self, timeout: Duration) -> Result<(), Poll> {
        let deadline = Instant::now() + timeout;
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.is_revoked() {
                return Err(Poll::Revoked);
            }
            match std::mem::take(&mut *phase) {
                Phase::Failed(error) => return Err(Poll::Failed(error)),
                Phase::Reading => {
                    *phase = Phase::Reading;
                    return Ok(());
                }
                Phase::Paused => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Poll::Idle);
            }
            phase = self.changed.wait_timeout(phase, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The reading end of one partition for one [`Lease`]. Send it to the partition's worker; drop it when it says [`Poll::Revoked`].
pub struct PartitionReader {
    lease: Lease,
    state: Arc<LeaseState>,
    /// Goes back to the poll thread on drop: dropped anywhere else, it could be the last to hold the client.
    queue: Option<Queue>,
    client: Option<Arc<Client>>,
    returned: Sender<Returned>,
    handle: ReaderHandle,
    arena: Arena,
    /// The least offset to hand out; the one after the last record handed out.
    next: NextOffset,
}

/// What a dropped reader gives back to the poll thread.
pub(super) struct Returned {
    pub(super) lease: Lease,
    pub(super) queue: Queue,
    pub(super) client: Arc<Client>,
}

impl PartitionReader {
    pub(super) fn new(
        lease: Lease,
        queue: Queue,
        client: Arc<Client>,
        (returned, handle): (Sender<Returned>, ReaderHandle),
    ) -> (Self, Arc<LeaseState>) {
        let state = Arc::new(LeaseState::default());
        let reader = Self {
            lease,
            state: Arc::clone(&state),
            queue: Some(queue),
            client: Some(client),
            returned,
            handle,
            arena: Arena::default(),
            next: NextOffset::ZERO,
        };
        (reader, state)
    }

    /// Which partition, and which life of it.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Whether the lease has ended.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.state.is_revoked()
    }

    /// Starts reading at `next`, or goes back (or on) to it. Returns at once; records follow in [`Self::poll`].
    ///
    /// # Errors
    /// [`ReadError::Busy`] or [`ReadError::Closed`]; that the offset is not there any more is said by [`Self::poll`].
    pub fn start(&mut self, next: NextOffset) -> Result<(), ReadError> {
        // First the state, then the command: the poll thread's answer must not be overwritten.
        self.state.set(Phase::Paused);
        self.next = next;
        self.handle.start_at(self.lease.clone(), next)
    }

    /// Waits up to `timeout` for a record, then takes what is there without waiting, up to `limit` records. Use short timeouts
    /// (≤ 100 ms): a revocation is noticed between two polls.
    pub fn poll(&mut self, limit: usize, timeout: Duration, into: &mut Vec<Incoming>) -> Poll {
        if let Err(instead) = self.state.reading_within(timeout) {
            return instead;
        }
        let before = into.len();
        let mut wait = timeout;
        while into.len() - before < limit {
            let taken = self.queue.as_ref().and_then(|queue| queue.poll(wait));
            // Looked at after the record was taken: what a worker takes late is never handed out.
            if self.state.is_revoked() {
                into.truncate(before);
                return Poll::Revoked;
            }
            match taken {
                None => break,
                Some(Ok(message)) => {
                    // After a rewind the client drops what it had fetched; this costs one comparison and does not rely on it.
                    if message.offset() < self.next.0 {
                        continue;
                    }
                    let record = self.arena.copy(&self.lease.topic, &message);
                    self.next = record.position.offset.next();
                    into.push(record);
                    wait = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Poll::EndOfPartition(self.next),
                Some(Err(error)) => match ReadError::of_partition(&error, &self.lease, self.next) {
                    Some(error) => return Poll::Failed(error),
                    None => break,
                },
            }
        }
        if into.len() == before { Poll::Idle } else { Poll::Records }
    }

    /// What the group committed for this partition. Asks the group's coordinator and blocks, up to `within`.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when there is no answer in time.
    pub fn committed(&self, within: Duration) -> Result<Option<Committed>, ReadError> {
        let mut asked = TopicPartitionList::with_capacity(1);
        asked.add_partition(self.lease.topic.as_str(), self.lease.partition.0);
        let answer = self
            .client()?
            .committed_offsets(asked, within)
            .map_err(|error| self.unavailable("committed offset", &error))?;
        let elements = answer.elements();
        let Some(element) = elements.first() else { return Ok(None) };
        element.error().map_err(|error| self.unavailable("committed offset", &error))?;
        Ok(match element.offset() {
            Offset::Offset(next) => Some(Committed { next: NextOffset(next), note: element.metadata().to_owned() }),
            _ => None,
        })
    }

    /// The partition's bounds now. Asks its leader and blocks, up to `within`.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when there is no answer in time.
    pub fn watermarks(&self, within: Duration) -> Result<Watermarks, ReadError> {
        let (start, end) = self
            .client()?
            .fetch_watermarks(self.lease.topic.as_str(), self.lease.partition.0, within)
            .map_err(|error| self.unavailable("watermarks", &error))?;
        Ok(Watermarks { start: NextOffset(start), end: NextOffset(end) })
    }

    /// The first offset whose record is not older than `time`; none when all are older. Asks the leader and blocks, up to `within`.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when there is no answer in time.
    pub fn offset_at(&self, time: Timestamp, within: Duration) -> Result<Option<NextOffset>, ReadError> {
        let failed = |error: &KafkaError| self.unavailable("offset of a time", error);
        let mut asked = TopicPartitionList::with_capacity(1);
        asked
            .add_partition_offset(self.lease.topic.as_str(), self.lease.partition.0, Offset::Offset(time.0))
            .map_err(|error| failed(&error))?;
        let answer = self.client()?.offsets_for_times(asked, within).map_err(|error| failed(&error))?;
        let elements = answer.elements();
        let Some(element) = elements.first() else { return Ok(None) };
        element.error().map_err(|error| failed(&error))?;
        Ok(match element.offset() {
            Offset::Offset(next) => Some(NextOffset(next)),
            _ => None,
        })
    }

    fn client(&self) -> Result<&Client, ReadError> {
        self.client.as_deref().ok_or(ReadError::Closed)
    }

    fn unavailable(&self, asked: &'static str, error: &KafkaError) -> ReadError {
        ReadError::Unavailable {
            what: format!("the {asked} of {}/{}", self.lease.topic, self.lease.partition),
            cause: error.to_string(),
        }
    }
}

impl Drop for PartitionReader {
    fn drop(&mut self) {
        let (Some(queue), Some(client)) = (self.queue.take(), self.client.take()) else { return };
        let returned = Returned { lease: self.lease.clone(), queue, client };
        if let Err(refused) = self.returned.send(returned) {
            // The poll thread gave up waiting for this reader: the client stays with the process rather than being closed here.
            std::mem::forget(refused.0);
        }
    }
}

impl std::fmt::Debug for PartitionReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionReader").field("lease", &self.lease).field("next", &self.next).finish_non_exhaustive()
    }
}
