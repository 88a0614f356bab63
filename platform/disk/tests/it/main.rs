//! The promises of the disk, tested on RocksDB and, where both must agree, on the memory store too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agreement;
mod damage;
mod doors;
mod families;

use std::ops::ControlFlow;
use std::path::Path;

use hooklog_disk::{Batch, Budget, Direction, Disk, FamilySpec, KeyRange, Recovery, Shape, Store, Sync};

const SPECS: &[FamilySpec] =
    &[FamilySpec::named("state", Shape::Ordered), FamilySpec::prefixed("dedupe-", Shape::Points)];

fn open(path: &Path) -> Store {
    Store::open(path, SPECS, Recovery::TornTail, &Budget::new(8 << 20)).unwrap()
}

fn put(store: &dyn Disk, key: &[u8], value: &[u8], sync: Sync) {
    let mut batch = Batch::new();
    batch.put("state", key, value);
    store.write(&batch, sync).unwrap();
}

fn rows(store: &dyn Disk, family: &str, range: &KeyRange, direction: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    store
        .scan(family, range, direction, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}
