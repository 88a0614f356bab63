//! A consumer under test without broker, disk or waiting: deliver events, look at what came of them, crash and redeliver.
//!
//! ```
//! use hooklog_consumer::testing::{Kit, event};
//! # use hooklog_consumer::{Consumer, Context, Event, Fault, Table};
//! # struct Counter;
//! # const COUNTS: Table<String, u64> = Table::new(1, "counts");
//! # impl Consumer for Counter {
//! #     const NAME: &'static str = "counter";
//! #     fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault> {
//! #         cx.table(COUNTS).update(&event.kind().to_owned(), |count| count.unwrap_or(0) + 1).map(drop)
//! #     }
//! # }
//! let mut kit = Kit::new(Counter);
//! kit.deliver(event("evt_1").kind("push"));
//! kit.deliver(event("evt_1").kind("push")); // a redelivery
//! kit.crash();
//! kit.redeliver();
//! assert_eq!(kit.get(COUNTS, &"push".to_owned()), Some(1));
//! ```

mod sample;
mod script;

use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hooklog_disk::testing::MemoryStore;
use hooklog_kafka::testing::MemoryLog;
use hooklog_kafka::{Headers, Incoming};
use hooklog_process::clock::{Clock, ManualClock};
use hooklog_process::metrics::Registry;
use hooklog_process::random::Random;
use hooklog_schemas::{
    DeadLetter, FaultClass, Frame, NextOffset, Offset, Partition, Position, Timestamp, TopicName, codec,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use sample::{Sample, event};
pub use script::Script;
use script::{Scripted, Scripts};

use crate::appending::Appending;
use crate::appending::Origin;
use crate::consumer::Consumer;
use crate::decoding::Decoding;
use crate::dedupe::Window;
use crate::effect::Effect;
use crate::fault::FaultKind;
use crate::identity::{Generation, Identity};
use crate::metrics::ConsumerMetrics;
use crate::outbox::Entry;
use crate::performer::{Attempts, EffectPolicy};
use crate::retry::Backoff;
use crate::step::{StepError, Steps};
use crate::stop::Stop;
use crate::store::{META, OUTBOX, Owner, PartitionStore, STATE};
use crate::table::{StateKey, Table};

/// Where virtual time begins: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// The deduplication window of the kit.
pub const WINDOW: Duration = Duration::from_secs(72 * 3600);

/// The topic that the kit's events lie in, and the one for dead letters.
const TOPIC: &str = "hooks.test";

/// A consumer under test, with one partition of a log in memory.
pub struct Kit<C: Consumer> {
    scripted: Arc<Scripted<C>>,
    disk: MemoryStore,
    log: MemoryLog,
    records: Vec<Incoming>,
    steps: Option<Steps<Scripted<C>>>,
    clock: (Clock, ManualClock),
    runtime: tokio::runtime::Runtime,
    metrics: ConsumerMetrics,
    retry: Backoff,
}

impl<C: Consumer> Kit<C> {
    /// A kit with an empty log and an empty state.
    ///
    /// # Panics
    /// When the machine gives no thread.
    #[must_use]
    pub fn new(consumer: C) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let scripted =
            Scripted { consumer: Arc::new(consumer), handle: Scripts::default(), perform: Scripts::default() };
        let mut kit = Self {
            scripted: Arc::new(scripted),
            disk: MemoryStore::new(&[META, OUTBOX, STATE]),
            log: MemoryLog::new().with_topic(&dead_letter_topic::<C>(), NonZeroU32::MIN),
            records: Vec::new(),
            steps: None,
            clock: Clock::manual(START.0),
            runtime: runtime.expect("a test has a thread"),
            metrics: ConsumerMetrics::register(&Registry::new()).expect("a new registry is empty"),
            retry: Backoff { attempts: 3, first: Duration::from_secs(1), cap: Duration::from_secs(60) },
        };
        kit.open(NextOffset::ZERO);
        kit
    }

    /// Appends an event to the log and has it handled; returns where it lies.
    ///
    /// # Panics
    /// When the consumer answers with a fatal fault.
    pub fn deliver(&mut self, sample: Sample) -> Offset {
        let now = Timestamp(self.clock.0.now_ms());
        let envelope = sample.envelope(now);
        let value = codec::encode(&envelope, Frame::SingleObject);
        self.deliver_raw(Some(envelope.key.as_str().as_bytes()), Some(&value))
    }

    /// Appends any bytes to the log, as a stranger could, and has them handled.
    ///
    /// # Panics
    /// When the consumer answers with a fatal fault.
    pub fn deliver_raw(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Offset {
        let offset = Offset(i64::try_from(self.records.len()).expect("a test's log is short"));
        self.records.push(Incoming {
            position: Position { topic: topic(TOPIC), partition: Partition(0), offset },
            key: key.map(Bytes::copy_from_slice),
            value: value.map(Bytes::copy_from_slice),
            headers: Headers::default(),
            timestamp: Timestamp(self.clock.0.now_ms()),
        });
        self.read_on().unwrap_or_else(|cause| panic!("the consumer stopped: {cause}"));
        offset
    }

    /// Has everything handled that lies in the log and was not read.
    ///
    /// # Errors
    /// The cause for which the process would stop.
    pub fn read_on(&mut self) -> Result<(), String> {
        let steps = self.steps.as_mut().expect("the kit holds an open state");
        let next = steps.store.next().map_or(0, |next| usize::try_from(next.0).unwrap_or(usize::MAX));
        let Some(records) = self.records.get(next..).filter(|records| !records.is_empty()) else { return Ok(()) };
        match steps.step(records) {
            Ok(_) => Ok(()),
            Err(StepError::Fatal(cause)) => Err(cause),
            Err(error) => panic!("{error}"),
        }
    }

    /// The process dies; a new one opens what was written. The log is not read yet.
    pub fn crash(&mut self) {
        self.steps = None;
        self.open(NextOffset::ZERO);
    }

    /// The machine dies: of the writes since the last sync only the first `kept` are there afterwards.
    pub fn crash_machine(&mut self, kept: usize) {
        self.steps = None;
        self.disk.lose_suffix(self.disk.synced_writes() + kept);
        self.open(NextOffset::ZERO);
    }

    /// Syncs the state, as happens every second; returns what may be committed to the group then.
    ///
    /// # Panics
    /// Never: memory does not fail.
    pub fn sync(&mut self) -> Option<NextOffset> {
        let steps = self.steps.as_mut().expect("the kit holds an open state");
        steps.store.sync().expect("memory does not fail")
    }

    /// Has the log give its last `count` records again, and reads on.
    ///
    /// # Panics
    /// When the consumer answers with a fatal fault.
    pub fn redeliver(&mut self) {
        let records = self.records.clone();
        let steps = self.steps.as_mut().expect("the kit holds an open state");
        steps.step(&records).unwrap_or_else(|error| panic!("{error}"));
    }

    /// The disk is lost and the state is rebuilt from the log; what the group committed (`committed`) was made before.
    ///
    /// # Panics
    /// When the consumer answers with a fatal fault.
    pub fn rebuild(&mut self, committed: NextOffset) {
        self.steps = None;
        self.disk = MemoryStore::new(&[META, OUTBOX, STATE]);
        self.open(committed);
        self.read_on().unwrap_or_else(|cause| panic!("the consumer stopped: {cause}"));
    }

    /// Moves virtual time on.
    ///
    /// # Panics
    /// When `by` is longer than 292 million years.
    pub fn advance(&mut self, by: Duration) {
        self.clock.1.advance_ms(i64::try_from(by.as_millis()).expect("a test's time is short"));
    }

    /// The next call of the handler does this.
    pub fn script_handle(&mut self, script: Script) {
        self.scripted.handle.lock().unwrap_or_else(PoisonError::into_inner).push_back(script);
    }

    /// The next outside call does this.
    pub fn script_perform(&mut self, script: Script) {
        self.scripted.perform.lock().unwrap_or_else(PoisonError::into_inner).push_back(script);
    }

    /// A value of the state.
    ///
    /// # Panics
    /// When the stored value has another type.
    #[must_use]
    pub fn get<K: StateKey, V: Serialize + DeserializeOwned>(&self, table: Table<K, V>, key: &K) -> Option<V> {
        let steps = self.steps.as_ref().expect("the kit holds an open state");
        let key = table.key_bytes(key).expect("a test's key is short");
        let stored = steps.store.state(&key).expect("memory does not fail")?;
        Some(table.value(&stored).unwrap_or_else(|fault| panic!("{fault}")))
    }

    /// The effects written down and not yet made, in log order.
    ///
    /// # Panics
    /// Never: memory does not fail.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let attempts = self.attempts();
        self.outbox().iter().map(|entry| attempts.effect(entry, 1)).collect()
    }

    /// Makes every effect written down, trying again as a process does; returns how many were made.
    ///
    /// # Panics
    /// When a call answers with a fatal fault.
    pub fn perform(&mut self) -> usize {
        let mut made = 0;
        for entry in self.outbox() {
            made += usize::from(self.perform_one(&entry));
            let steps = self.steps.as_mut().expect("the kit holds an open state");
            steps.store.acknowledge(&[entry.id]).expect("memory does not fail");
        }
        made
    }

    /// Makes every effect written down once, and the process dies before it can write that down.
    pub fn perform_and_crash(&mut self) {
        let attempts = self.attempts();
        for entry in self.outbox() {
            // Whether it succeeded is what the crash makes forgotten.
            let _ = self.runtime.block_on(self.scripted.perform(&attempts.effect(&entry, 1)));
        }
        self.crash();
    }

    /// The dead letters, in the order they were set aside.
    ///
    /// # Panics
    /// When a record of the dead-letter topic is not one.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let records = self.log.all(&dead_letter_topic::<C>());
        let letters = records.iter().map(|record| DeadLetter::from_headers(record.headers.iter()));
        letters.map(|letter| letter.unwrap_or_else(|error| panic!("{error}"))).collect()
    }

    /// Makes a topic for the consumer to append to; what it appended is read with [`Self::log`].
    ///
    /// # Panics
    /// When Kafka would not take the name.
    #[must_use]
    pub fn with_topic(mut self, name: &str) -> Self {
        self.log = self.log.clone().with_topic(&topic(name), NonZeroU32::MIN);
        self
    }

    /// The log that the consumer appends to, to script its faults and read what was emitted.
    #[must_use]
    pub const fn log(&self) -> &MemoryLog {
        &self.log
    }

    /// The consumer.
    #[must_use]
    pub fn consumer(&self) -> &C {
        &self.scripted.consumer
    }

    /// Runs a future on the kit's runtime, for a test's own servers.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn perform_one(&self, entry: &Entry) -> bool {
        let attempts = self.attempts();
        let mut failed = 0;
        loop {
            let effect = attempts.effect(entry, failed + 1);
            let Err(fault) = self.runtime.block_on(self.scripted.perform(&effect)) else { return true };
            failed += 1;
            match fault.kind() {
                FaultKind::Fatal => panic!("the consumer stopped: {fault}"),
                FaultKind::Transient if self.retry.goes_on(failed) => {
                    let delay = self.retry.delay(failed, &Random::seeded(u64::from(failed)));
                    self.clock.1.advance_ms(i64::try_from(delay.as_millis()).unwrap_or(0));
                }
                FaultKind::Transient | FaultKind::Permanent => {
                    let letter = attempts.letter(&effect, failed, Timestamp(self.clock.0.now_ms()), &fault);
                    let steps = self.steps.as_ref().expect("the kit holds an open state");
                    let origin = Origin::of_effect(entry, codec::decode(&entry.record_value).ok().as_ref());
                    steps.log.bury(&letter, &origin, &steps.stop).unwrap_or_else(|error| panic!("{error}"));
                    return false;
                }
            }
        }
    }

    fn outbox(&self) -> Vec<Entry> {
        let steps = self.steps.as_ref().expect("the kit holds an open state");
        steps.store.outbox().expect("memory does not fail")
    }

    fn attempts(&self) -> Attempts<Scripted<C>> {
        let identity = identity::<C>();
        let metrics = self.metrics.of_partition(&identity.group, &identity.topic, identity.partition);
        Attempts {
            consumer: Arc::clone(&self.scripted),
            identity,
            policy: EffectPolicy { concurrency: 1, retry: self.retry, deadline: Duration::from_secs(10) },
            clock: self.clock.0.clone(),
            random: Random::seeded(1),
            metrics,
        }
    }

    fn open(&mut self, effects_from: NextOffset) {
        let identity = identity::<C>();
        let letters = self.dead_letters().into_iter().filter(|letter| letter.class != FaultClass::Effect);
        let origins = letters.map(|letter| letter.origin.offset);
        let set_aside = origins.filter(|offset| !effects_from.includes(*offset)).collect();
        let store = PartitionStore::open(Box::new(self.disk.clone()), &identity, Window::new(WINDOW), Owner([1; 16]));
        let metrics = self.metrics.of_partition(&identity.group, &identity.topic, identity.partition);
        self.steps = Some(Steps {
            consumer: Arc::clone(&self.scripted),
            store: store.unwrap_or_else(|error| panic!("{error}")),
            decoding: Decoding::new(Arc::default(), Random::seeded(1)),
            log: Appending::new(Arc::new(self.log.clone()), dead_letter_topic::<C>(), Random::seeded(1)),
            identity,
            retry: self.retry,
            effects_from,
            set_aside,
            clock: self.clock.0.clone(),
            random: Random::seeded(1),
            stop: Stop::in_virtual_time(self.clock.1.clone()),
            metrics,
        });
    }
}

fn identity<C: Consumer>() -> Identity {
    Identity {
        cluster: "memory".to_owned(),
        topic: topic(TOPIC),
        partition: Partition(0),
        partitions: 1,
        group: C::NAME.to_owned(),
        generation: Generation(0),
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("the kit's topics have names that Kafka takes")
}

fn dead_letter_topic<C: Consumer>() -> TopicName {
    TopicName::dead_letters_of(C::NAME).expect("a consumer's name fits into a topic's")
}
