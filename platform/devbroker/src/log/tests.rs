//! The log against the disk: what is readable when, what a crash leaves, what age and size drop.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::batch::sample::{batch, plain};
use crate::disk::faulty::Faulty;

/// Small enough that a few batches fill a segment.
const SEGMENT: u64 = 300;

struct Bench {
    dir: TempDir,
    disk: Arc<Faulty>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), disk: Arc::new(Faulty::default()) }
    }

    fn ground(&self) -> Ground {
        let disk = Arc::clone(&self.disk) as Arc<dyn Disk>;
        Ground { disk, growth: watch::Sender::new(0), producers_per_log: 100 }
    }

    fn open(&self, segment_bytes: u64) -> Result<Log, OpenError> {
        Log::open(self.dir.path().to_path_buf(), self.ground(), segment_bytes)
    }

    fn segments(&self) -> Vec<i64> {
        segment_bases(self.dir.path()).unwrap()
    }

    fn file(&self, base: i64) -> PathBuf {
        segment::path(self.dir.path(), base)
    }
}

type Answer = oneshot::Receiver<Result<Appended, ResponseError>>;

fn job(batch: Bytes) -> (Append, Answer) {
    let (reply, answer) = oneshot::channel();
    (Append { head: batch::check(&batch).unwrap(), batch, reply }, answer)
}

fn append(log: &Log, batch: Bytes) -> Result<i64, ResponseError> {
    let (job, mut answer) = job(batch);
    log.serve(vec![job]);
    answer.try_recv().expect("every job is answered").map(|appended| appended.base_offset)
}

/// The base offsets of all batches from an offset on.
fn read_all(log: &Log, mut offset: i64) -> Vec<i64> {
    let mut bases = Vec::new();
    loop {
        let bytes = log.read(offset, usize::MAX, true).unwrap();
        if bytes.is_empty() {
            return bases;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let head = batch::check(rest).unwrap();
            bases.push(head.base_offset);
            offset = head.last_offset() + 1;
            rest = &rest[head.len..];
        }
    }
}

#[test]
fn batches_follow_each_other_over_segments_and_reopening() {
    let bench = Bench::new();
    let log = bench.open(SEGMENT).unwrap();
    for n in 0..10 {
        assert_eq!(append(&log, batch(-1, -1, -1, &[n, n])), Ok(n * 2));
    }
    let all: Vec<i64> = (0..10).map(|n| n * 2).collect();
    assert_eq!(read_all(&log, 0), all);
    assert!(bench.segments().len() > 3, "{:?}", bench.segments());
    drop(log);
    let log = bench.open(SEGMENT).unwrap();
    assert_eq!(read_all(&log, 0), all);
    assert_eq!(read_all(&log, 7), all[3..], "from the batch that holds the offset");
    assert_eq!(append(&log, plain(0)), Ok(20));
    assert_eq!(log.bounds(), Bounds { start: 0, end: 21 });
    assert_eq!(log.read(22, 100, true), Err(ResponseError::OffsetOutOfRange));
    assert_eq!(log.read(21, 100, true), Ok(Bytes::new()));
}

#[test]
fn the_first_batch_is_whole_and_the_others_fit() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    let len = plain(0).len();
    for n in 0..4 {
        append(&log, plain(n)).unwrap();
    }
    for (max, whole_first, batches) in
        [(1, true, 1), (1, false, 0), (len * 2, false, 2), (len * 3 - 1, true, 2), (len * 9, true, 4)]
    {
        assert_eq!(log.measure(0, max, whole_first), Ok(len * batches), "{max} {whole_first}");
        assert_eq!(log.read(0, max, whole_first).unwrap().len(), len * batches, "{max} {whole_first}");
    }
}

#[test]
fn nothing_is_readable_or_acknowledged_before_it_is_synced() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    append(&log, plain(0)).unwrap();
    let synced = bench.disk.syncs.load(SeqCst);
    bench.disk.hold();
    std::thread::scope(|scope| {
        let (job, mut answer) = job(plain(1));
        let serving = scope.spawn(|| log.serve(vec![job]));
        let deadline = Instant::now() + Duration::from_secs(10);
        while bench.disk.syncs.load(SeqCst) == synced {
            assert!(Instant::now() < deadline, "it never comes to syncing");
        }
        assert_eq!(log.bounds().end, 1, "written, not synced");
        assert_eq!(log.read(1, 1_000, true), Ok(Bytes::new()));
        assert!(answer.try_recv().is_err());
        bench.disk.release();
        serving.join().unwrap();
        assert_eq!(answer.try_recv().unwrap().map(|a| a.base_offset), Ok(1));
        assert_eq!(log.bounds().end, 2);
    });
}

#[test]
fn those_who_wait_together_share_a_sync() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    let (jobs, answers): (Vec<_>, Vec<_>) = (0..50).map(|n| job(plain(n))).unzip();
    log.serve(jobs);
    let offsets: Vec<i64> = answers.into_iter().map(|mut a| a.try_recv().unwrap().unwrap().base_offset).collect();
    assert_eq!(offsets, (0..50).collect::<Vec<_>>());
    assert_eq!((bench.disk.writes.load(SeqCst), bench.disk.syncs.load(SeqCst)), (1, 1));
}

#[test]
fn after_one_failed_sync_nothing_is_acknowledged_any_more() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    append(&log, plain(0)).unwrap();
    bench.disk.fail_sync.store(true, SeqCst);
    assert_eq!(append(&log, plain(1)), Err(ResponseError::KafkaStorageError));
    bench.disk.fail_sync.store(false, SeqCst);
    let (writes, syncs) = (bench.disk.writes.load(SeqCst), bench.disk.syncs.load(SeqCst));
    assert_eq!(append(&log, plain(2)), Err(ResponseError::KafkaStorageError));
    assert_eq!(log.delete_below(1), Err(ResponseError::KafkaStorageError));
    assert_eq!((bench.disk.writes.load(SeqCst), bench.disk.syncs.load(SeqCst)), (writes, syncs), "no other try");
    assert_eq!(read_all(&log, 0), [0], "what was acknowledged stays readable");
    assert_eq!(log.bounds().end, 1, "what was not does not become so");
}

#[test]
fn a_half_done_write_closes_the_partition_until_it_is_opened_again() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    append(&log, plain(0)).unwrap();
    bench.disk.fail_write.store(true, SeqCst);
    assert_eq!(append(&log, plain(1)), Err(ResponseError::KafkaStorageError));
    bench.disk.fail_write.store(false, SeqCst);
    assert_eq!(append(&log, plain(2)), Err(ResponseError::KafkaStorageError));
    drop(log);
    let log = bench.open(1 << 20).unwrap();
    assert_eq!(append(&log, plain(3)), Ok(1));
    assert_eq!(read_all(&log, 0), [0, 1]);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    for n in 0..3 {
        append(&log, batch(7, 0, n * 2, &[1, 1])).unwrap();
    }
    drop(log);
    let whole = fs::read(bench.file(0)).unwrap();
    let last = whole.len() - whole.len() / 3;
    for cut in last..whole.len() {
        fs::write(bench.file(0), &whole[..cut]).unwrap();
        let log = bench.open(1 << 20).unwrap();
        assert_eq!(log.bounds().end, 4, "cut at {cut}");
        assert_eq!(fs::metadata(bench.file(0)).unwrap().len(), last as u64);
        // The producer sends it again, and it is not taken for a repeat of the lost one.
        assert_eq!(append(&log, batch(7, 0, 4, &[1, 1])), Ok(4));
        assert_eq!(read_all(&log, 0), [0, 2, 4]);
    }
    // Zeros, as a file system leaves them where it had made room.
    fs::write(bench.file(0), [&whole[..last], &[0; 500]].concat()).unwrap();
    assert_eq!(bench.open(1 << 20).unwrap().bounds().end, 4);
}

#[test]
fn damage_in_front_of_records_is_reported_at_its_byte_and_nothing_is_cut() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    for n in 0..3 {
        append(&log, plain(n)).unwrap();
    }
    drop(log);
    let whole = fs::read(bench.file(0)).unwrap();
    let middle = whole.len() / 3;
    for at in middle..2 * middle {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(bench.file(0), &bytes).unwrap();
        let Err(OpenError::Damaged { file, position, .. }) = bench.open(1 << 20) else {
            panic!("a changed byte at {at} was not seen")
        };
        assert_eq!((file, position), (bench.file(0), middle as u64), "changed at {at}");
        assert_eq!(fs::read(bench.file(0)).unwrap(), bytes, "the file is left as it is");
    }
    let report = bench.open(1 << 20).unwrap_err().to_string();
    assert!(report.contains(&format!("truncate -s {middle}")), "{report}");
}

#[test]
fn an_older_segment_cannot_be_torn_or_missing() {
    let bench = Bench::new();
    let log = bench.open(SEGMENT).unwrap();
    for n in 0..20 {
        append(&log, plain(n)).unwrap();
    }
    drop(log);
    let bases = bench.segments();
    let older = bench.file(bases[1]);
    let whole = fs::read(&older).unwrap();
    fs::write(&older, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(bench.open(SEGMENT), Err(OpenError::Damaged { file, .. }) if file == older));
    fs::remove_file(&older).unwrap();
    let next = bench.file(bases[2]);
    assert!(matches!(bench.open(SEGMENT), Err(OpenError::Damaged { file, position: 0, .. }) if file == next));
    fs::write(&older, &whole).unwrap();
    bench.open(SEGMENT).unwrap();
}

#[test]
fn a_segment_that_was_only_begun_is_no_obstacle() {
    let bench = Bench::new();
    let log = bench.open(1 << 20).unwrap();
    append(&log, plain(0)).unwrap();
    drop(log);
    fs::write(bench.file(1), b"").unwrap();
    let log = bench.open(1 << 20).unwrap();
    assert_eq!(append(&log, plain(1)), Ok(1));
    assert_eq!(read_all(&log, 0), [0, 1]);
}

#[test]
fn repeats_are_recognized_also_after_reopening() {
    let bench = Bench::new();
    let log = bench.open(SEGMENT).unwrap();
    for n in 0..8 {
        assert_eq!(append(&log, batch(7, 1, n, &[0])), Ok(n.into()));
    }
    for log in [log, bench.open(SEGMENT).unwrap()] {
        assert_eq!(append(&log, batch(7, 1, 5, &[0])), Ok(5));
        assert_eq!(append(&log, batch(7, 1, 9, &[0])), Err(ResponseError::OutOfOrderSequenceNumber));
        assert_eq!(append(&log, batch(7, 0, 8, &[0])), Err(ResponseError::InvalidProducerEpoch));
        assert_eq!((log.bounds().end, log.greatest_producer_id()), (8, 7));
    }
}

#[test]
fn size_and_age_drop_whole_segments_but_never_the_newest() {
    let bench = Bench::new();
    let log = bench.open(SEGMENT).unwrap();
    for n in 0..30 {
        append(&log, plain(n * 1_000)).unwrap();
    }
    let before = bench.segments();
    let forever = Retention { ms: -1, bytes: -1 };
    log.retain(forever, 1_000_000);
    assert_eq!(bench.segments(), before);
    log.retain(Retention { bytes: 3 * i64::try_from(SEGMENT).unwrap(), ..forever }, 0);
    let after = bench.segments();
    assert!(after.len() < before.len() && before.ends_with(&after) && after.len() >= 3, "{after:?}");
    assert_eq!(log.bounds(), Bounds { start: after[0], end: 30 });
    assert_eq!(log.read(after[0] - 1, 100, true), Err(ResponseError::OffsetOutOfRange));
    // Old is a segment whose youngest record is.
    log.retain(Retention { ms: 1_000, ..forever }, after[1] * 1_000);
    assert_eq!(bench.segments(), after[..]);
    log.retain(Retention { ms: 1_000, ..forever }, (after[1] - 1) * 1_000 + 1_001);
    assert_eq!(bench.segments(), after[1..]);
    log.retain(Retention { ms: 1, bytes: 0 }, i64::MAX);
    assert_eq!(bench.segments(), before[before.len() - 1..]);
    let newest = before[before.len() - 1];
    drop(log);
    let log = bench.open(SEGMENT).unwrap();
    assert_eq!(log.bounds(), Bounds { start: newest, end: 30 });
    assert_eq!(append(&log, plain(0)), Ok(30));
}

#[test]
fn deleted_records_stay_deleted() {
    let bench = Bench::new();
    let log = bench.open(SEGMENT).unwrap();
    for n in 0..10 {
        append(&log, plain(n)).unwrap();
    }
    assert_eq!(log.delete_below(11), Err(ResponseError::OffsetOutOfRange));
    assert_eq!(log.delete_below(6), Ok(6));
    assert_eq!(log.delete_below(2), Ok(6), "it never goes back");
    for log in [log, bench.open(SEGMENT).unwrap()] {
        assert_eq!(log.bounds(), Bounds { start: 6, end: 10 });
        assert_eq!(log.read(5, 100, true), Err(ResponseError::OffsetOutOfRange));
        assert_eq!(read_all(&log, 6)[..], [6, 7, 8, 9]);
    }
    let log = bench.open(SEGMENT).unwrap();
    assert_eq!(log.delete_below(10), Ok(10));
    drop(log);
    let log = bench.open(SEGMENT).unwrap();
    assert_eq!(log.bounds(), Bounds { start: 10, end: 10 });
    assert_eq!(append(&log, plain(0)), Ok(10));
}

#[test]
fn times_are_found_over_segments_and_after_deletion() {
    let bench = Bench::new();
    let log = bench.open(SEGMENT).unwrap();
    for n in 0..10 {
        append(&log, batch(-1, -1, -1, &[n * 100, n * 100 + 50])).unwrap();
    }
    let at = |time| log.first_at_or_after(time).unwrap().map(|found| (found.offset, found.timestamp));
    assert_eq!(at(0), Some((0, 0)));
    assert_eq!(at(451), Some((10, 500)));
    assert_eq!(at(450), Some((9, 450)));
    assert_eq!(at(951), None);
    assert_eq!(log.latest().unwrap().map(|found| found.offset), Some(19));
    log.delete_below(9).unwrap();
    assert_eq!(at(0), Some((9, 450)));
    assert_eq!(at(451), Some((10, 500)));
    log.delete_below(20).unwrap();
    assert_eq!((at(0), log.latest().unwrap()), (None, None));
}

#[test]
fn a_deleted_topic_takes_nothing_more() {
    let bench = Bench::new();
    let log = bench.open(SEGMENT).unwrap();
    log.close_deleted();
    assert_eq!(append(&log, plain(0)), Err(ResponseError::UnknownTopicOrPartition));
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    DeleteBelow(i64),
    Retain(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..5usize).prop_map(Step::Append),
        1 => (0..60i64).prop_map(Step::DeleteBelow),
        1 => (0..2_000i64).prop_map(Step::Retain),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    /// Whatever happens: bounds never go back, every offset within them is readable, no other is.
    #[test]
    fn every_offset_in_bounds_is_readable(steps in proptest::collection::vec(step(), 1..40)) {
        let bench = Bench::new();
        let mut log = bench.open(SEGMENT).unwrap();
        let mut bounds = log.bounds();
        for step in steps {
            match step {
                Step::Append(records) => {
                    prop_assert_eq!(append(&log, batch(-1, -1, -1, &vec![0; records])), Ok(bounds.end));
                    bounds.end += i64::try_from(records).unwrap();
                }
                Step::DeleteBelow(offset) if offset <= bounds.end => {
                    bounds.start = bounds.start.max(offset);
                    prop_assert_eq!(log.delete_below(offset), Ok(bounds.start));
                }
                Step::DeleteBelow(offset) => prop_assert!(log.delete_below(offset).is_err()),
                Step::Retain(bytes) => {
                    log.retain(Retention { ms: -1, bytes }, 0);
                    prop_assert!(log.bounds().start >= bounds.start);
                    bounds.start = log.bounds().start;
                }
                Step::Reopen => {
                    drop(log);
                    log = bench.open(SEGMENT).unwrap();
                }
            }
            prop_assert_eq!(log.bounds(), bounds);
            for offset in bounds.start..bounds.end {
                let head = batch::check(&log.read(offset, 1, true).unwrap()).unwrap();
                prop_assert!((head.base_offset..=head.last_offset()).contains(&offset));
            }
            prop_assert!(log.read(bounds.start - 1, 1, true).is_err());
            prop_assert!(log.read(bounds.end + 1, 1, true).is_err());
        }
    }
}
