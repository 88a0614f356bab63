//! An owner of partitions that hands what it is told to the test, and commits what the test says when partitions are revoked.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hooklog_kafka::{
    Commit, Incoming, Lease, Metrics, PartitionReader, Partitions, Poll, ReadError, Reader, ReaderSettings, Revocation,
};
use hooklog_process::quantity::Span;
use hooklog_schemas::NextOffset;

use crate::mock::{Mock, PATIENCE, eventually};

#[derive(Debug)]
pub(crate) enum Told {
    Assigned(Vec<PartitionReader>),
    Revoked(Vec<Lease>, Revocation),
    Committed(Lease, Result<NextOffset, ReadError>),
    Failed,
}

/// What to commit at a revocation, by lease.
pub(crate) type Last = Arc<Mutex<HashMap<Lease, NextOffset>>>;

struct Owner {
    told: Sender<Told>,
    last: Last,
    panics: bool,
}

impl Partitions for Owner {
    fn assigned(&mut self, partitions: Vec<PartitionReader>) {
        assert!(!self.panics, "scripted");
        let _ = self.told.send(Told::Assigned(partitions));
    }

    fn revoked(&mut self, leases: &[Lease], revocation: Revocation, _: Instant) -> Vec<Commit> {
        let last = self.last.lock().unwrap();
        let commits = leases.iter().filter_map(|lease| {
            let next = *last.get(lease)?;
            Some(Commit { lease: lease.clone(), next, note: "last".to_owned() })
        });
        let commits = commits.collect();
        let _ = self.told.send(Told::Revoked(leases.to_vec(), revocation));
        commits
    }

    fn committed(&mut self, lease: &Lease, outcome: Result<NextOffset, ReadError>) {
        let _ = self.told.send(Told::Committed(lease.clone(), outcome));
    }

    fn failed(&mut self, _: &ReadError) {
        let _ = self.told.send(Told::Failed);
    }
}

/// A member of the group `g`.
pub(crate) struct Member {
    pub(crate) reader: Reader,
    pub(crate) told: Receiver<Told>,
    pub(crate) last: Last,
}

impl Member {
    pub(crate) fn join(mock: &Mock) -> Self {
        Self::start(mock, false)
    }

    pub(crate) fn join_panicking(mock: &Mock) -> Self {
        Self::start(mock, true)
    }

    fn start(mock: &Mock, panics: bool) -> Self {
        let (told, heard) = channel();
        let last = Last::default();
        let mut settings = ReaderSettings::new("g", vec![mock.topic.clone()]);
        // The mock waits for nearly the whole session before it lets a changed group go on.
        settings.session_timeout = Span(Duration::from_secs(6));
        let owner = Owner { told, last: Arc::clone(&last), panics };
        let reader = Reader::start(&mock.connection(), &settings, &Metrics::unobserved(), owner).unwrap();
        Self { reader, told: heard, last }
    }

    /// The next thing told that `wanted` takes; all before it is dropped.
    pub(crate) fn hear<T>(&self, what: &str, mut wanted: impl FnMut(Told) -> Option<T>) -> T {
        eventually(what, || wanted(self.told.recv_timeout(PATIENCE).ok()?))
    }

    pub(crate) fn partitions(&self, count: usize) -> Vec<PartitionReader> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.hear("an assignment", |told| match told {
                Told::Assigned(partitions) => Some(partitions),
                _ => None,
            }));
        }
        all
    }
}

/// Reads until the end of the partition.
pub(crate) fn read_to_end(reader: &mut PartitionReader) -> (Vec<Incoming>, NextOffset) {
    let mut records = Vec::new();
    let end =
        eventually("the end of the partition", || match reader.poll(7, Duration::from_millis(50), &mut records) {
            Poll::EndOfPartition(next) => Some(next),
            Poll::Records | Poll::Idle => None,
            Poll::Revoked | Poll::Failed(_) => panic!("the partition should be readable"),
        });
    (records, end)
}

pub(crate) fn values(records: &[Incoming]) -> Vec<u32> {
    records.iter().map(|record| std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap()).collect()
}
