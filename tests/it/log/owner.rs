//! A member whose every partition is read by a thread of its own, from the committed offset on, as a consumer would.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hooklog_kafka::{
    Commit, Committed, Incoming, Lease, Metrics, PartitionReader, Partitions, Poll, ReadError, Reader, ReaderSettings,
    Revocation,
};
use hooklog_process::quantity::Span;
use hooklog_schemas::{NextOffset, Partition};

use super::fixture::{Fixture, PATIENCE};

/// What all members of a check have read, in the order in which they read it.
pub(crate) type Seen = Arc<Mutex<Vec<Incoming>>>;

/// Where each partition's reader stands.
type Progress = Arc<Mutex<HashMap<Lease, NextOffset>>>;

pub(crate) struct Member {
    pub(crate) reader: Reader,
    pub(crate) progress: Progress,
}

struct Owner {
    seen: Seen,
    progress: Progress,
    workers: HashMap<Lease, JoinHandle<()>>,
}

impl Member {
    pub(crate) fn join(fixture: &Fixture, group: &str, seen: &Seen) -> Self {
        let progress = Progress::default();
        let owner = Owner { seen: Arc::clone(seen), progress: Arc::clone(&progress), workers: HashMap::new() };
        let mut settings = ReaderSettings::new(group, vec![fixture.topic.clone()]);
        settings.session_timeout = Span(Duration::from_secs(10));
        let reader = Reader::start(&fixture.connection, &settings, &Metrics::unobserved(), owner).unwrap();
        Self { reader, progress }
    }

    pub(crate) fn owned(&self) -> usize {
        self.progress.lock().unwrap().len()
    }

    pub(crate) fn leave(self) {
        self.reader.close(PATIENCE).unwrap();
    }
}

impl Partitions for Owner {
    fn assigned(&mut self, partitions: Vec<PartitionReader>) {
        for mut partition in partitions {
            let lease = partition.lease().clone();
            let (seen, progress) = (Arc::clone(&self.seen), Arc::clone(&self.progress));
            progress.lock().unwrap().insert(lease.clone(), NextOffset::ZERO);
            let worker = std::thread::spawn(move || work(&mut partition, &seen, &progress));
            self.workers.insert(lease, worker);
        }
    }

    fn revoked(&mut self, leases: &[Lease], revocation: Revocation, _: Instant) -> Vec<Commit> {
        // The entry's end tells the worker to stop; what it has seen until then is what is committed.
        assert_ne!(revocation, Revocation::Lost);
        let mut commits = Vec::new();
        for lease in leases {
            let next = self.progress.lock().unwrap().remove(lease).expect("owned");
            self.workers.remove(lease).expect("working").join().unwrap();
            commits.push(Commit { lease: lease.clone(), next, note: "handed over".to_owned() });
        }
        commits
    }

    fn committed(&mut self, _: &Lease, outcome: Result<NextOffset, ReadError>) {
        outcome.unwrap();
    }

    fn failed(&mut self, error: &ReadError) {
        panic!("{error}");
    }
}

fn work(partition: &mut PartitionReader, seen: &Seen, progress: &Progress) {
    let lease = partition.lease().clone();
    let start = partition.committed(PATIENCE).unwrap().map_or(NextOffset::ZERO, |Committed { next, .. }| next);
    partition.start(start).unwrap();
    if let Some(next) = progress.lock().unwrap().get_mut(&lease) {
        *next = start;
    }
    let mut records = Vec::new();
    loop {
        let poll = partition.poll(100, Duration::from_millis(20), &mut records);
        // Held for both: nothing is seen after the owner has taken the entry away.
        let mut progress = progress.lock().unwrap();
        let Some(next) = progress.get_mut(&lease) else { return };
        if let Some(last) = records.last() {
            *next = last.position.offset.next();
        }
        seen.lock().unwrap().append(&mut records);
        match poll {
            Poll::Records | Poll::Idle | Poll::EndOfPartition(_) => {}
            Poll::Revoked | Poll::Failed(_) => panic!("{lease:?}: {poll:?}"),
        }
    }
}

/// The offsets that were seen, by partition, in the order in which they were seen.
pub(crate) fn offsets(seen: &Seen) -> HashMap<Partition, Vec<i64>> {
    let mut offsets: HashMap<Partition, Vec<i64>> = HashMap::new();
    for record in seen.lock().unwrap().iter() {
        offsets.entry(record.position.partition).or_default().push(record.position.offset.0);
    }
    offsets
}
