//! The owner of the partitions towards the reader: a worker for each lease, stopped within the group's patience.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hooklog_kafka::reader::{Commit, Lease, Partitions, Revocation};
use hooklog_kafka::{PartitionReader, ReadError};
use hooklog_process::failpoint;
use hooklog_schemas::NextOffset;

use crate::consumer::Consumer;
use crate::partition::Worker;
use crate::restore::restore;
use crate::shared::{News, Shared};
use crate::stop::Stop;

/// Kept back from the group's deadline for the commit itself.
const FOR_THE_COMMIT: Duration = Duration::from_millis(500);

/// The threads of workers, also of those whose lease has ended and who still close their state.
pub(crate) type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// The workers of the partitions that are ours. Runs on the poll thread.
pub(crate) struct Assignment<C> {
    shared: Arc<Shared<C>>,
    workers: HashMap<Lease, Control>,
    threads: Threads,
}

/// How a worker is stopped and answers.
struct Control {
    stop: Arc<Stop>,
    answer: Receiver<Option<Commit>>,
}

impl<C: Consumer> Assignment<C> {
    pub(crate) fn new(shared: Arc<Shared<C>>) -> (Self, Threads) {
        let threads = Threads::default();
        (Self { shared, workers: HashMap::new(), threads: Arc::clone(&threads) }, threads)
    }

    fn spawn(&mut self, reader: PartitionReader) {
        let lease = reader.lease().clone();
        let stop = Stop::new();
        let (sender, answer) = channel();
        let (shared, worker_stop) = (Arc::clone(&self.shared), Arc::clone(&stop));
        let name = format!("{}/{}", lease.topic, lease.partition);
        let spawned = std::thread::Builder::new().name(name).spawn(move || {
            let lease = reader.lease().clone();
            let result = restore(&shared, &reader, &worker_stop).and_then(|restored| {
                let Some(restored) = restored else { return Ok(()) };
                let from = restored.from;
                shared.tell(News::Restored(lease.clone()));
                Worker::new(restored, reader, Arc::clone(&shared), sender).run(from)
            });
            if let Err(cause) = result {
                shared.tell(News::Fatal(format!("{}/{}: {cause}", lease.topic, lease.partition)));
            }
        });
        match spawned {
            Ok(thread) => {
                let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
                self.workers.insert(lease, Control { stop, answer });
            }
            Err(error) => self.shared.tell(News::Fatal(format!("no thread for a partition: {error}"))),
        }
    }

    fn rebalanced(&self, kind: &str) {
        self.shared.metrics.rebalanced(&self.shared.settings.group, kind, self.workers.len());
        self.shared.tell(News::Assigned(self.workers.keys().cloned().collect()));
    }
}

impl<C: Consumer> Partitions for Assignment<C> {
    fn assigned(&mut self, partitions: Vec<PartitionReader>) {
        for reader in partitions {
            self.spawn(reader);
        }
        self.rebalanced("assigned");
    }

    fn revoked(&mut self, leases: &[Lease], revocation: Revocation, deadline: Instant) -> Vec<Commit> {
        let controls: Vec<Control> = leases.iter().filter_map(|lease| self.workers.remove(lease)).collect();
        let by = deadline.checked_sub(FOR_THE_COMMIT).unwrap_or(deadline);
        for control in &controls {
            control.stop.request(by);
        }
        let mut commits = Vec::new();
        if revocation != Revocation::Lost {
            for control in &controls {
                let left = deadline.saturating_duration_since(self.shared.clock.monotonic());
                // A worker that died or is late gives no offset: its records are read again from the last commit.
                commits.extend(control.answer.recv_timeout(left).ok().flatten());
            }
        }
        self.rebalanced(match revocation {
            Revocation::Moved => "moved",
            Revocation::Lost => "lost",
            Revocation::Closing => "closing",
        });
        commits
    }

    fn committed(&mut self, lease: &Lease, outcome: Result<NextOffset, ReadError>) {
        self.shared.metrics.committed(&self.shared.settings.group, outcome.is_ok());
        match outcome {
            Ok(_) => failpoint::hit("sdk.after-commit"),
            Err(error) => {
                tracing::warn!(?lease, %error, "the offset is committed again later");
                self.shared.refuse(lease);
            }
        }
    }

    fn failed(&mut self, error: &ReadError) {
        if error.is_fatal() {
            self.shared.tell(News::Fatal(error.to_string()));
        } else {
            tracing::warn!(%error, "the group can't be read");
        }
    }
}
