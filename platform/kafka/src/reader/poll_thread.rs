//! The thread that owns the client: it serves the group, starts partitions where their owners say, and commits.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hooklog_schemas::NextOffset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::context::{GroupContext, Parts};
use super::partition::{Client, Returned};
use super::{Commit, Lease, Partitions, ReaderHandle, ReaderSettings};
use crate::config::Connection;
use crate::error::{ConfigError, ReadError};
use crate::metrics::Metrics;

/// How long one poll waits: how late a command is noticed at most.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// What closing may take beyond the caller's deadline: noticing it, and the last poll.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// How long one seek may hold the thread.
const SEEK: Duration = Duration::from_secs(2);

/// How long a partition may take from its assignment to being ready for a seek.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long a partition that refuses seeks (after an error it is stopped) is given before it is assigned anew by hand.
const REASSIGN_AFTER: Duration = Duration::from_secs(1);

/// What owners ask of the poll thread.
#[derive(Debug)]
pub(super) enum Command {
    Start { lease: Lease, next: NextOffset },
    Commit(Vec<Commit>),
}

/// What the handles and the thread share.
#[derive(Debug)]
pub(super) struct Shared {
    begun: Instant,
    /// Milliseconds from `begun` to the last poll.
    polled_ms: AtomicU64,
    closing: AtomicBool,
    close_by: Mutex<Option<Instant>>,
    broken: Mutex<Option<ReadError>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            polled_ms: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            close_by: Mutex::new(None),
            broken: Mutex::new(None),
        }
    }
}

impl Shared {
    pub(super) fn request_close(&self, by: Instant) {
        self.close_by.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(by);
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(super) fn since_poll(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.polled_ms.load(Ordering::Relaxed)))
    }

    /// Ends the reader; the first cause counts.
    pub(super) fn break_with(&self, error: ReadError) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn broken(&self) -> Option<ReadError> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn beat(&self) {
        self.polled_ms.store(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// The ends that the thread takes over.
pub(super) struct Ends {
    pub(super) handle: ReaderHandle,
    pub(super) received: Receiver<Command>,
    pub(super) partitions: Box<dyn Partitions>,
}

/// Makes the client, joins the group and starts the thread.
pub(super) fn spawn(
    connection: &Connection,
    settings: &ReaderSettings,
    metrics: &Metrics,
    ends: Ends,
) -> Result<JoinHandle<Result<(), ReadError>>, ReadError> {
    let (returned, returns) = channel();
    let shared = Arc::clone(&ends.handle.shared);
    let context = GroupContext::new(Parts {
        owner: ends.partitions,
        handle: ends.handle,
        returned,
        revocation_deadline: settings.revocation_deadline(),
        metrics: metrics.clone(),
        client_id: connection.client_id.clone(),
    });
    let config = settings.client_config(connection)?;
    let client: BaseConsumer<GroupContext> =
        config.create_with_context(context).map_err(|error| ReadError::from(ConfigError::of(&error)))?;
    let client = Arc::new(client);
    client.context().attach(&client);
    let topics: Vec<&str> = settings.topics.iter().map(|topic| topic.as_str()).collect();
    client.subscribe(&topics).map_err(|error| ReadError::Config(error.to_string()))?;
    let thread =
        PollThread { client, shared, received: ends.received, returns, starts: Vec::new(), commits: BTreeMap::new() };
    std::thread::Builder::new()
        .name("kafka-reader".to_owned())
        .spawn(move || thread.run())
        .map_err(|error| ReadError::Config(format!("the poll thread can't be started: {error}")))
}

struct Start {
    lease: Lease,
    next: NextOffset,
    asked: Instant,
}

struct PollThread {
    client: Arc<Client>,
    shared: Arc<Shared>,
    received: Receiver<Command>,
    returns: Receiver<Returned>,
    starts: Vec<Start>,
    commits: BTreeMap<Lease, Commit>,
}

impl PollThread {
    /// Runs until closed or broken. A panic in a hook ends here; the client is then left alone, for its owner is in an unknown state.
    fn run(mut self) -> Result<(), ReadError> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.serve())) {
            Ok(served) => self.close(served),
            Err(_) => {
                let error = ReadError::Fatal { cause: "a hook of the partitions' owner panicked".to_owned() };
                tracing::error!(%error, "the reader ends");
                std::mem::forget(self);
                Err(error)
            }
        }
    }

    fn serve(&mut self) -> Result<(), ReadError> {
        while !self.shared.is_closing() {
            self.poll_once();
            if let Some(error) = self.shared.broken() {
                return Err(error);
            }
            while let Ok(command) = self.received.try_recv() {
                match command {
                    Command::Start { lease, next } => {
                        self.starts.retain(|start| start.lease != lease);
                        self.starts.push(Start { lease, next, asked: Instant::now() });
                    }
                    Command::Commit(commits) => {
                        self.commits.extend(commits.into_iter().map(|commit| (commit.lease.clone(), commit)));
                    }
                }
            }
            self.start_partitions();
            self.commit();
        }
        Ok(())
    }

    /// Serves the main queue: rebalances, commits' answers, errors, logs and statistics come out of it, records never.
    fn poll_once(&self) {
        match self.client.poll(TICK) {
            None => {}
            Some(Ok(message)) => {
                if let Some((lease, state)) = self.client.context().holder(message.topic(), message.partition()) {
                    let next = NextOffset(message.offset());
                    let cause = "a record came outside its partition's queue".to_owned();
                    state.fail(ReadError::Damaged { lease, next, cause });
                }
            }
            Some(Err(error)) => {
                if let Some(error) = ReadError::of_client(&error) {
                    if error.is_fatal() {
                        self.shared.break_with(error);
                    } else {
                        self.client.context().owner().failed(&error);
                    }
                }
            }
        }
        while let Ok(returned) = self.returns.try_recv() {
            self.client.context().give_back(returned);
        }
        self.shared.beat();
    }

    /// Seeks and resumes the partitions whose owners have said where to begin.
    fn start_partitions(&mut self) {
        let context = self.client.context();
        self.starts.retain(|start| context.current(&start.lease).is_some());
        let (ready, mut later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.starts).into_iter().partition(|start| !context.is_shadowed(&start.lease));
        if !ready.is_empty() {
            later.extend(self.seek(ready));
        }
        let (late, waiting) = later.into_iter().partition(|start| start.asked.elapsed() > START_DEADLINE);
        self.starts = waiting;
        for Start { lease, next, .. } in late {
            let Some(state) = context.current(&lease) else { continue };
            let what = format!("the start of {}/{} at {next}", lease.topic, lease.partition);
            state.fail(ReadError::Unavailable { what, cause: "the partition did not become ready".to_owned() });
        }
    }

    /// Returns those that are to be tried again.
    fn seek(&self, starts: Vec<Start>) -> Vec<Start> {
        let mut asked = TopicPartitionList::with_capacity(starts.len());
        for Start { lease, next, .. } in &starts {
            if let Err(error) =
                asked.add_partition_offset(lease.topic.as_str(), lease.partition.0, Offset::Offset(next.0))
            {
                self.shared.break_with(ReadError::Fatal { cause: error.to_string() });
            }
        }
        let sought = match self.client.seek_partitions(asked, SEEK) {
            Ok(sought) => sought,
            Err(error) => {
                tracing::warn!(%error, "a seek failed and is tried again");
                return starts;
            }
        };
        let mut again = Vec::new();
        for start in starts {
            let Lease { topic, partition, .. } = &start.lease;
            let answer = sought.find_partition(topic.as_str(), partition.0).map(|element| element.error());
            let begun = match answer {
                Some(Ok(())) => self.resume(&start),
                Some(Err(error))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::State)
                        && start.asked.elapsed() > REASSIGN_AFTER =>
                {
                    self.assign_anew(&start)
                }
                Some(Err(_)) | None => false,
            };
            match (begun, self.client.context().current(&start.lease)) {
                (true, Some(state)) => state.begin(),
                (false, Some(_)) => again.push(start),
                (_, None) => {}
            }
        }
        again
    }

    fn resume(&self, start: &Start) -> bool {
        let list = single(start);
        self.client
            .resume(&list)
            .inspect_err(|error| tracing::warn!(%error, "a partition could not be resumed"))
            .is_ok()
    }

    /// After an error such as an offset out of range the library stops a partition for good; taking it out and in starts it.
    fn assign_anew(&self, start: &Start) -> bool {
        let list = single(start);
        let assigned = self.client.incremental_unassign(&list).and_then(|()| self.client.incremental_assign(&list));
        match assigned {
            Ok(()) => self.resume(start),
            Err(error) => {
                tracing::warn!(%error, "a partition could not be assigned anew");
                false
            }
        }
    }

    /// Commits what has come together; leases that ended are left out.
    fn commit(&mut self) {
        let context = self.client.context();
        let (current, stale): (Vec<_>, Vec<_>) = std::mem::take(&mut self.commits)
            .into_values()
            .partition(|commit| context.current(&commit.lease).is_some());
        for _ in stale {
            context.count_commit("stale");
        }
        context.commit(&self.client, &current);
    }

    /// Leaves the group and drops the client here, on this thread, or leaves it to the end of the process.
    fn close(self, served: Result<(), ReadError>) -> Result<(), ReadError> {
        let within = self.close_by();
        if let Err(error) = &served {
            tracing::error!(%error, "the reader ends");
            self.client.context().owner().failed(error);
        }
        // After a fatal error the library does not leave the group: the brokers notice by the session's timeout.
        if self.client.close_queue().is_ok() {
            while !self.client.closed() {
                self.poll_once();
                if Instant::now() >= within {
                    return self.abandon(served);
                }
            }
        } else {
            self.client.context().lose_everything();
        }
        while Arc::strong_count(&self.client) > 1 {
            match self.returns.recv_timeout(within.saturating_duration_since(Instant::now())) {
                Ok(returned) => self.client.context().give_back(returned),
                Err(_) => return self.abandon(served),
            }
        }
        served
    }

    fn close_by(&self) -> Instant {
        let asked = *self.shared.close_by.lock().unwrap_or_else(PoisonError::into_inner);
        asked.unwrap_or_else(|| Instant::now() + CLOSE_GRACE)
    }

    fn abandon(self, served: Result<(), ReadError>) -> Result<(), ReadError> {
        tracing::warn!("the reader could not be closed in time and ends with the process");
        std::mem::forget(self);
        served.and(Err(ReadError::CloseTimeout { within: CLOSE_GRACE }))
    }
}

fn single(start: &Start) -> TopicPartitionList {
    [(start.lease.topic.as_str().to_owned(), start.lease.partition.0, Offset::Offset(start.next.0))]
        .into_iter()
        .collect()
}
