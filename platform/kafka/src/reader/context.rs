//! The client's callbacks: partitions come and go here. Everything runs inside a poll of the poll thread.
//!
//! The library calls us through its event queue, in safe code and never from C: a panic in a hook of the owner unwinds to the top of
//! the poll thread, which ends the reader and says so.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use hooklog_schemas::{Partition, TopicName};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};

use super::partition::{Client, LeaseState, Returned};
use super::{Commit, Epoch, Lease, PartitionReader, Partitions, ReaderHandle, Revocation};
use crate::error::ReadError;
use crate::log_lines;
use crate::metrics::Metrics;
use crate::stats::Gauges;

/// What the callbacks need.
pub(super) struct GroupContext {
    /// The client whose context this is; needed to split queues. Weak, for the client owns its context.
    client: OnceLock<Weak<Client>>,
    owner: Mutex<Box<dyn Partitions>>,
    leases: Mutex<Leases>,
    handle: ReaderHandle,
    returned: Sender<Returned>,
    revocation_deadline: Duration,
    gauges: Gauges,
    metrics: Metrics,
    client_id: String,
}

/// What this member owns now.
#[derive(Default)]
struct Leases {
    current: HashMap<(TopicName, Partition), (Lease, Arc<LeaseState>)>,
    /// Readers handed out and not dropped yet, of current and of ended leases.
    out: Vec<Lease>,
    epoch: u64,
}

/// What the context is made of.
pub(super) struct Parts {
    pub(super) owner: Box<dyn Partitions>,
    pub(super) handle: ReaderHandle,
    pub(super) returned: Sender<Returned>,
    pub(super) revocation_deadline: Duration,
    pub(super) metrics: Metrics,
    pub(super) client_id: String,
}

impl GroupContext {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            client: OnceLock::new(),
            owner: Mutex::new(parts.owner),
            leases: Mutex::default(),
            handle: parts.handle,
            returned: parts.returned,
            revocation_deadline: parts.revocation_deadline,
            gauges: Gauges::new(&parts.metrics, &parts.client_id),
            metrics: parts.metrics,
            client_id: parts.client_id,
        }
    }

    pub(super) fn attach(&self, client: &Arc<Client>) {
        // Set once, before the group is joined.
        let _ = self.client.set(Arc::downgrade(client));
    }

    pub(super) fn owner(&self) -> MutexGuard<'_, Box<dyn Partitions>> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a lease that has not ended.
    pub(super) fn current(&self, lease: &Lease) -> Option<Arc<LeaseState>> {
        let leases = self.leases();
        let (held, state) = leases.current.get(&(lease.topic.clone(), lease.partition))?;
        (held == lease).then(|| Arc::clone(state))
    }

    /// Whether the reader of an earlier lease of the same partition is still out: it could take a record meant for this one.
    pub(super) fn is_shadowed(&self, lease: &Lease) -> bool {
        self.leases()
            .out
            .iter()
            .any(|other| other.topic == lease.topic && other.partition == lease.partition && other.epoch != lease.epoch)
    }

    pub(super) fn give_back(&self, returned: Returned) {
        let Returned { lease, queue, client } = returned;
        // Dropped here, on the poll thread, and before the lease counts as returned.
        drop(queue);
        drop(client);
        self.leases().out.retain(|out| *out != lease);
    }

    /// The lease that holds a partition now.
    pub(super) fn holder(&self, topic: &str, partition: i32) -> Option<(Lease, Arc<LeaseState>)> {
        let key = (TopicName::parse(topic).ok()?, Partition(partition));
        self.leases().current.get(&key).cloned()
    }

    /// Ends all leases without a word to the brokers: they do not count this member any more.
    pub(super) fn lose_everything(&self) {
        let leases: Vec<_> = self.leases().current.values().map(|(lease, _)| lease.clone()).collect();
        self.end(&leases);
        let _ = self.owner().revoked(&leases, Revocation::Lost, Instant::now());
        self.count("lost");
    }

    fn end(&self, ended: &[Lease]) {
        let mut leases = self.leases();
        for lease in ended {
            if let Some((_, state)) = leases.current.remove(&(lease.topic.clone(), lease.partition)) {
                state.revoke();
            }
        }
        let owned = i64::try_from(leases.current.len()).unwrap_or(i64::MAX);
        self.metrics.assigned_partitions.with_label_values(&[&self.client_id]).set(owned);
    }

    fn count(&self, event: &str) {
        self.metrics.rebalances.with_label_values(&[self.client_id.as_str(), event]).inc();
    }

    pub(super) fn count_commit(&self, outcome: &str) {
        self.metrics.commits.with_label_values(&[self.client_id.as_str(), outcome]).inc();
    }

    /// Splits the queues, pauses, assigns: in this order, so that no record is fetched before the owner has said from where.
    fn assign(&self, client: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<(), ReadError> {
        let readers = self.split(list)?;
        let mut paused = TopicPartitionList::with_capacity(list.count());
        for reader in &readers {
            let Lease { topic, partition, .. } = reader.lease();
            // Any absolute offset keeps the library from asking for the committed one; the owner's seek comes before the resume.
            paused
                .add_partition_offset(topic.as_str(), partition.0, Offset::Offset(0))
                .map_err(|e| broken("assign", &e))?;
        }
        client.pause(&paused).map_err(|error| broken("pause", &error))?;
        match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_assign(&paused),
            RebalanceProtocol::Eager | RebalanceProtocol::None => client.assign(&paused),
        }
        .map_err(|error| broken("assign", &error))?;
        self.count("assigned");
        tracing::info!(partitions = readers.len(), "partitions assigned");
        self.owner().assigned(readers);
        Ok(())
    }

    fn split(&self, list: &TopicPartitionList) -> Result<Vec<PartitionReader>, ReadError> {
        let client = self.client.get().and_then(Weak::upgrade).ok_or(ReadError::Closed)?;
        let mut leases = self.leases();
        leases.epoch += 1;
        let epoch = Epoch(leases.epoch);
        let mut readers = Vec::with_capacity(list.count());
        for element in list.elements() {
            let topic = TopicName::parse(element.topic()).map_err(|e| ReadError::Fatal { cause: e.to_string() })?;
            let partition = Partition(element.partition());
            let queue = client
                .split_partition_queue(topic.as_str(), partition.0)
                .ok_or_else(|| ReadError::Fatal { cause: format!("{topic}/{partition} has no queue") })?;
            let lease = Lease { topic: topic.clone(), partition, epoch };
            let ends = (self.returned.clone(), self.handle.clone());
            let (reader, state) = PartitionReader::new(lease.clone(), queue, Arc::clone(&client), ends);
            leases.current.insert((topic, partition), (lease.clone(), state));
            leases.out.push(lease);
            readers.push(reader);
        }
        let owned = i64::try_from(leases.current.len()).unwrap_or(i64::MAX);
        self.metrics.assigned_partitions.with_label_values(&[&self.client_id]).set(owned);
        Ok(readers)
    }

    fn revoke(&self, client: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<(), ReadError> {
        let leases: Vec<Lease> = list
            .elements()
            .iter()
            .filter_map(|element| self.holder(element.topic(), element.partition()))
            .map(|(lease, _)| lease)
            .collect();
        let revocation = match (client.assignment_lost(), self.handle.shared.is_closing()) {
            (true, _) => Revocation::Lost,
            (false, true) => Revocation::Closing,
            (false, false) => Revocation::Moved,
        };
        if revocation == Revocation::Lost {
            self.end(&leases);
        }
        let begun = Instant::now();
        let commits = self.owner().revoked(&leases, revocation, begun + self.revocation_deadline);
        self.end(&leases);
        if revocation != Revocation::Lost {
            let last: Vec<_> = commits.into_iter().filter(|commit| leases.contains(&commit.lease)).collect();
            self.commit(client, &last);
        }
        self.count(match revocation {
            Revocation::Moved => "moved",
            Revocation::Lost => "lost",
            Revocation::Closing => "closing",
        });
        tracing::info!(
            partitions = leases.len(),
            ?revocation,
            seconds = begun.elapsed().as_secs_f64(),
            "partitions revoked"
        );
        match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_unassign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => client.unassign(),
        }
        .map_err(|error| broken("unassign", &error))
    }

    /// Commits and waits for the coordinator's answer: a round trip while it is there, up to the session's timeout while it is away. The
    /// library offers no answer to a commit in the background. It tells one answer for the whole list, so a list of which only some
    /// partitions were refused counts as committed; a repeated record is all this can cost.
    pub(super) fn commit(&self, client: &BaseConsumer<Self>, commits: &[Commit]) {
        if commits.is_empty() {
            return;
        }
        let result = commit_list(commits).and_then(|list| client.commit(&list, CommitMode::Sync));
        for Commit { lease, next, .. } in commits {
            let outcome = match &result {
                Ok(()) => Ok(*next),
                Err(error) => Err(ReadError::Commit { cause: error.to_string() }),
            };
            if let Err(error) = &outcome {
                tracing::warn!(topic = %lease.topic, partition = %lease.partition, %error, "an offset was not committed");
            }
            self.count_commit(if outcome.is_ok() { "committed" } else { "failed" });
            self.owner().committed(lease, outcome);
        }
    }
}

fn broken(what: &str, error: &KafkaError) -> ReadError {
    ReadError::Fatal { cause: format!("{what}: {error}") }
}

fn commit_list(commits: &[Commit]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for Commit { lease, next, note } in commits {
        list.add_partition_offset(lease.topic.as_str(), lease.partition.0, Offset::Offset(next.0))?;
        if let Some(mut element) = list.find_partition(lease.topic.as_str(), lease.partition.0)
            && !note.is_empty()
        {
            element.set_metadata(note);
        }
    }
    Ok(list)
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_lines::line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.gauges.show_reader(&statistics, |topic, partition| self.holder(topic, partition).is_some());
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_lines::error(&error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, client: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let done = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(client, list),
            _ => self.revoke(client, list),
        };
        if let Err(error) = done {
            tracing::error!(%error, "a rebalance failed");
            self.handle.shared.break_with(error);
        }
    }
}
