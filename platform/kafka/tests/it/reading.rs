//! The reader: nothing before its owner says from where, nothing twice, nothing of a lease that ended.

use std::time::Duration;

use hooklog_kafka::{Commit, Poll, ReadError, Revocation};
use hooklog_schemas::{NextOffset, Partition};

use crate::mock::{Mock, PATIENCE, eventually};
use crate::owner::{Member, Told, read_to_end, values};

#[test]
fn reading_begins_where_the_owner_says_and_goes_back_when_told() {
    let mock = Mock::with_partitions(1);
    mock.fill(Partition(0), 0..500);
    let member = Member::join(&mock);
    let mut partition = member.partitions(1).remove(0);

    let mut records = Vec::new();
    assert!(matches!(partition.poll(10, Duration::from_millis(300), &mut records), Poll::Idle), "paused until started");
    let bounds = partition.watermarks(PATIENCE).unwrap();
    assert_eq!((bounds.start, bounds.end), (NextOffset(0), NextOffset(500)));
    assert_eq!(partition.committed(PATIENCE).unwrap(), None);

    partition.start(NextOffset(123)).unwrap();
    let (records, end) = read_to_end(&mut partition);
    assert_eq!(values(&records), (123..500).collect::<Vec<_>>());
    assert_eq!(end, NextOffset(500));
    let first = &records[0];
    assert_eq!(first.position.to_string(), "hooks.test/0/123");
    assert_eq!(first.key.as_deref(), Some(&b"key"[..]));
    assert_eq!(first.headers.iter().collect::<Vec<_>>(), [("number", &b"123"[..]), ("empty", b"")]);
    assert!(first.timestamp.0 > 1_600_000_000_000);

    partition.start(NextOffset(490)).unwrap();
    let (records, _) = read_to_end(&mut partition);
    assert_eq!(values(&records), (490..500).collect::<Vec<_>>(), "after going back: these and nothing stale");
    drop(partition);
    member.reader.close(PATIENCE).unwrap();
}

#[test]
fn an_offset_that_is_not_there_is_said_and_can_be_left() {
    let mock = Mock::with_partitions(1);
    mock.fill(Partition(0), 0..10);
    let member = Member::join(&mock);
    let mut partition = member.partitions(1).remove(0);
    partition.start(NextOffset(5000)).unwrap();
    let mut records = Vec::new();
    let error = eventually("a failure", || match partition.poll(10, Duration::from_millis(50), &mut records) {
        Poll::Failed(error) => Some(error),
        _ => None,
    });
    assert_eq!(error, ReadError::OutOfRange { lease: partition.lease().clone(), next: NextOffset(5000) });
    assert_eq!(records, []);
    partition.start(NextOffset(3)).unwrap();
    assert_eq!(values(&read_to_end(&mut partition).0), (3..10).collect::<Vec<_>>());
    drop(partition);
    member.reader.close(PATIENCE).unwrap();
}

#[test]
fn commits_come_back_with_their_note_and_closing_commits_the_last_ones() {
    let mock = Mock::with_partitions(2);
    mock.fill(Partition(0), 0..10);
    mock.fill(Partition(1), 0..10);
    let first = Member::join(&mock);
    let mut partitions = first.partitions(2);
    partitions.sort_by_key(|partition| partition.lease().partition);
    let leases: Vec<_> = partitions.iter().map(|partition| partition.lease().clone()).collect();
    let commit = Commit { lease: leases[0].clone(), next: NextOffset(4), note: "owner-1".to_owned() };
    first.reader.handle().commit(vec![commit]).unwrap();
    let outcome = first.hear("the commit's answer", |told| match told {
        Told::Committed(lease, outcome) if lease == leases[0] => Some(outcome),
        _ => None,
    });
    assert_eq!(outcome, Ok(NextOffset(4)));
    first.last.lock().unwrap().insert(leases[1].clone(), NextOffset(9));
    drop(partitions);
    first.reader.close(PATIENCE).unwrap();
    let ended = first.told.iter().find_map(|told| match told {
        Told::Revoked(leases, revocation) => Some((leases.len(), revocation)),
        _ => None,
    });
    assert_eq!(ended, Some((2, Revocation::Closing)));

    let second = Member::join(&mock);
    let mut partitions = second.partitions(2);
    partitions.sort_by_key(|partition| partition.lease().partition);
    let committed: Vec<_> =
        partitions.iter().map(|partition| partition.committed(PATIENCE).unwrap().unwrap()).collect();
    assert_eq!((committed[0].next, committed[0].note.as_str()), (NextOffset(4), "owner-1"));
    assert_eq!((committed[1].next, committed[1].note.as_str()), (NextOffset(9), "last"));
    drop(partitions);
    second.reader.close(PATIENCE).unwrap();
}

#[test]
fn a_partition_that_moves_takes_its_offset_along_and_leaves_the_old_reader_empty() {
    let mock = Mock::with_partitions(4);
    for partition in 0..4 {
        mock.fill(Partition(partition), 0..100);
    }
    let first = Member::join(&mock);
    let mut held = first.partitions(4);
    for partition in &mut held {
        partition.start(NextOffset(0)).unwrap();
        first.last.lock().unwrap().insert(partition.lease().clone(), NextOffset(50));
    }
    let second = Member::join(&mock);
    let mut gained = second.partitions(2);
    let moved = first.hear("a revocation", |told| match told {
        Told::Revoked(leases, Revocation::Moved) => Some(leases),
        _ => None,
    });
    let mut names: Vec<_> = gained.iter().map(|partition| partition.lease().partition).collect();
    let mut lost: Vec<_> = moved.iter().map(|lease| lease.partition).collect();
    names.sort_unstable();
    lost.sort_unstable();
    assert_eq!(names, lost);

    for partition in &mut held {
        let mut records = Vec::new();
        let revoked = eventually("records or the end of the lease", || {
            match partition.poll(1000, Duration::from_millis(50), &mut records) {
                Poll::Revoked => Some(true),
                Poll::Records | Poll::EndOfPartition(_) => Some(false),
                _ => None,
            }
        });
        assert_eq!(revoked, moved.contains(partition.lease()), "{partition:?}");
        assert!(!revoked || records.is_empty(), "what was fetched is not handed out after the revocation");
    }
    // Late commits of ended leases must not touch the new owner's offset.
    let late = moved.iter().map(|lease| Commit { lease: lease.clone(), next: NextOffset(1), note: String::new() });
    first.reader.handle().commit(late.collect()).unwrap();
    for partition in &mut gained {
        let committed = partition.committed(PATIENCE).unwrap().unwrap();
        assert_eq!(committed.next, NextOffset(50));
        partition.start(committed.next).unwrap();
        assert_eq!(values(&read_to_end(partition).0), (50..100).collect::<Vec<_>>());
        assert_eq!(partition.committed(PATIENCE).unwrap().unwrap().next, NextOffset(50));
    }
    drop(held);
    first.reader.close(PATIENCE).unwrap();
    drop(gained);
    second.reader.close(PATIENCE).unwrap();
}

#[test]
fn a_partition_does_not_start_before_the_reader_of_its_earlier_lease_is_gone() {
    let mock = Mock::with_partitions(1);
    mock.fill(Partition(0), 0..10);
    let member = Member::join(&mock);
    let old = member.partitions(1).remove(0);
    // A second member takes the only partition and leaves: the first one gets it anew.
    mock.cluster.request_errors(
        rdkafka::types::RDKafkaApiKey::Heartbeat,
        &[rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID],
    );
    let lost = member.hear("the loss", |told| match told {
        Told::Revoked(_, revocation) => Some(revocation),
        _ => None,
    });
    assert_eq!(lost, Revocation::Lost);
    let mut new = member.partitions(1).remove(0);
    assert!(new.lease().epoch > old.lease().epoch);
    new.start(NextOffset(0)).unwrap();
    let mut records = Vec::new();
    assert!(
        matches!(new.poll(10, Duration::from_millis(500), &mut records), Poll::Idle),
        "the old reader is still out"
    );
    drop(old);
    assert_eq!(values(&read_to_end(&mut new).0), (0..10).collect::<Vec<_>>());
    drop(new);
    member.reader.close(PATIENCE).unwrap();
}

#[test]
fn a_panic_in_a_hook_ends_the_reader_and_not_the_process() {
    let mock = Mock::with_partitions(1);
    let member = Member::join_panicking(&mock);
    eventually("the end of the poll thread", || member.reader.is_finished().then_some(()));
    assert!(matches!(member.reader.close(PATIENCE), Err(ReadError::Fatal { .. })));
}

#[test]
fn closing_is_bounded_even_when_a_worker_keeps_its_reader() {
    let mock = Mock::with_partitions(1);
    let member = Member::join(&mock);
    let kept = member.partitions(1);
    let begun = std::time::Instant::now();
    let closed = member.reader.close(Duration::from_secs(2));
    assert!(matches!(closed, Err(ReadError::CloseTimeout { .. })), "{closed:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    drop(kept);
}
