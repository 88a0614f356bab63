//! What is left after a crash, and what happens to wrong bytes.

use std::fs;
use std::path::{Path, PathBuf};

use hooklog_disk::{Budget, Direction, Disk, DiskError, KeyRange, Recovery, Store, Sync};

use crate::{SPECS, open, put, rows};

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// A copy of a running store's folder, as a crash leaves it.
fn crashed(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn try_open(path: &Path, recovery: Recovery) -> Result<Store, DiskError> {
    Store::open(path, SPECS, recovery, &Budget::new(8 << 20))
}

#[test]
fn a_torn_log_leaves_a_prefix_of_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let store = open(&live);
    for number in 0..20u8 {
        put(&store, &[number], &[number; 50], Sync::None);
    }
    let whole = files(&live, "log").pop().unwrap();
    let length = fs::metadata(&whole).unwrap().len();
    let mut counts = Vec::new();
    for (copy, cut) in (0..length).step_by(97).enumerate() {
        let target = folder.path().join(format!("crash-{copy}"));
        crashed(&live, &target);
        let log = files(&target, "log").pop().unwrap();
        fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(cut).unwrap();
        let keys: Vec<_> = rows(&open(&target), "state", &KeyRange::all(), Direction::Forward);
        let expected: Vec<_> = (0..u8::try_from(keys.len()).unwrap()).map(|n| (vec![n], vec![n; 50])).collect();
        assert_eq!(keys, expected, "cut at {cut}: not a prefix");
        counts.push(keys.len());
    }
    assert!(counts.is_sorted() && counts.first() == Some(&0) && counts.last() > Some(&15), "{counts:?}");
}

#[test]
fn damage_before_the_end_of_the_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (live, target) = (folder.path().join("live"), folder.path().join("crash"));
    let store = open(&live);
    for number in 0..20u8 {
        put(&store, &[number], &[number; 50], Sync::Synced);
    }
    crashed(&live, &target);
    let log = files(&target, "log").pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&log, bytes).unwrap();
    let error = try_open(&target, Recovery::TornTail).err().expect("synced rows were lost without a word");
    assert!(matches!(&error, DiskError::Corrupt { path, .. } if *path == target), "{error}");
    assert!(error.to_string().contains("restore"), "{error}");
    let prefix = try_open(&target, Recovery::Prefix).unwrap();
    let held = rows(&prefix, "state", &KeyRange::all(), Direction::Forward).len();
    assert!(held < 20, "the damaged row was served");
}

#[test]
fn a_flipped_byte_in_a_table_is_an_error_not_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let (live, copy) = (folder.path().join("live"), folder.path().join("copy"));
    let store = open(&live);
    for number in 0..200u8 {
        put(&store, &[number], &[number; 100], Sync::None);
    }
    // A checkpoint flushes: all rows lie in table files.
    store.checkpoint(&copy).unwrap();
    drop(store);
    let tables = files(&copy, "sst");
    assert!(!tables.is_empty());
    let mut refused = 0;
    for at in [30usize, 400, 900, 1500] {
        let target = folder.path().join(format!("flip-{at}"));
        crashed(&copy, &target);
        let table = files(&target, "sst").pop().unwrap();
        let mut bytes = fs::read(&table).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 0x01;
        fs::write(&table, bytes).unwrap();
        match try_open(&target, Recovery::TornTail) {
            Err(error) => {
                assert!(matches!(error, DiskError::Corrupt { .. }), "{error}");
                refused += 1;
            }
            Ok(store) => {
                for number in 0..200u8 {
                    match store.get("state", &[number]) {
                        Ok(value) => assert_eq!(value, Some(vec![number; 100]), "wrong bytes were served"),
                        Err(error) => {
                            assert!(matches!(error, DiskError::Corrupt { .. }), "{error}");
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 0, "no flip was noticed: the test did not reach any row");
}
