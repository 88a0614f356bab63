//! Families made on demand, found again and dropped.

use std::time::{Duration, Instant};

use hooklog_disk::{Batch, Budget, Disk, DiskError, FamilySpec, Recovery, Shape, Store, Sync};

use crate::{SPECS, open};

#[test]
fn a_family_made_later_is_found_again_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.create_family("dedupe-7").unwrap();
    store.create_family("dedupe-7").unwrap();
    let mut batch = Batch::new();
    batch.put("dedupe-7", b"id", b"41");
    batch.put("state", b"a", b"1");
    store.write(&batch, Sync::Synced).unwrap();
    store.close().unwrap();

    let store = open(folder.path());
    assert_eq!(store.families(), ["dedupe-7", "state"]);
    assert_eq!(store.get("dedupe-7", b"id").unwrap(), Some(b"41".to_vec()));
    store.drop_family("dedupe-7").unwrap();
    store.close().unwrap();

    let store = open(folder.path());
    assert_eq!(store.families(), ["state"]);
    assert!(matches!(store.get("dedupe-7", b"id"), Err(DiskError::UnknownFamily { .. })));
    assert_eq!(store.get("state", b"a").unwrap(), Some(b"1".to_vec()));
}

#[test]
fn a_family_nobody_declared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(matches!(store.create_family("other"), Err(DiskError::UnknownFamily { .. })));
    store.create_family("dedupe-1").unwrap();
    store.close().unwrap();
    let fewer = &[FamilySpec::named("state", Shape::Ordered)];
    let error = Store::open(folder.path(), fewer, Recovery::TornTail, &Budget::new(8 << 20)).err().expect("opened");
    assert!(matches!(&error, DiskError::Format { report, .. } if report.contains("dedupe-1")), "{error}");
}

#[test]
fn a_batch_with_an_unknown_family_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut batch = Batch::new();
    batch.put("state", b"a", b"1");
    batch.put("dedupe-9", b"id", b"2");
    assert!(matches!(store.write(&batch, Sync::None), Err(DiskError::UnknownFamily { .. })));
    assert_eq!(store.get("state", b"a").unwrap(), None);
}

#[test]
fn many_families_share_one_memory_budget() {
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget::new(8 << 20);
    let store = Store::open(folder.path(), SPECS, Recovery::TornTail, &budget).unwrap();
    let row = vec![7u8; 4 << 10];
    for family in 0..8 {
        let name = format!("dedupe-{family}");
        store.create_family(&name).unwrap();
        for chunk in 0..16u32 {
            let mut batch = Batch::new();
            for key in 0..64u32 {
                batch.put(&name, &(chunk * 64 + key).to_be_bytes(), &row);
            }
            store.write(&batch, Sync::None).unwrap();
        }
    }
    // 32 MiB were written. Writers are not held up, so the rows may be above their half of the budget for a while; each write looks
    // at the budget and has the largest buffer flushed, so that a store in use comes back under it.
    let deadline = Instant::now() + Duration::from_secs(60);
    while budget.unflushed_bytes() > 4 << 20 {
        assert!(Instant::now() < deadline, "{} bytes not flushed", budget.unflushed_bytes());
        let mut batch = Batch::new();
        batch.put("dedupe-0", b"another", &row);
        store.write(&batch, Sync::None).unwrap();
        std::thread::yield_now();
    }
    assert_eq!(store.get("dedupe-0", &5u32.to_be_bytes()).unwrap(), Some(row));
}
