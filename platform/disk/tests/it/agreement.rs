//! RocksDB and the memory store answer alike, whatever is written to them.

use hooklog_disk::testing::MemoryStore;
use hooklog_disk::{Batch, Direction, Disk, KeyRange, Sync};
use proptest::prelude::*;

use crate::{open, rows};

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..4u8, 0..3)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (key(), key()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => key().prop_map(Step::Delete),
        1 => (key(), key()).prop_map(|(a, b)| Step::DeleteRange(a.clone().min(b.clone()), a.max(b))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn both_stores_hold_the_same(
        batches in proptest::collection::vec(proptest::collection::vec(step(), 1..6), 1..8),
        prefix in key(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (rocks, memory) = (open(folder.path()), MemoryStore::new(&["state"]));
        for steps in batches {
            let mut batch = Batch::new();
            for step in &steps {
                match step {
                    Step::Put(key, value) => batch.put("state", key, value),
                    Step::Delete(key) => batch.delete("state", key),
                    Step::DeleteRange(from, to) => batch.delete_range("state", from, to),
                }
            }
            rocks.write(&batch, Sync::None).unwrap();
            memory.write(&batch, Sync::None).unwrap();
        }
        rocks.close().unwrap();
        let rocks = open(folder.path());
        for direction in [Direction::Forward, Direction::Backward] {
            for range in [KeyRange::all(), KeyRange::prefix(&prefix)] {
                prop_assert_eq!(rows(&rocks, "state", &range, direction), rows(&memory, "state", &range, direction));
            }
        }
        let keys: [&[u8]; 3] = [&prefix, &[0], &[1, 1]];
        prop_assert_eq!(rocks.multi_get("state", &keys).unwrap(), memory.multi_get("state", &keys).unwrap());
    }
}

#[test]
fn memory_forgets_unsynced_writes_only() {
    let memory = MemoryStore::new(&["state"]);
    crate::put(&memory, b"a", b"1", Sync::None);
    memory.sync().unwrap();
    crate::put(&memory, b"b", b"2", Sync::None);
    crate::put(&memory, b"c", b"3", Sync::None);
    memory.lose_suffix(memory.synced_writes() + 1);
    let held: Vec<_> =
        rows(&memory, "state", &KeyRange::all(), Direction::Forward).into_iter().map(|row| row.0).collect();
    assert_eq!(held, [b"a".to_vec(), b"b".to_vec()]);
    memory.lose_suffix(0);
    assert_eq!(memory.get("state", b"a").unwrap(), Some(b"1".to_vec()), "a synced write was lost");
}
