//! Who may open a folder, and what each sees.

use hooklog_disk::{Disk, DiskError, Recovery, Store, Sync};

use crate::{SPECS, open, put};

#[test]
fn a_folder_is_open_once_and_the_refusal_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = Store::open(folder.path(), SPECS, Recovery::TornTail, &hooklog_disk::Budget::new(8 << 20));
    let error = second.err().expect("a second writer was let in");
    assert_eq!(error, DiskError::Locked { path: folder.path().to_owned() });
    let text = error.to_string();
    assert!(text.contains(&folder.path().display().to_string()) && text.contains("stop that process"), "{text}");
    first.close().unwrap();
    drop(open(folder.path()));
}

#[test]
fn a_reader_sees_what_the_running_owner_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let owner = open(folder.path());
    put(&owner, b"a", b"1", Sync::None);
    let reader = Store::open_read_only(folder.path()).unwrap();
    assert_eq!(reader.get("state", b"a").unwrap(), Some(b"1".to_vec()));
    put(&owner, b"a", b"2", Sync::None);
    assert_eq!(reader.get("state", b"a").unwrap(), Some(b"1".to_vec()), "a reader has one view");
    let later = Store::open_read_only(folder.path()).unwrap();
    assert_eq!(later.get("state", b"a").unwrap(), Some(b"2".to_vec()));
    let mut batch = hooklog_disk::Batch::new();
    batch.put("state", b"a", b"3");
    assert!(later.write(&batch, Sync::None).is_err(), "a reader wrote");
}

#[test]
fn reading_where_there_is_no_store_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("nothing");
    assert!(matches!(Store::open_read_only(&nothing), Err(DiskError::Format { .. })));
    assert!(!nothing.exists());
}

#[test]
fn a_checkpoint_is_a_store_of_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("live"));
    put(&store, b"a", b"1", Sync::None);
    store.checkpoint(&folder.path().join("copy")).unwrap();
    put(&store, b"a", b"2", Sync::None);
    let copy = open(&folder.path().join("copy"));
    assert_eq!(copy.get("state", b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.background_errors(), 0);
}
