//! Making effects: bounded calls at a time, one after the other for each event key, tried again with the same id.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use futures_util::FutureExt;
use hooklog_process::clock::Clock;
use hooklog_process::failpoint;
use hooklog_process::random::Random;
use hooklog_schemas::{DeadLetter, FaultClass, Position, Timestamp};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::consumer::Consumer;
use crate::effect::{Effect, EffectId};
use crate::fault::{Fault, FaultKind};
use crate::identity::Identity;
use crate::metrics::{EffectOutcome, PartitionMetrics};
use crate::outbox::Entry;
use crate::retry::Backoff;
use crate::step::panic_message;

/// How effects are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EffectPolicy {
    /// Calls of one partition at a time.
    pub concurrency: usize,
    /// Attempts and the waits between them.
    pub retry: Backoff,
    /// The longest a call may take.
    pub deadline: Duration,
}

/// How an effect ended.
#[derive(Debug)]
pub(crate) enum Finished {
    /// It was made.
    Performed(Entry),
    /// It can't be made.
    Dead(Entry, DeadLetter),
    /// The process is to stop.
    Fatal(String),
    /// It was called off; it is made later, by whoever owns the partition then.
    CalledOff,
}

/// The lane of an effect that ended, and how.
type Ended = (String, Finished);

/// What one attempt needs.
pub(crate) struct Attempts<C> {
    pub(crate) consumer: Arc<C>,
    pub(crate) identity: Identity,
    pub(crate) policy: EffectPolicy,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) metrics: PartitionMetrics,
}

/// The effects of one partition that are being made. Driven by the partition's worker; the calls run on the runtime.
pub(crate) struct Performer<C> {
    attempts: Arc<Attempts<C>>,
    runtime: Handle,
    lanes: HashMap<String, VecDeque<Entry>>,
    waiting: VecDeque<String>,
    running: usize,
    pending: usize,
    results: (Sender<Ended>, Receiver<Ended>),
    draining: bool,
    called_off: CancellationToken,
}

impl<C: Consumer> Performer<C> {
    pub(crate) fn new(attempts: Attempts<C>, runtime: Handle) -> Self {
        Self {
            attempts: Arc::new(attempts),
            runtime,
            lanes: HashMap::new(),
            waiting: VecDeque::new(),
            running: 0,
            pending: 0,
            results: channel(),
            draining: false,
            called_off: CancellationToken::new(),
        }
    }

    /// Effects not yet made.
    #[must_use]
    pub(crate) const fn pending(&self) -> usize {
        self.pending
    }

    /// Calls being made.
    #[must_use]
    pub(crate) const fn running(&self) -> usize {
        self.running
    }

    /// Takes on effects, in log order.
    pub(crate) fn add(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.pending += 1;
            let lane = self.lanes.entry(entry.lane.clone()).or_default();
            if lane.is_empty() {
                self.waiting.push_back(entry.lane.clone());
            }
            lane.push_back(entry);
        }
        self.launch();
    }

    /// What ended; waits up to `wait` for a first one when a call is being made.
    pub(crate) fn finished(&mut self, wait: Duration) -> Vec<Finished> {
        let mut finished = Vec::new();
        if self.running == 0 {
            return finished;
        }
        let first =
            if wait.is_zero() { self.results.1.try_recv().ok() } else { self.results.1.recv_timeout(wait).ok() };
        let mut next = first;
        while let Some((lane, result)) = next {
            self.running -= 1;
            self.pending -= 1;
            if let Some(entries) = self.lanes.get_mut(&lane) {
                entries.pop_front();
                if entries.is_empty() {
                    self.lanes.remove(&lane);
                } else {
                    self.waiting.push_back(lane);
                }
            }
            finished.push(result);
            next = self.results.1.try_recv().ok();
        }
        self.launch();
        finished
    }

    /// Begins no more calls; those being made go on.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Calls off what is being made.
    pub(crate) fn call_off(&mut self) {
        self.drain();
        self.called_off.cancel();
    }

    fn launch(&mut self) {
        while !self.draining && self.running < self.attempts.policy.concurrency {
            let Some(lane) = self.waiting.pop_front() else { return };
            let Some(entry) = self.lanes.get(&lane).and_then(VecDeque::front).cloned() else { continue };
            self.running += 1;
            let (attempts, called_off, results) =
                (Arc::clone(&self.attempts), self.called_off.clone(), self.results.0.clone());
            self.runtime.spawn(async move {
                let finished = tokio::select! {
                    () = called_off.cancelled() => Finished::CalledOff,
                    finished = attempts.perform(entry) => finished,
                };
                // The worker may be gone: then nobody wants to know.
                let _ = results.send((lane, finished));
            });
        }
    }
}

impl<C> Drop for Performer<C> {
    fn drop(&mut self) {
        self.called_off.cancel();
    }
}

impl<C: Consumer> Attempts<C> {
    async fn perform(&self, entry: Entry) -> Finished {
        let mut failed = 0;
        let mut first_failure = None;
        loop {
            failpoint::hit("sdk.before-perform");
            let effect = self.effect(&entry, failed + 1);
            let fault = match self.attempt(&effect).await {
                Ok(()) => {
                    failpoint::hit("sdk.after-perform");
                    self.metrics.count_effect(EffectOutcome::Performed);
                    return Finished::Performed(entry);
                }
                Err(fault) => fault,
            };
            failed += 1;
            let first_failure = *first_failure.get_or_insert(Timestamp(self.clock.now_ms()));
            match fault.kind() {
                FaultKind::Fatal => {
                    return Finished::Fatal(format!("effect {} of {}: {fault}", effect.id(), effect.origin()));
                }
                FaultKind::Transient if self.policy.retry.goes_on(failed) => {
                    self.metrics.count_effect(EffectOutcome::Retried);
                    tracing::debug!(effect = %effect.id(), failed, %fault, "effect is tried again");
                    tokio::time::sleep(self.policy.retry.delay(failed, &self.random)).await;
                }
                FaultKind::Transient | FaultKind::Permanent => {
                    tracing::warn!(effect = %effect.id(), origin = %effect.origin(), failed, %fault, "effect set aside");
                    self.metrics.count_effect(EffectOutcome::Dead);
                    let letter = self.letter(&effect, failed, first_failure, &fault);
                    return Finished::Dead(entry, letter);
                }
            }
        }
    }

    async fn attempt(&self, effect: &Effect) -> Result<(), Fault> {
        let call = AssertUnwindSafe(self.consumer.perform(effect)).catch_unwind();
        match tokio::time::timeout(self.policy.deadline, call).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(Fault::permanent(panic_message(&*panic))),
            Err(_) => Err(Fault::transient(format_args!("no answer within {:?}", self.policy.deadline))),
        }
    }

    pub(crate) fn effect(&self, entry: &Entry, attempt: u32) -> Effect {
        let id = EffectId::of(&self.identity, entry.id.offset, entry.id.ordinal);
        let origin = Position {
            topic: self.identity.topic.clone(),
            partition: self.identity.partition,
            offset: entry.id.offset,
        };
        Effect::new(id, origin, entry.payload.clone(), attempt)
    }

    pub(crate) fn letter(&self, effect: &Effect, attempts: u32, first_failure: Timestamp, fault: &Fault) -> DeadLetter {
        DeadLetter {
            origin: effect.origin().clone(),
            group: self.identity.group.clone(),
            generation: self.identity.generation.0,
            attempts,
            first_failure,
            failed_at: Timestamp(self.clock.now_ms()),
            class: FaultClass::Effect,
            message: format!("effect {}: {fault}", effect.id()),
        }
    }
}
