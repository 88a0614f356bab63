//! A partition's store is opened by its own partition, log and version only, and says how it was left.

use std::time::Duration;

use hooklog_consumer::dedupe::Window;
use hooklog_consumer::draft::Changes;
use hooklog_consumer::identity::{Generation, Identity};
use hooklog_consumer::store::{META, OUTBOX, Owner, PartitionStore, STATE, StoreError};
use hooklog_disk::testing::MemoryStore;
use hooklog_disk::{Batch, Disk, Sync};
use hooklog_schemas::{NextOffset, Offset, Partition, TopicName};

fn identity(cluster: &str) -> Identity {
    Identity {
        cluster: cluster.to_owned(),
        topic: TopicName::parse("hooks.test").unwrap(),
        partition: Partition(0),
        partitions: 1,
        group: "test".to_owned(),
        generation: Generation(0),
    }
}

fn open(memory: &MemoryStore, cluster: &str) -> Result<PartitionStore, StoreError> {
    let window = Window::new(Duration::from_secs(60));
    PartitionStore::open(Box::new(memory.clone()), &identity(cluster), window, Owner([1; 16]))
}

fn memory() -> MemoryStore {
    MemoryStore::new(&[META, OUTBOX, STATE])
}

#[test]
fn another_cluster_is_refused_with_the_mend() {
    let memory = memory();
    open(&memory, "first").unwrap();
    let error = open(&memory, "second").err().expect("state of another log was opened");
    assert!(matches!(error, StoreError::Identity(_)));
    assert!(error.to_string().contains("hooklog dev --reset"), "{error}");
    open(&memory, "first").unwrap();
}

#[test]
fn another_layout_is_refused() {
    let memory = memory();
    open(&memory, "c").unwrap();
    let mut batch = Batch::new();
    batch.put(META, &[0x01], &[99]);
    memory.write(&batch, Sync::None).unwrap();
    assert!(matches!(open(&memory, "c"), Err(StoreError::Format { what: "layout", .. })));
}

#[test]
fn the_first_owner_stays_and_an_orderly_close_is_remembered() {
    let memory = memory();
    let store = open(&memory, "c").unwrap();
    assert!(!store.was_closed());
    store.close().unwrap();
    let mut store = open(&memory, "c").unwrap();
    assert!(store.was_closed());
    assert_eq!(store.owner(), Owner([1; 16]));
    let draft = store.draft(&[], NextOffset(0)).unwrap();
    store.write(draft).unwrap();
    drop(store);
    assert!(!open(&memory, "c").unwrap().was_closed(), "a crash after a write is not an orderly close");
}

#[test]
fn a_table_tag_has_one_name_for_ever() {
    let memory = memory();
    let mut store = open(&memory, "c").unwrap();
    let write = |store: &mut PartitionStore, offset, name| {
        let mut draft = store.draft(&[], NextOffset(0)).unwrap();
        let mut changes = Changes::default();
        changes.tables.insert(1, name);
        draft.complete(Offset(offset), None, changes, Vec::new());
        store.write(draft)
    };
    write(&mut store, 0, "counts").unwrap();
    write(&mut store, 1, "counts").unwrap();
    drop(store);
    let mut store = open(&memory, "c").unwrap();
    let error = write(&mut store, 2, "sums").unwrap_err();
    assert!(matches!(error, StoreError::TagReused { tag: 1, .. }), "{error}");
    assert_eq!(store.next(), Some(NextOffset(2)), "nothing of the refused write is there");
}

#[test]
fn the_commit_waits_for_the_oldest_effect() {
    use hooklog_consumer::outbox::{Entry, EntryId};
    let memory = memory();
    let mut store = open(&memory, "c").unwrap();
    assert_eq!(store.sync().unwrap(), None);
    let mut draft = store.draft(&[], NextOffset(0)).unwrap();
    for offset in 0..5 {
        let entry = Entry {
            id: EntryId { offset: Offset(offset), ordinal: 0 },
            lane: "k".to_owned(),
            payload: bytes::Bytes::new(),
            record_key: None,
            record_value: bytes::Bytes::new(),
        };
        let outbox = if offset == 2 || offset == 4 { vec![entry] } else { Vec::new() };
        draft.complete(Offset(offset), None, Changes::default(), outbox);
    }
    store.write(draft).unwrap();
    assert_eq!(store.sync().unwrap(), Some(NextOffset(2)));
    store.acknowledge(&[EntryId { offset: Offset(2), ordinal: 0 }]).unwrap();
    assert_eq!(store.sync().unwrap(), Some(NextOffset(4)));
    assert_eq!(store.forget_effects_before(NextOffset(4)).unwrap(), 0);
    assert_eq!(store.forget_effects_before(NextOffset(5)).unwrap(), 1, "another owner committed past it");
    assert_eq!(store.sync().unwrap(), Some(NextOffset(5)));
}
