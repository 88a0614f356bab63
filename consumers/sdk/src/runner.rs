//! A consumer in this process: join the group, work on what is assigned, stop in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hooklog_disk::Budget;
use hooklog_disk::metrics::DiskMetrics;
use hooklog_kafka::{Admin, AdminError, Connection, Lease, ReadError, Reader, Writer, WriterSettings};
use hooklog_process::clock::Clock;
use hooklog_process::health::{Check, Health};
use hooklog_process::metrics::{MetricsError, Registry};
use hooklog_process::random::Random;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::TopicName;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use crate::appending::Appending;
use crate::assignment::{Assignment, Threads};
use crate::consumer::Consumer;
use crate::decoding::Decoding;
use crate::metrics::ConsumerMetrics;
use crate::settings::{SettingError, Settings};
use crate::shared::{News, Place, Progress, Shared};

/// How long the brokers may take to answer at start.
const ASK_WITHIN: Duration = Duration::from_secs(10);

/// How often health is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The poll thread must be heard of within this, or the process counts as dead. Longer than any revocation.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// What a consumer takes from its process.
#[derive(Clone)]
pub struct Parts {
    /// The clock.
    pub clock: Clock,
    /// Jitter and owner ids.
    pub random: Random,
    /// Where health is reported.
    pub health: Health,
    /// What is counted; consumers of one process share it.
    pub metrics: RunnerMetrics,
}

/// What a process' consumers count, registered once.
#[derive(Clone)]
pub struct RunnerMetrics {
    consumer: ConsumerMetrics,
    kafka: hooklog_kafka::Metrics,
    disk: DiskMetrics,
}

impl RunnerMetrics {
    /// Registers the metrics of consumers, of the log and of the disk.
    ///
    /// # Errors
    /// [`MetricsError`] when they are registered already.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let kafka = hooklog_kafka::Metrics::register(registry)?;
        Self::with_kafka(registry, kafka)
    }

    /// The same where the metrics of the log are registered already.
    ///
    /// # Errors
    /// [`MetricsError`] when those of consumers or of the disk are registered already.
    pub fn with_kafka(registry: &Registry, kafka: hooklog_kafka::Metrics) -> Result<Self, MetricsError> {
        Ok(Self { consumer: ConsumerMetrics::register(registry)?, kafka, disk: DiskMetrics::register(registry)? })
    }
}

/// Why a consumer ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting is refused.
    #[error("{0}")]
    Setting(#[from] SettingError),
    /// The connection's settings are refused.
    #[error("{0}")]
    Connection(#[from] hooklog_kafka::ConfigError),
    /// The brokers did not answer, or refused.
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// A topic is missing.
    #[error("the topic {topic} does not exist: make it with `hooklog topics apply`")]
    MissingTopic {
        /// Which.
        topic: TopicName,
    },
    /// The group could not be joined or left.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The consumer, its state or the log can't go on.
    #[error("{0}")]
    Fatal(String),
}

/// A consumer about to run.
pub struct Runner<C> {
    consumer: Arc<C>,
    settings: Settings,
    parts: Parts,
    ready: Option<oneshot::Sender<()>>,
}

/// A runner at work.
struct Running<C> {
    shared: Arc<Shared<C>>,
    reader: Reader,
    writer: Arc<Writer>,
    threads: Threads,
    news: UnboundedReceiver<News>,
    check: Check,
    disk: DiskMetrics,
}

impl<C: Consumer> Runner<C> {
    /// A runner for `consumer`; an empty group means its name.
    #[must_use]
    pub fn new(consumer: C, mut settings: Settings, parts: Parts) -> Self {
        if settings.group.is_empty() {
            C::NAME.clone_into(&mut settings.group);
        }
        Self { consumer: Arc::new(consumer), settings, parts, ready: None }
    }

    /// Has `ready` told once the group is joined and every assigned partition is being read.
    #[must_use]
    pub fn tell_ready(mut self, ready: oneshot::Sender<()>) -> Self {
        self.ready = Some(ready);
        self
    }

    /// Runs until `shutdown` is requested, then stops in order.
    ///
    /// # Errors
    /// [`RunError`] when it can't begin, or can't go on.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        self.settings.check()?;
        let check = self.parts.health.register(&format!("consumer {}", self.settings.group));
        let ready = self.ready.take();
        let mut running = self.begin(check).await?;
        let outcome = running.watch(&shutdown, ready).await;
        let stopped = running.stop().await;
        outcome.and(stopped)
    }

    async fn begin(self, check: Check) -> Result<Running<C>, RunError> {
        let connection = self.settings.connection()?;
        let (settings, admin_connection) = (self.settings.clone(), connection.clone());
        let places = blocking(move || places(&admin_connection, &settings)).await?;
        let Self { consumer, settings, parts, .. } = self;
        let writer = Writer::start(&connection, &WriterSettings::default(), &parts.metrics.kafka)?;
        let writer = Arc::new(writer);
        let dead_letters = dead_letters_of(&settings)?;
        let (sender, news) = unbounded_channel();
        let shared = Arc::new(Shared {
            consumer,
            places,
            connection: connection.clone(),
            decoding: Decoding::new(
                Arc::new(settings.envelopes(tokio::runtime::Handle::current())?),
                parts.random.clone(),
            ),
            log: Appending::new(writer.clone(), dead_letters.clone(), parts.random.clone()),
            dead_letters,
            budget: Budget::new(settings.state_memory.as_usize()),
            settings,
            clock: parts.clock,
            random: parts.random,
            runtime: tokio::runtime::Handle::current(),
            metrics: parts.metrics.consumer,
            progress: Progress::default(),
            news: sender,
            reader: OnceLock::new(),
            refused: Mutex::default(),
        });
        let (assignment, threads) = Assignment::new(Arc::clone(&shared));
        let reader = Reader::start(&connection, &shared.settings.reader(), &parts.metrics.kafka, assignment)?;
        // Set once, here.
        let _ = shared.reader.set(reader.handle());
        Ok(Running { shared, reader, writer, threads, news, check, disk: parts.metrics.disk })
    }
}

impl<C: Consumer> Running<C> {
    /// Watches over the workers until shutdown, or until one of them can't go on.
    async fn watch(&mut self, shutdown: &Shutdown, mut ready: Option<oneshot::Sender<()>>) -> Result<(), RunError> {
        self.check.not_ready("joining the group");
        let mut assigned: Option<BTreeSet<Lease>> = None;
        let mut restored = BTreeSet::new();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                news = self.news.recv() => match news {
                    Some(News::Assigned(leases)) => {
                        restored.retain(|lease| leases.contains(lease));
                        assigned = Some(leases);
                    }
                    Some(News::Restored(lease)) => {
                        restored.insert(lease);
                    }
                    Some(News::Fatal(cause)) => return Err(RunError::Fatal(cause)),
                    None => return Ok(()),
                },
                _ = look.tick() => {}
            }
            let is_restored = assigned.as_ref().is_some_and(|leases| leases.is_subset(&restored));
            self.report(is_restored);
            if let Some(ready) = is_restored.then(|| ready.take()).flatten() {
                // Who wanted to know may have gone.
                let _ = ready.send(());
            }
        }
    }

    fn report(&self, is_restored: bool) {
        self.disk.observe(&self.shared.budget);
        let polled = self.shared.reader.get().map_or(Duration::ZERO, hooklog_kafka::reader::ReaderHandle::since_poll);
        if polled < HEARTBEAT / 2 {
            self.check.beat(HEARTBEAT);
        }
        let now = self.shared.clock.monotonic();
        let standing = self.shared.progress.standing(self.shared.settings.stalled_after.0, now);
        if !is_restored {
            self.check.not_ready("restoring partitions");
        } else if standing.is_empty() {
            self.check.ready();
        } else {
            self.check.not_ready(&format!("no progress: {}", standing.join(", ")));
        }
    }

    /// Leaves the group (which drains and commits), then waits for the states to be closed and the log to be flushed.
    async fn stop(self) -> Result<(), RunError> {
        self.check.not_ready("stopping");
        let within = self.shared.settings.stop_within.0;
        let Self { shared, reader, writer, threads, check, .. } = self;
        let closed = blocking(move || {
            let until = shared.clock.monotonic() + within;
            let closed = reader.close(within);
            loop {
                let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
                threads.retain(|thread| !thread.is_finished());
                if threads.is_empty() || shared.clock.monotonic() >= until {
                    break;
                }
                drop(threads);
                std::thread::sleep(Duration::from_millis(5));
            }
            // The dead letters and emits of written states were acknowledged before: nothing that counts is left in the queue.
            let _ = writer.flush(Duration::from_secs(1));
            drop(writer);
            closed
        })
        .await;
        check.retire();
        Ok(closed?)
    }
}

/// The topics as the cluster has them, the dead-letter topic among them.
fn places(connection: &Connection, settings: &Settings) -> Result<BTreeMap<TopicName, Place>, RunError> {
    let admin = Admin::new(connection)?;
    let cluster = admin.cluster_id(ASK_WITHIN)?;
    let found = admin.topics(ASK_WITHIN)?;
    let dead_letters = dead_letters_of(settings)?;
    let mut places = BTreeMap::new();
    for topic in settings.topics.iter().chain([&dead_letters]) {
        let partitions = found
            .iter()
            .find(|found| found.topic == *topic)
            .and_then(|found| u32::try_from(found.partitions.len()).ok())
            .ok_or_else(|| RunError::MissingTopic { topic: topic.clone() })?;
        places.insert(topic.clone(), Place { cluster: cluster.clone(), partitions });
    }
    Ok(places)
}

fn dead_letters_of(settings: &Settings) -> Result<TopicName, RunError> {
    TopicName::dead_letters_of(&settings.group).map_err(|error| {
        RunError::Setting(SettingError {
            key: "group",
            value: error.to_string(),
            mend: "use a shorter name of a-z, 0-9 and hyphens",
        })
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
