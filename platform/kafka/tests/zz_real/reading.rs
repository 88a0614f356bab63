//! The reader in a group.

use std::sync::Arc;
use std::time::Duration;

use crate::unique;
use hooklog_kafka::Lease;
use hooklog_kafka::{
    Commit, Metrics, PartitionReader, Partitions, Poll, ReadError, Reader, ReaderSettings, Revocation,
};
use hooklog_schemas::{NextOffset, Partition};

use super::fixture::{Fixture, PATIENCE, eventually};
use super::owner::{Member, Seen, offsets};

const PARTITIONS: i32 = 6;
const EACH: i64 = 3000;

/// While records keep coming, a second member joins, a third one, and the first one leaves.
pub(crate) fn members_hand_partitions_over_without_a_gap_or_a_repetition(bootstrap: &str) {
    let fixture = Arc::new(Fixture::new(bootstrap, 6));
    let group = unique("hand.over");
    let seen = Seen::default();
    let filling = {
        let fixture = Arc::clone(&fixture);
        std::thread::spawn(move || {
            let writer = fixture.writer();
            for turn in 0..30 {
                for partition in 0..PARTITIONS {
                    fixture.fill(&writer, Partition(partition), turn * 100..(turn + 1) * 100);
                }
            }
        })
    };
    let first = Member::join(&fixture, &group, &seen);
    eventually("the first member owns all", || (first.owned() == 6).then_some(()));
    let second = Member::join(&fixture, &group, &seen);
    eventually("two members share", || (first.owned() == 3 && second.owned() == 3).then_some(()));
    let third = Member::join(&fixture, &group, &seen);
    eventually("three members share", || {
        (first.owned() == 2 && second.owned() == 2 && third.owned() == 2).then_some(())
    });
    first.leave();
    eventually("two members share again", || (second.owned() + third.owned() == 6).then_some(()));
    filling.join().unwrap();
    let total = usize::try_from(i64::from(PARTITIONS) * EACH).unwrap();
    eventually("all records", || (seen.lock().unwrap().len() >= total).then_some(()));
    second.leave();
    third.leave();
    let expected: Vec<i64> = (0..EACH).collect();
    for (partition, offsets) in offsets(&seen) {
        assert!(offsets == expected, "partition {partition}: {} offsets seen, or in another order", offsets.len());
    }
}

pub(crate) fn a_group_goes_on_where_it_committed(bootstrap: &str) {
    let fixture = Fixture::new(bootstrap, 2);
    let (group, writer) = (unique("goes.on"), fixture.writer());
    for turn in 0..3_u32 {
        for partition in 0..2 {
            fixture.fill(&writer, Partition(partition), turn * 100..(turn + 1) * 100);
        }
        let seen = Seen::default();
        let member = Member::join(&fixture, &group, &seen);
        eventually("this turn's records", || (seen.lock().unwrap().len() >= 200).then_some(()));
        member.leave();
        let start = i64::from(turn) * 100;
        for (partition, offsets) in offsets(&seen) {
            assert_eq!(offsets, (start..start + 100).collect::<Vec<_>>(), "partition {partition}");
        }
        let committed = fixture.admin.committed(&group, &fixture.topic, PATIENCE).unwrap();
        let nexts: Vec<_> = committed.into_iter().map(|(_, committed)| committed.unwrap().next).collect();
        assert_eq!(nexts, [NextOffset(start + 100); 2]);
    }
}

pub(crate) fn an_offset_that_is_not_there_is_said_and_can_be_left(bootstrap: &str) {
    struct Handing(std::sync::mpsc::Sender<PartitionReader>);
    impl Partitions for Handing {
        fn assigned(&mut self, partitions: Vec<PartitionReader>) {
            for partition in partitions {
                self.0.send(partition).unwrap();
            }
        }
        fn revoked(&mut self, _: &[Lease], _: Revocation, _: std::time::Instant) -> Vec<Commit> {
            Vec::new()
        }
        fn failed(&mut self, error: &ReadError) {
            panic!("{error}");
        }
    }
    let fixture = Fixture::new(bootstrap, 1);
    fixture.fill(&fixture.writer(), Partition(0), 0..10);
    let settings = ReaderSettings::new(&unique("range"), vec![fixture.topic.clone()]);
    let (handed, given) = std::sync::mpsc::channel();
    let reader = Reader::start(&fixture.connection, &settings, &Metrics::unobserved(), Handing(handed)).unwrap();
    let mut partition = given.recv_timeout(PATIENCE).unwrap();
    let mut records = Vec::new();
    for beyond in [NextOffset(5000), NextOffset(11)] {
        partition.start(beyond).unwrap();
        let failed = eventually("a failure", || match partition.poll(10, Duration::from_millis(50), &mut records) {
            Poll::Failed(error) => Some(error),
            _ => None,
        });
        assert_eq!(failed, ReadError::OutOfRange { lease: partition.lease().clone(), next: beyond });
        assert_eq!(records, []);
    }
    partition.start(NextOffset(7)).unwrap();
    let end = eventually("the end", || match partition.poll(10, Duration::from_millis(50), &mut records) {
        Poll::EndOfPartition(next) => Some(next),
        _ => None,
    });
    assert_eq!((records.len(), records[0].position.offset.0, end), (3, 7, NextOffset(10)));
    drop(partition);
    reader.close(PATIENCE).unwrap();
}
