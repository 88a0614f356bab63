//! One micro-batch: decode, deduplicate, handle, append what was emitted, bury what can't be handled, write all at once.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use hooklog_kafka::Incoming;
use hooklog_process::clock::Clock;
use hooklog_process::failpoint;
use hooklog_process::random::Random;
use hooklog_schemas::{DeadLetter, FaultClass, NextOffset, Offset, Timestamp};

use crate::appending::{Appending, Origin, Pending};
use crate::consumer::Consumer;
use crate::context::Context;
use crate::decoding::Decoding;
use crate::dedupe::{DedupeKey, Verdict};
use crate::draft::{Changes, Draft};
use crate::effect::EffectId;
use crate::event::Event;
use crate::fault::{Fault, FaultKind};
use crate::identity::Identity;
use crate::metrics::{Outcome, PartitionMetrics};
use crate::outbox::{Entry, EntryId};
use crate::retry::Backoff;
use crate::stop::Stop;
use crate::store::{PartitionStore, StoreError};

/// A record's time is believed up to this far ahead of our clock: one from a sender whose clock is wrong by years would
/// otherwise make every id before it expire.
const MAX_AHEAD_MS: i64 = 3_600_000;

/// Emitted records count their effect ids from here, so that they never meet those of outbox effects.
const FIRST_EMIT: u16 = 0x8000;

/// Why a micro-batch was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The worker was asked to stop while it waited; nothing is lost, the records are read again.
    #[error("stopped while waiting")]
    Stopped,
    /// The consumer, or the log, can't go on.
    #[error("{0}")]
    Fatal(String),
    /// The state's disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a micro-batch did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stepped {
    /// Effects that were written down and are to be made now.
    pub effects: Vec<Entry>,
    /// Whether all records were taken; otherwise stopping was requested in between.
    pub complete: bool,
}

/// One partition's records on their way through the consumer into its state.
pub(crate) struct Steps<C> {
    /// The consumer.
    pub consumer: Arc<C>,
    /// Whose partition it is.
    pub identity: Identity,
    /// The state.
    pub store: PartitionStore,
    /// From bytes to envelopes.
    pub decoding: Decoding,
    /// The door to the log.
    pub log: Appending,
    /// How often a handler's transient fault is tried again.
    pub retry: Backoff,
    /// Records before it only rebuild the state.
    pub effects_from: NextOffset,
    /// Records before it that were set aside when they were read first.
    pub set_aside: BTreeSet<Offset>,
    /// The wall clock, for dead letters.
    pub clock: Clock,
    /// Jitter.
    pub random: Random,
    /// Calls off waits.
    pub stop: Arc<Stop>,
    /// What is counted.
    pub metrics: PartitionMetrics,
}

/// A record with what was read from it.
struct Read<'a> {
    record: &'a Incoming,
    decoded: Result<(Event, DedupeKey), String>,
}

/// A micro-batch whose records were handled and that is not yet written.
struct Taken {
    draft: Draft,
    emits: Vec<Pending>,
    dead: Vec<(Offset, DeadLetter)>,
    outcomes: Vec<Outcome>,
    complete: bool,
}

/// How the handler's attempts ended, if not well.
enum Failed {
    Stopped,
    Fatal(String),
    Dead { class: FaultClass, attempts: u32, first_failure: Timestamp, message: String },
}

impl<C: Consumer> Steps<C> {
    /// Takes `records`, in order, and writes what they change.
    ///
    /// # Errors
    /// [`StepError`]; then nothing was written, and the same records are to be given again.
    pub(crate) fn step(&mut self, records: &[Incoming]) -> Result<Stepped, StepError> {
        failpoint::hit("sdk.polled");
        let mut read = records.iter().map(|record| self.read(record)).collect::<Result<Vec<_>, _>>()?;
        let mut refused = HashMap::new();
        let taken = loop {
            let taken = self.take(&mut read, &refused)?;
            // A record the log refuses for good makes its event a dead letter: the batch is made again with that known.
            match self.log.append_all(&taken.emits, &self.stop)? {
                None => break taken,
                Some((offset, fault)) => refused.insert(offset, fault),
            };
        };
        self.bury(records, &taken.dead)?;
        failpoint::hit("sdk.emitted");
        let effects = taken.draft.outbox.clone();
        let timer = self.metrics.write_seconds.start_timer();
        self.store.write(taken.draft)?;
        timer.observe_duration();
        for outcome in taken.outcomes {
            self.metrics.count(outcome);
        }
        Ok(Stepped { effects, complete: taken.complete })
    }

    fn read<'a>(&self, record: &'a Incoming) -> Result<Read<'a>, StepError> {
        let envelope = match &record.value {
            None => Err("the record has no value".to_owned()),
            Some(value) => self.decoding.envelope(value, &self.stop)?,
        };
        let decoded = envelope.map(|envelope| {
            let key = DedupeKey::of(&envelope.dedupe_id());
            (Event::new(record.position.clone(), record.timestamp, envelope), key)
        });
        Ok(Read { record, decoded })
    }

    fn take(&self, read: &mut [Read<'_>], refused: &HashMap<Offset, Fault>) -> Result<Taken, StepError> {
        let keys: Vec<DedupeKey> = read.iter().filter_map(|read| Some(read.decoded.as_ref().ok()?.1)).collect();
        let from = read.first().map_or(NextOffset::ZERO, |read| NextOffset(read.record.position.offset.0));
        let draft = self.store.draft(&keys, from)?;
        failpoint::hit("sdk.deduped");
        let mut taken = Taken {
            draft,
            emits: Vec::new(),
            dead: Vec::new(),
            outcomes: Vec::with_capacity(read.len()),
            complete: true,
        };
        for read in read {
            match self.take_one(read, refused, &mut taken) {
                Ok(()) => {}
                Err(Failed::Stopped) => {
                    taken.complete = false;
                    break;
                }
                Err(Failed::Fatal(cause)) => return Err(StepError::Fatal(cause)),
                Err(Failed::Dead { class, attempts, first_failure, message }) => {
                    let offset = read.record.position.offset;
                    let key = read.decoded.as_ref().ok().map(|decoded| decoded.1);
                    taken.draft.complete(offset, key, Changes::default(), Vec::new());
                    taken.outcomes.push(Outcome::Dead(class));
                    let letter = self.dead_letter(read.record, (class, attempts, first_failure), message);
                    if self.effects_from.includes(offset) {
                        taken.dead.push((offset, letter));
                    }
                }
            }
        }
        failpoint::hit("sdk.handled");
        Ok(taken)
    }

    fn take_one(&self, read: &mut Read<'_>, refused: &HashMap<Offset, Fault>, taken: &mut Taken) -> Result<(), Failed> {
        let (record, offset) = (read.record, read.record.position.offset);
        if !taken.draft.next.includes(offset) {
            return Ok(());
        }
        let now = self.clock.now_ms();
        taken.draft.advance(Timestamp(record.timestamp.0.min(now.saturating_add(MAX_AHEAD_MS))));
        let dead = |class, message| Failed::Dead { class, attempts: 1, first_failure: Timestamp(now), message };
        let (event, key) = match &mut read.decoded {
            Ok(decoded) => decoded,
            Err(message) => return Err(dead(FaultClass::Undecodable, message.clone())),
        };
        let verdict = taken.draft.verdict(*key, offset);
        if let Verdict::Duplicate { .. } = verdict {
            taken.draft.pass(offset);
            taken.outcomes.push(Outcome::Duplicate);
            return Ok(());
        }
        if let Some(fault) = refused.get(&offset) {
            return Err(dead(FaultClass::Permanent, fault.to_string()));
        }
        if self.set_aside.contains(&offset) {
            return Err(dead(FaultClass::Permanent, "it was set aside when it was read first".to_owned()));
        }
        event.set_record_time(taken.draft.time());
        let mut changes = self.handle(event, &taken.draft)?;
        let mut outbox = Vec::new();
        if self.effects_from.includes(offset) {
            taken.emits.extend(self.pending_emits(event, &mut changes));
            outbox = entries(record, event, &changes);
        }
        taken.draft.complete(offset, Some(*key), changes, outbox);
        taken.outcomes.push(if verdict == Verdict::First { Outcome::Applied } else { Outcome::AppliedAgain });
        Ok(())
    }

    /// Runs the handler until it succeeds or is given up.
    fn handle(&self, event: &Event, draft: &Draft) -> Result<Changes, Failed> {
        let mut failed = 0;
        let mut first_failure = None;
        loop {
            let mut cx = Context::new(&self.store, draft);
            let run = catch_unwind(AssertUnwindSafe(|| self.consumer.handle(event, &mut cx)));
            let (class, message) = match run {
                Ok(Ok(())) => return Ok(cx.into_changes()),
                Ok(Err(fault)) => match fault.kind() {
                    FaultKind::Fatal => return Err(Failed::Fatal(format!("{}: {fault}", event.position()))),
                    FaultKind::Permanent => (FaultClass::Permanent, fault.to_string()),
                    FaultKind::Transient => (FaultClass::Transient, fault.to_string()),
                },
                Err(panic) => (FaultClass::Panic, panic_message(&*panic)),
            };
            failed += 1;
            let first_failure = *first_failure.get_or_insert(Timestamp(self.clock.now_ms()));
            if class != FaultClass::Transient || !self.retry.goes_on(failed) {
                tracing::warn!(position = %event.position(), class = class.label(), attempts = failed, message, "event set aside");
                return Err(Failed::Dead { class, attempts: failed, first_failure, message });
            }
            self.metrics.retries.inc();
            if self.stop.pause(self.retry.delay(failed, &self.random)) {
                return Err(Failed::Stopped);
            }
        }
    }

    fn pending_emits(&self, event: &Event, changes: &mut Changes) -> Vec<Pending> {
        let offset = event.position().offset;
        let emits = std::mem::take(&mut changes.emits);
        let number = |ordinal: usize| FIRST_EMIT + u16::try_from(ordinal).unwrap_or(u16::MAX - FIRST_EMIT);
        let pending = emits.into_iter().enumerate().map(|(ordinal, emit)| Pending {
            offset,
            id: EffectId::of(&self.identity, offset, number(ordinal)),
            emit,
        });
        pending.collect()
    }

    fn bury(&self, records: &[Incoming], dead: &[(Offset, DeadLetter)]) -> Result<(), StepError> {
        for (offset, letter) in dead {
            let Some(record) = records.iter().find(|record| record.position.offset == *offset) else { continue };
            self.log.bury(letter, &Origin::from(record), &self.stop)?;
        }
        Ok(())
    }

    /// The letter of a record that was given up.
    fn dead_letter(
        &self,
        record: &Incoming,
        (class, attempts, first_failure): (FaultClass, u32, Timestamp),
        message: String,
    ) -> DeadLetter {
        DeadLetter {
            origin: record.position.clone(),
            group: self.identity.group.clone(),
            generation: self.identity.generation.0,
            attempts,
            first_failure,
            failed_at: Timestamp(self.clock.now_ms()),
            class,
            message,
        }
    }
}

fn entries(record: &Incoming, event: &Event, changes: &Changes) -> Vec<Entry> {
    let entry = |(ordinal, payload): (usize, &Bytes)| Entry {
        id: EntryId { offset: record.position.offset, ordinal: u16::try_from(ordinal).unwrap_or(u16::MAX) },
        lane: event.key().to_owned(),
        payload: payload.clone(),
        record_key: record.key.clone(),
        record_value: record.value.clone().unwrap_or_default(),
    };
    changes.effects.iter().enumerate().map(entry).collect()
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref().cloned());
    format!("the handler panicked: {}", text.unwrap_or_else(|| "no message".to_owned()))
}
