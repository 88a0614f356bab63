//! What all workers of a runner have in common, and how they reach the runner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hooklog_disk::Budget;
use hooklog_kafka::Connection;
use hooklog_kafka::reader::{Commit, Lease, ReaderHandle};
use hooklog_process::clock::Clock;
use hooklog_process::random::Random;
use hooklog_schemas::{NextOffset, TopicName};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use crate::appending::Appending;
use crate::decoding::Decoding;
use crate::metrics::ConsumerMetrics;
use crate::settings::Settings;
use crate::store::Owner;

/// A topic as it was found at start.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) cluster: String,
    pub(crate) partitions: u32,
}

/// What workers tell the runner. At most a few for each assignment and worker, hence unbounded.
#[derive(Debug)]
pub(crate) enum News {
    /// The assignment changed: these partitions are ours now.
    Assigned(BTreeSet<Lease>),
    /// A partition is restored and being read.
    Restored(Lease),
    /// The process must end.
    Fatal(String),
}

/// Shared by all workers of a runner.
pub(crate) struct Shared<C> {
    pub(crate) consumer: std::sync::Arc<C>,
    pub(crate) settings: Settings,
    pub(crate) places: BTreeMap<TopicName, Place>,
    pub(crate) connection: Connection,
    pub(crate) dead_letters: TopicName,
    pub(crate) decoding: Decoding,
    pub(crate) log: Appending,
    pub(crate) budget: Budget,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) runtime: Handle,
    pub(crate) metrics: ConsumerMetrics,
    pub(crate) progress: Progress,
    pub(crate) news: UnboundedSender<News>,
    /// Known once the reader has started; workers that are faster commit a second later.
    pub(crate) reader: OnceLock<ReaderHandle>,
    /// Leases whose last commit was refused.
    pub(crate) refused: Mutex<BTreeSet<Lease>>,
}

impl<C> Shared<C> {
    pub(crate) fn place(&self, topic: &TopicName) -> Option<&Place> {
        self.places.get(topic)
    }

    /// Hands a commit to the poll thread; false when it can't take it now.
    pub(crate) fn commit(&self, commit: Commit) -> bool {
        self.reader.get().is_some_and(|reader| reader.commit(vec![commit]).is_ok())
    }

    /// The group refused a commit: the worker sends it again.
    pub(crate) fn refuse(&self, lease: &Lease) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(lease.clone());
    }

    /// Whether the lease's last commit was refused since this was asked.
    pub(crate) fn take_refused(&self, lease: &Lease) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(lease)
    }

    /// The note that goes with a commit: whose state it is of.
    pub(crate) fn note(&self, owner: Owner) -> String {
        let owner: String = owner.0.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("owner={owner}")
    }

    pub(crate) fn tell(&self, news: News) {
        // The runner is gone only when the process ends.
        let _ = self.news.send(news);
    }
}

/// How far each partition is, to tell one that works from one that stands.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<BTreeMap<Lease, Reported>>);

#[derive(Debug, Clone, Copy)]
struct Reported {
    next: NextOffset,
    lag: i64,
    moved_at: Instant,
    reported_at: Instant,
}

impl Progress {
    pub(crate) fn report(&self, lease: &Lease, next: NextOffset, lag: i64, now: Instant) {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reported = Reported { next, lag, moved_at: now, reported_at: now };
        let entry = partitions.entry(lease.clone()).or_insert(reported);
        if entry.next == next && entry.lag > 0 && lag > 0 {
            *entry = Reported { moved_at: entry.moved_at, ..reported };
        } else {
            *entry = reported;
        }
    }

    pub(crate) fn forget(&self, lease: &Lease) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(lease);
    }

    /// The partitions that have records waiting and did not move on for `limit`, or whose worker said nothing for so long.
    pub(crate) fn standing(&self, limit: Duration, now: Instant) -> Vec<String> {
        let partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_standing = |reported: &Reported| {
            now.saturating_duration_since(reported.reported_at) > limit
                || (reported.lag > 0 && now.saturating_duration_since(reported.moved_at) > limit)
        };
        let standing = partitions.iter().filter(|(_, reported)| is_standing(reported));
        standing.map(|(lease, reported)| format!("{}/{} at {}", lease.topic, lease.partition, reported.next)).collect()
    }
}

#[cfg(test)]
mod tests {
    use hooklog_kafka::reader::Epoch;
    use hooklog_schemas::Partition;

    use super::*;

    #[test]
    fn a_partition_stands_when_records_wait_and_nothing_moves() {
        let progress = Progress::default();
        let lease = Lease { topic: TopicName::parse("t").unwrap(), partition: Partition(0), epoch: Epoch(1) };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let limit = Duration::from_secs(10);
        progress.report(&lease, NextOffset(5), 0, at(0));
        progress.report(&lease, NextOffset(5), 0, at(60));
        assert!(progress.standing(limit, at(61)).is_empty(), "nothing waits");
        progress.report(&lease, NextOffset(5), 3, at(62));
        progress.report(&lease, NextOffset(5), 9, at(71));
        assert!(progress.standing(limit, at(71)).is_empty());
        progress.report(&lease, NextOffset(5), 9, at(73));
        assert_eq!(progress.standing(limit, at(73)), ["t/0 at 5"]);
        progress.report(&lease, NextOffset(6), 9, at(74));
        assert!(progress.standing(limit, at(75)).is_empty());
        assert_eq!(progress.standing(limit, at(90)).len(), 1, "a worker that says nothing stands too");
    }
}
