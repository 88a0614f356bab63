//! Committed offsets against the disk.

use std::sync::atomic::Ordering::SeqCst;

use tempfile::TempDir;

use super::*;
use crate::disk::faulty::Faulty;

struct Bench {
    dir: TempDir,
    disk: Arc<Faulty>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), disk: Arc::new(Faulty::default()) }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("offsets.log")
    }

    fn open(&self) -> Result<Offsets, OpenError> {
        Offsets::open(self.file(), Arc::clone(&self.disk) as Arc<dyn Disk>)
    }
}

fn place(group: &str, topic: &str, partition: i32) -> Place {
    Place { group: group.into(), topic: topic.into(), partition }
}

fn committed(offset: i64) -> Committed {
    Committed { offset, leader_epoch: 0, metadata: format!("note {offset}") }
}

fn commit(offsets: &Offsets, entries: Vec<(Place, Option<Committed>)>) -> Result<(), ResponseError> {
    let (reply, mut answer) = oneshot::channel();
    offsets.serve(vec![Commit { entries, reply }]);
    answer.try_recv().expect("every commit is answered")
}

#[test]
fn commits_are_there_after_reopening_and_forgotten_ones_are_not() {
    let bench = Bench::new();
    let offsets = bench.open().unwrap();
    for n in 0..5 {
        commit(&offsets, vec![(place("g", "t", 0), Some(committed(n))), (place("g", "u", 1), Some(committed(n)))])
            .unwrap();
    }
    commit(&offsets, vec![(place("h", "t", 0), Some(committed(9))), (place("g", "u", 1), None)]).unwrap();
    for offsets in [offsets, bench.open().unwrap()] {
        assert_eq!(offsets.get(&place("g", "t", 0)), Some(committed(4)));
        assert_eq!(offsets.of_group("g"), [(place("g", "t", 0), committed(4))]);
        assert_eq!(offsets.of_topic("t"), [place("g", "t", 0), place("h", "t", 0)]);
        assert_eq!(offsets.groups(), ["g", "h"]);
    }
}

#[test]
fn opening_leaves_only_what_counts() {
    let bench = Bench::new();
    let offsets = bench.open().unwrap();
    for n in 0..100 {
        commit(&offsets, vec![(place("g", "t", 0), Some(committed(n)))]).unwrap();
    }
    let before = fs::metadata(bench.file()).unwrap().len();
    drop(offsets);
    bench.open().unwrap();
    assert!(fs::metadata(bench.file()).unwrap().len() < before / 50);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let bench = Bench::new();
    let offsets = bench.open().unwrap();
    commit(&offsets, vec![(place("g", "t", 0), Some(committed(1)))]).unwrap();
    let kept = fs::metadata(bench.file()).unwrap().len();
    commit(&offsets, vec![(place("g", "t", 0), Some(committed(2)))]).unwrap();
    drop(offsets);
    let whole = fs::read(bench.file()).unwrap();
    for cut in usize::try_from(kept).unwrap()..whole.len() {
        fs::write(bench.file(), &whole[..cut]).unwrap();
        let offsets = bench.open().unwrap();
        assert_eq!(offsets.get(&place("g", "t", 0)), Some(committed(1)), "cut at {cut}");
        commit(&offsets, vec![(place("g", "t", 0), Some(committed(3)))]).unwrap();
        drop(offsets);
        assert_eq!(bench.open().unwrap().get(&place("g", "t", 0)), Some(committed(3)));
    }
}

#[test]
fn damage_in_front_of_commits_is_reported_at_its_byte() {
    let bench = Bench::new();
    let offsets = bench.open().unwrap();
    for n in 1..=3 {
        commit(&offsets, vec![(place("g", "t", 0), Some(committed(n)))]).unwrap();
    }
    drop(offsets);
    let whole = fs::read(bench.file()).unwrap();
    let middle = whole.len() / 3;
    for at in middle..2 * middle {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(bench.file(), &bytes).unwrap();
        let Err(OpenError::Damaged { file, position, .. }) = bench.open() else { panic!("not seen at {at}") };
        assert_eq!((file, position), (bench.file(), middle as u64));
    }
}

#[test]
fn after_one_failed_sync_nothing_is_committed_any_more() {
    let bench = Bench::new();
    let offsets = bench.open().unwrap();
    commit(&offsets, vec![(place("g", "t", 0), Some(committed(1)))]).unwrap();
    bench.disk.fail_sync.store(true, SeqCst);
    let refused = Err(ResponseError::KafkaStorageError);
    assert_eq!(commit(&offsets, vec![(place("g", "t", 0), Some(committed(2)))]), refused);
    bench.disk.fail_sync.store(false, SeqCst);
    assert_eq!(commit(&offsets, vec![(place("g", "t", 0), Some(committed(3)))]), refused);
    assert_eq!(offsets.get(&place("g", "t", 0)), Some(committed(1)), "what was not acknowledged is not told");
}
