//! Whatever happens to a partition's store – crashes, lost suffixes, rewinds – it holds what a pure model holds.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use hooklog_consumer::dedupe::{DedupeKey, Verdict, Window};
use hooklog_consumer::draft::Changes;
use hooklog_consumer::identity::{Generation, Identity};
use hooklog_consumer::outbox::{Entry, EntryId};
use hooklog_consumer::store::{FAMILIES, META, OUTBOX, Owner, PartitionStore, STATE};
use hooklog_disk::testing::MemoryStore;
use hooklog_disk::{Budget, Disk, KeyRange, Recovery, Store};
use hooklog_schemas::{NextOffset, Offset, Partition, Timestamp, TopicName};
use proptest::prelude::*;

/// A window of 8 slices of 10 ms.
const WIDTH: Duration = Duration::from_millis(80);
const SLICE_MS: i64 = 10;
const SLICES: i64 = 8;

#[derive(Debug, Clone, Copy)]
struct Record {
    id: u8,
    time: i64,
}

#[derive(Debug, Clone)]
enum Step {
    /// Read some records and write what they change.
    Deliver(usize),
    /// Read some records and crash before the write.
    CrashBefore(usize),
    /// Crash after the last write.
    Crash,
    /// The broker gives records again that are done.
    Redeliver(usize),
    Sync,
    /// The machine crashes: of the unsynced writes this share, in percent, survives.
    LoseSuffix(usize),
    /// Some effects were made.
    Acknowledge(usize),
    /// Go back to this place, in percent of what was read.
    Rewind(usize),
}

/// The store's content, computed without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    next: i64,
    time: i64,
    /// For each id: the record it was seen first in, and the slice of time.
    seen: HashMap<u8, (i64, i64)>,
    counts: BTreeMap<u8, u64>,
    outbox: Vec<i64>,
}

impl Model {
    fn take(&mut self, offset: i64, record: Record) {
        self.time = self.time.max(record.time);
        let slice = self.time / SLICE_MS;
        let first = self.seen.get(&record.id).filter(|(_, seen)| *seen >= slice - SLICES);
        if first.is_none_or(|(first, _)| *first >= offset) {
            self.seen.insert(record.id, (offset, slice));
            *self.counts.entry(record.id).or_default() += 1;
            self.outbox.push(offset);
        }
        self.next = offset + 1;
    }
}

/// A disk that can be opened again after a crash.
trait Machine {
    fn open(&self) -> Box<dyn Disk>;
}

impl Machine for MemoryStore {
    fn open(&self) -> Box<dyn Disk> {
        Box::new(self.clone())
    }
}

struct Rocks(tempfile::TempDir, Budget);

impl Machine for Rocks {
    fn open(&self) -> Box<dyn Disk> {
        Box::new(Store::open(self.0.path(), FAMILIES, Recovery::TornTail, &self.1).unwrap())
    }
}

fn identity() -> Identity {
    Identity {
        cluster: "c".to_owned(),
        topic: TopicName::parse("hooks.test").unwrap(),
        partition: Partition(0),
        partitions: 1,
        group: "model".to_owned(),
        generation: Generation(0),
    }
}

fn reopen(machine: &dyn Machine) -> PartitionStore {
    PartitionStore::open(machine.open(), &identity(), Window::new(WIDTH), Owner([7; 16])).unwrap()
}

fn key(id: u8) -> DedupeKey {
    DedupeKey::of(&format!("test:{id}"))
}

/// What the SDK does with records, reduced to a counter of each id and one effect a record.
fn deliver(store: &PartitionStore, log: &[Record], from: usize, count: usize) -> hooklog_consumer::draft::Draft {
    let records: Vec<_> = log.iter().copied().enumerate().skip(from).take(count).collect();
    let keys: Vec<_> = records.iter().map(|(_, record)| key(record.id)).collect();
    let mut draft = store.draft(&keys, NextOffset(0)).unwrap();
    for (offset, record) in records {
        let offset = Offset(i64::try_from(offset).unwrap());
        if !draft.next().includes(offset) {
            continue;
        }
        draft.advance(Timestamp(record.time));
        if matches!(draft.verdict(key(record.id), offset), Verdict::Duplicate { .. }) {
            draft.pass(offset);
            continue;
        }
        let state_key = vec![0, 1, record.id];
        let stored = draft.state(&state_key).cloned().unwrap_or_else(|| store.state(&state_key).unwrap());
        let count = stored.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap())) + 1;
        let mut changes = Changes::default();
        changes.state.insert(state_key, Some(count.to_be_bytes().to_vec()));
        let entry = Entry {
            id: EntryId { offset, ordinal: 0 },
            lane: record.id.to_string(),
            payload: Bytes::from_static(b"{}"),
            record_key: None,
            record_value: Bytes::new(),
        };
        draft.complete(offset, Some(key(record.id)), changes, vec![entry]);
    }
    draft
}

fn assert_same(store: &PartitionStore, model: &Model) {
    let mut counts = BTreeMap::new();
    store
        .scan_state(&KeyRange::all(), &mut |key, value| {
            counts.insert(key[2], u64::from_be_bytes(value.try_into().unwrap()));
            ControlFlow::Continue(())
        })
        .unwrap();
    let outbox: Vec<_> = store.outbox().unwrap().into_iter().map(|entry| entry.id.offset.0).collect();
    assert_eq!(
        (store.next().map_or(0, |next| next.0), &counts, store.time().0),
        (model.next, &model.counts, model.time)
    );
    assert_eq!(outbox, model.outbox);
    assert_eq!(store.pending_effects(), model.outbox.len());
}

struct Run<'a> {
    machine: &'a dyn Machine,
    memory: Option<MemoryStore>,
    log: Vec<Record>,
    store: Option<PartitionStore>,
    model: Model,
    /// What was held after each number of writes to the disk.
    history: Vec<(usize, Model)>,
    was_rewound: bool,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) {
        let next = usize::try_from(self.model.next).unwrap();
        let mut store = self.store.take().unwrap_or_else(|| reopen(self.machine));
        match *step {
            Step::Deliver(count) => {
                let draft = deliver(&store, &self.log, next, count);
                store.write(draft).unwrap();
                for (offset, record) in self.log.iter().copied().enumerate().skip(next).take(count) {
                    self.model.take(i64::try_from(offset).unwrap(), record);
                }
            }
            Step::Redeliver(back) => {
                let draft = deliver(&store, &self.log, next.saturating_sub(back), back.min(next));
                store.write(draft).unwrap();
            }
            Step::CrashBefore(count) => {
                drop(deliver(&store, &self.log, next, count));
                drop(store);
                store = reopen(self.machine);
            }
            Step::Crash => {
                drop(store);
                store = reopen(self.machine);
            }
            Step::Sync => {
                let committable = store.sync().unwrap();
                let oldest = self.model.outbox.first().copied().unwrap_or(self.model.next);
                assert!(
                    committable.is_none_or(|next| next.0 <= oldest),
                    "the commit passes an effect that was not made"
                );
            }
            Step::LoseSuffix(percent) => {
                drop(store);
                self.lose(percent);
                store = reopen(self.machine);
            }
            Step::Acknowledge(count) => {
                let made: Vec<_> = self.model.outbox.drain(..count.min(self.model.outbox.len())).collect();
                let made: Vec<_> =
                    made.into_iter().map(|offset| EntryId { offset: Offset(offset), ordinal: 0 }).collect();
                store.acknowledge(&made).unwrap();
            }
            Step::Rewind(percent) => {
                let to = self.model.next * i64::try_from(percent).unwrap() / 100;
                store.rewind(NextOffset(to)).unwrap();
                self.model = Model { next: to, counts: BTreeMap::new(), outbox: Vec::new(), ..self.model.clone() };
                self.was_rewound = true;
            }
        }
        assert_same(&store, &self.model);
        if !self.was_rewound {
            let mut fold = Model::default();
            let taken = self.log.iter().copied().enumerate().take(usize::try_from(self.model.next).unwrap());
            taken.for_each(|(offset, record)| fold.take(i64::try_from(offset).unwrap(), record));
            assert_eq!(fold.counts, self.model.counts, "the state is not the fold of a prefix of the log");
        }
        if let Some(memory) = &self.memory {
            self.history.push((memory.writes(), self.model.clone()));
        }
        self.store = Some(store);
    }

    fn lose(&mut self, percent: usize) {
        let Some(memory) = &self.memory else { return };
        let kept = memory.synced_writes() + (memory.writes() - memory.synced_writes()) * percent / 100;
        let held = self.history.iter().rev().find(|(writes, _)| *writes <= kept).map(|(_, model)| model.clone());
        memory.lose_suffix(kept);
        self.model = held.unwrap_or_default();
        self.history = vec![(memory.writes(), self.model.clone())];
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1..12usize).prop_map(Step::Deliver),
        2 => (1..12usize).prop_map(Step::CrashBefore),
        1 => Just(Step::Crash),
        2 => (1..12usize).prop_map(Step::Redeliver),
        2 => Just(Step::Sync),
        3 => (0..=100usize).prop_map(Step::LoseSuffix),
        2 => (1..8usize).prop_map(Step::Acknowledge),
        1 => (0..=100usize).prop_map(Step::Rewind),
    ];
    proptest::collection::vec(step, 1..40)
}

fn log() -> impl Strategy<Value = Vec<Record>> {
    // Mostly small steps of time, some back, now and then more than a window at once.
    let time = prop_oneof![10 => 0..8i64, 2 => -20..0i64, 1 => 60..200i64];
    proptest::collection::vec((0..6u8, time), 1..120).prop_map(|records| {
        let mut now = 1_000;
        let place = |(id, step)| {
            now += step;
            Record { id, time: now }
        };
        records.into_iter().map(place).collect()
    })
}

fn run(machine: &dyn Machine, memory: Option<MemoryStore>, log: Vec<Record>, steps: &[Step]) {
    let mut run =
        Run { machine, memory, log, store: None, model: Model::default(), history: Vec::new(), was_rewound: false };
    for step in steps {
        run.step(step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn in_memory_with_lost_suffixes(log in log(), steps in steps()) {
        let memory = MemoryStore::new(&[META, OUTBOX, STATE]);
        run(&memory, Some(memory.clone()), log, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn on_rocksdb_with_crashes_of_the_process(log in log(), steps in steps()) {
        let rocks = Rocks(tempfile::tempdir().unwrap(), Budget::new(8 << 20));
        run(&rocks, None, log, &steps);
    }
}
