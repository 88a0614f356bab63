//! One partition's worker: a thread that reads its queue, steps micro-batches through the consumer, and has offsets committed.
//!
//! ```text
//! restore (state, committed offset, bounds of the log → where to begin)
//!    │
//!    ▼
//! ┌─ settle effects that ended ◄──────────────────────────────────────────┐
//! │  gather records ─► step (one write) ─► hand effects to the performer ─┤
//! │  every second: sync ─► commit ────────────────────────────────────────┘
//! └─ on stop: drain effects ─► sync ─► answer with the last offset ─► close
//! ```

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use hooklog_kafka::reader::{Commit, Committed, Watermarks};
use hooklog_kafka::{Incoming, PartitionReader, Poll, ReadError};
use hooklog_process::failpoint;
use hooklog_schemas::{DeadLetter, NextOffset, Timestamp};

use crate::appending::Origin;
use crate::consumer::Consumer;
use crate::outbox::{Entry, EntryId};
use crate::performer::{Finished, Performer};
use crate::restore::Restored;
use crate::shared::Shared;
use crate::step::{StepError, Steps};

/// Records taken from the queue at once; between two such rounds the bytes of the batch are counted.
const ROUND_RECORDS: usize = 64;

/// How long a look at an empty queue takes; a record ends it at once. Shorter while effects are being made, whose ends are noticed
/// between two looks.
const IDLE: Duration = Duration::from_millis(50);
const IDLE_WITH_EFFECTS: Duration = Duration::from_millis(5);

/// How long is waited for an effect while no record may be taken.
const FULL: Duration = Duration::from_millis(20);

/// How often the log's end is asked for while records are waiting, and how long the answer may take.
const BOUNDS_EVERY: Duration = Duration::from_secs(2);
const BOUNDS_WITHIN: Duration = Duration::from_millis(500);

/// The wait before a partition that can't be read is begun again.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// A worker on its thread.
pub(crate) struct Worker<C> {
    pub(crate) reader: PartitionReader,
    pub(crate) shared: std::sync::Arc<Shared<C>>,
    pub(crate) steps: Steps<C>,
    pub(crate) performer: Performer<C>,
    pub(crate) answer: Sender<Option<Commit>>,
    pub(crate) bounds: Watermarks,
    pub(crate) is_rebuilding: bool,
    batch: Vec<Incoming>,
    last_record_time: Option<Timestamp>,
    last_commit: Option<NextOffset>,
    next_sync: Instant,
    next_bounds: Instant,
}

/// Why the worker's loop ended.
enum End {
    /// It was asked to stop.
    Stopped,
    /// The lease ended without asking: nothing may be committed.
    Revoked,
}

impl<C: Consumer> Worker<C> {
    pub(crate) fn new(
        restored: Restored<C>,
        reader: PartitionReader,
        shared: std::sync::Arc<Shared<C>>,
        answer: Sender<Option<Commit>>,
    ) -> Self {
        let now = shared.clock.monotonic();
        Self {
            reader,
            is_rebuilding: restored.steps.effects_from > restored.from,
            steps: restored.steps,
            performer: restored.performer,
            bounds: restored.bounds,
            shared,
            answer,
            batch: Vec::new(),
            last_record_time: None,
            last_commit: restored.committed.map(|Committed { next, .. }| next),
            next_sync: now,
            next_bounds: now,
        }
    }

    /// Works until it is asked to stop.
    ///
    /// # Errors
    /// The cause for which the process must end.
    pub(crate) fn run(mut self, from: NextOffset) -> Result<(), String> {
        self.start(from)?;
        let end = self.work()?;
        self.finish(&end)
    }

    fn start(&mut self, from: NextOffset) -> Result<(), String> {
        loop {
            match self.reader.start(from) {
                Ok(()) => return Ok(()),
                Err(ReadError::Busy { .. }) if !self.steps.stop.pause(IDLE) => {}
                Err(ReadError::Busy { .. } | ReadError::Closed) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn work(&mut self) -> Result<End, String> {
        loop {
            if self.steps.stop.is_requested() {
                return Ok(End::Stopped);
            }
            let has_room = self.performer.pending() < self.shared.settings.effects.pending;
            self.settle(if has_room { Duration::ZERO } else { FULL })?;
            if has_room && self.gather()? {
                return Ok(End::Revoked);
            }
            if !self.batch.is_empty() {
                self.step()?;
            }
            self.keep_up()?;
        }
    }

    /// Takes a micro-batch from the queue; true when the lease has ended.
    fn gather(&mut self) -> Result<bool, String> {
        let limits = &self.shared.settings.batch;
        let mut bytes = 0;
        let mut wait = if self.performer.pending() > 0 { IDLE_WITH_EFFECTS } else { IDLE };
        while self.batch.len() < limits.records && bytes < limits.bytes.as_usize() {
            let before = self.batch.len();
            let room = ROUND_RECORDS.min(limits.records - before);
            let poll = self.reader.poll(room, wait, &mut self.batch);
            bytes += self.batch[before..].iter().map(size).sum::<usize>();
            wait = Duration::ZERO;
            match poll {
                Poll::Records => {}
                Poll::Idle => break,
                Poll::EndOfPartition(end) => {
                    self.bounds.end = self.bounds.end.max(end);
                    break;
                }
                Poll::Revoked => return Ok(true),
                Poll::Failed(error) => {
                    self.read_again(&error)?;
                    break;
                }
            }
        }
        Ok(false)
    }

    /// The queue failed: what is gone is for a person to decide, everything else is tried again where reading stopped.
    fn read_again(&mut self, error: &ReadError) -> Result<(), String> {
        if error.is_fatal() || matches!(error, ReadError::OutOfRange { .. } | ReadError::Damaged { .. }) {
            return Err(error.to_string());
        }
        tracing::warn!(lease = ?self.reader.lease(), %error, "partition can't be read, trying again");
        self.batch.clear();
        self.steps.stop.pause(READ_AGAIN);
        let next = self.steps.store.next().unwrap_or(self.bounds.start);
        self.start(next)
    }

    fn step(&mut self) -> Result<(), String> {
        let timer = self.steps.metrics.batch_seconds.start_timer();
        self.steps.metrics.batch_records.observe(self.batch.len() as f64);
        #[cfg(feature = "sabotage-commit-first")]
        self.commit_before_the_write();
        match self.steps.step(&self.batch) {
            Ok(stepped) => {
                self.performer.add(stepped.effects);
                self.last_record_time = self.batch.last().map(|record| record.timestamp);
            }
            Err(StepError::Stopped) => {}
            Err(StepError::Fatal(cause)) => return Err(cause),
            Err(StepError::Store(error)) => return Err(error.to_string()),
        }
        timer.observe_duration();
        self.batch.clear();
        Ok(())
    }

    /// Deliberately wrong: the group's offset is ahead of the state when the process dies before the write.
    #[cfg(feature = "sabotage-commit-first")]
    fn commit_before_the_write(&mut self) {
        let Some(last) = self.batch.last() else { return };
        self.commit(last.position.offset.next());
        self.steps.stop.pause(Duration::from_millis(500));
    }

    /// Effects that ended leave the outbox; those that can't be made become dead letters first.
    fn settle(&mut self, wait: Duration) -> Result<(), String> {
        let mut made: Vec<EntryId> = Vec::new();
        for finished in self.performer.finished(wait) {
            match finished {
                Finished::Performed(entry) => made.push(entry.id),
                Finished::Dead(entry, letter) => {
                    match self.bury(&entry, &letter) {
                        Ok(()) => made.push(entry.id),
                        // It stays in the outbox and is made again by whoever owns the partition then.
                        Err(StepError::Stopped) => {}
                        Err(error) => return Err(error.to_string()),
                    }
                }
                Finished::Fatal(cause) => return Err(cause),
                Finished::CalledOff => {}
            }
        }
        if !made.is_empty() {
            self.steps.store.acknowledge(&made).map_err(|error| error.to_string())?;
            failpoint::hit("sdk.after-perform-ack");
        }
        Ok(())
    }

    fn bury(&self, entry: &Entry, letter: &DeadLetter) -> Result<(), StepError> {
        let envelope = self.steps.decoding.envelope(&entry.record_value, &self.steps.stop)?;
        let origin = Origin::of_effect(entry, envelope.as_ref().ok());
        self.steps.log.bury(letter, &origin, &self.steps.stop)
    }

    /// What is due from time to time: sync and commit, the log's end, the gauges.
    fn keep_up(&mut self) -> Result<(), String> {
        let now = self.shared.clock.monotonic();
        if now >= self.next_sync {
            self.next_sync = now + self.shared.settings.batch.sync_every.0;
            if let Some(next) = self.sync()? {
                self.commit(next);
            }
            self.show();
        }
        if now >= self.next_bounds {
            self.next_bounds = now + BOUNDS_EVERY;
            if let Ok(bounds) = self.reader.watermarks(BOUNDS_WITHIN) {
                self.bounds = bounds;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<Option<NextOffset>, String> {
        let timer = self.steps.store.has_unsynced().then(|| self.steps.metrics.sync_seconds.start_timer());
        let next = self.steps.store.sync().map_err(|error| error.to_string())?;
        if let Some(timer) = timer {
            timer.observe_duration();
            failpoint::hit("sdk.after-sync");
        }
        Ok(next)
    }

    fn commit(&mut self, next: NextOffset) {
        let was_refused = self.shared.take_refused(self.reader.lease());
        if self.last_commit == Some(next) && !was_refused {
            return;
        }
        if self.shared.commit(self.commit_of(next)) {
            self.last_commit = Some(next);
        }
    }

    fn commit_of(&self, next: NextOffset) -> Commit {
        Commit { lease: self.reader.lease().clone(), next, note: self.shared.note(self.steps.store.owner()) }
    }

    fn show(&mut self) {
        let next = self.steps.store.next().unwrap_or(self.bounds.start);
        let lag = (self.bounds.end.0 - next.0).max(0);
        let age =
            self.last_record_time.map_or(Duration::ZERO, |time| time.age_at(Timestamp(self.shared.clock.now_ms())).0);
        let metrics = &self.steps.metrics;
        metrics.next_offset.set(next.0);
        metrics.lag_records.set(lag);
        metrics.lag_seconds.set(if lag > 0 { age.as_secs_f64() } else { 0.0 });
        metrics.effects_pending.set(i64::try_from(self.performer.pending()).unwrap_or(i64::MAX));
        self.shared.progress.report(self.reader.lease(), next, lag, self.shared.clock.monotonic());
        if self.is_rebuilding && next >= self.steps.effects_from {
            self.is_rebuilding = false;
            tracing::info!(lease = ?self.reader.lease(), %next, "state is rebuilt, effects are made from here");
        }
    }

    /// Ends in order: effects being made may end, nothing new begins, the last offset is answered, the state is closed.
    fn finish(mut self, end: &End) -> Result<(), String> {
        self.performer.drain();
        let deadline = self.steps.stop.deadline().unwrap_or_else(|| self.shared.clock.monotonic());
        if matches!(end, End::Stopped) {
            let half =
                self.shared.clock.monotonic() + deadline.saturating_duration_since(self.shared.clock.monotonic()) / 2;
            while self.performer.running() > 0 && self.shared.clock.monotonic() < half {
                self.settle(FULL)?;
            }
        }
        self.performer.call_off();
        let next = self.sync()?;
        let answer = next.map(|next| self.commit_of(next));
        // Whoever asked may have stopped waiting; then nothing is committed, which costs a second reading only.
        let _ = self.answer.send(answer);
        let lease = self.reader.lease().clone();
        self.shared.progress.forget(&lease);
        self.shared.metrics.forget_partition(&self.shared.settings.group, &lease.topic, lease.partition);
        drop(self.reader);
        self.steps.store.close().map_err(|error| error.to_string())
    }
}

fn size(record: &Incoming) -> usize {
    record.key.as_ref().map_or(0, bytes::Bytes::len) + record.value.as_ref().map_or(0, bytes::Bytes::len)
}
