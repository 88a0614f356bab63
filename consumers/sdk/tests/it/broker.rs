//! A broker with topics and events, and consumers that run against it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hooklog_consumer::state;
use hooklog_consumer::{
    Consumer, Context, Effect, Event, Fault, Parts, RunError, Runner, RunnerMetrics, Settings, Table,
};
use hooklog_devbroker::{Broker, Sync};
use hooklog_kafka::admin::TopicSpec;
use hooklog_kafka::{Admin, Append, Connection, Outgoing, Writer, WriterSettings};
use hooklog_process::clock::Clock;
use hooklog_process::health::Health;
use hooklog_process::metrics::Registry;
use hooklog_process::random::Random;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::{
    Envelope, EventId, EventType, Frame, OrderingKey, RequestHeaders, SourceName, Timestamp, TopicName, codec,
};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const PARTITIONS: u32 = 4;
pub(crate) const COUNTS: Table<String, u64> = Table::new(1, "counts");
const WITHIN: Duration = Duration::from_secs(20);

/// Counts events by key, and asks for one effect an event.
pub(crate) struct Bank {
    /// The ids of the effects made, with the event they were for.
    pub(crate) made: Arc<Mutex<Vec<(String, String)>>>,
}

impl Consumer for Bank {
    const NAME: &'static str = "bank";

    fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault> {
        cx.table(COUNTS).update(&event.key().to_owned(), |count| count.unwrap_or(0) + 1)?;
        cx.effect(&event.id())
    }

    async fn perform(&self, effect: &Effect) -> Result<(), Fault> {
        self.made.lock().unwrap().push((effect.id().to_string(), effect.json()?));
        Ok(())
    }
}

/// A log with a topic of events and one for dead letters.
pub(crate) struct Log {
    pub(crate) bootstrap: String,
    pub(crate) topic: TopicName,
    pub(crate) group: String,
    writer: Writer,
    stop: CancellationToken,
    serving: Option<JoinHandle<Result<(), hooklog_devbroker::ServeError>>>,
    _folder: tempfile::TempDir,
}

impl Log {
    /// A dev broker of its own, or the broker that `HOOKLOG_TEST_BOOTSTRAP` names.
    pub(crate) async fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (bootstrap, serving) = match std::env::var("HOOKLOG_TEST_BOOTSTRAP") {
            Ok(bootstrap) => (bootstrap, None),
            Err(_) => {
                let mut settings =
                    hooklog_devbroker::Settings::new(folder.path().to_owned(), "127.0.0.1:0".parse().unwrap());
                settings.sync = Sync::Never;
                let broker = Broker::open(settings).unwrap();
                let bootstrap = broker.local_addr().to_string();
                (bootstrap, Some(tokio::spawn(broker.serve(stop.clone()))))
            }
        };
        let unique = format!("{name}-{}", Random::os().u64());
        let (topic, group) = (TopicName::parse(&format!("hooks.{unique}")).unwrap(), unique);
        let connection = Connection::plain(&bootstrap, "test");
        create(&connection, &topic, &group).await;
        let metrics = hooklog_kafka::Metrics::register(&Registry::new()).unwrap();
        let writer = Writer::start(&connection, &WriterSettings::default(), &metrics).unwrap();
        Self { bootstrap, topic, group, writer, stop, serving, _folder: folder }
    }

    /// Takes on the names of another log's topic and group.
    pub(crate) async fn impersonate(&mut self, other: &Self) {
        (self.topic, self.group) = (other.topic.clone(), other.group.clone());
        create(&Connection::plain(&self.bootstrap, "test"), &self.topic, &self.group).await;
    }

    /// Appends an event for each id, with the key `k<id modulo 10>`.
    pub(crate) async fn append(&self, ids: impl IntoIterator<Item = u32>) {
        let mut deliveries = Vec::new();
        for id in ids {
            let (key, value) = (key_of(id), codec::encode(&envelope(id), Frame::SingleObject));
            deliveries.push(self.append_raw(Some(key.as_bytes()), &value));
        }
        for delivery in deliveries {
            delivery.await.unwrap();
        }
    }

    pub(crate) fn append_raw(&self, key: Option<&[u8]>, value: &[u8]) -> hooklog_kafka::Delivery {
        let (topic, headers) = (&self.topic, &[][..]);
        self.writer.append(Outgoing { topic, partition: None, key, value, headers, timestamp: None }).unwrap()
    }

    /// Starts a consumer with its state in `data_dir`.
    pub(crate) fn run(&self, data_dir: &Path, made: &Arc<Mutex<Vec<(String, String)>>>) -> Running {
        let mut settings = Settings::defaults(&self.group);
        settings.topics = vec![self.topic.clone()];
        settings.kafka.bootstrap.clone_from(&self.bootstrap);
        data_dir.clone_into(&mut settings.data_dir);
        settings.batch.sync_every.0 = Duration::from_millis(100);
        let registry = Registry::new();
        let clock = Clock::system();
        let metrics = RunnerMetrics::register(&registry).unwrap();
        let parts = Parts { clock: clock.clone(), random: Random::os(), health: Health::new(clock), metrics };
        let (shutdown, health) = (Shutdown::new(), parts.health.clone());
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let runner = Runner::new(Bank { made: Arc::clone(made) }, settings, parts).tell_ready(ready);
        let task = tokio::spawn(runner.run(shutdown.clone()));
        Running { shutdown, health, registry, task, ready: Some(is_ready) }
    }

    /// What the group has committed, all partitions together.
    pub(crate) async fn committed(&self) -> i64 {
        let admin = Admin::new(&Connection::plain(&self.bootstrap, "test")).unwrap();
        let (group, topic) = (self.group.clone(), self.topic.clone());
        let committed = tokio::task::spawn_blocking(move || admin.committed(&group, &topic, WITHIN)).await.unwrap();
        committed.unwrap().into_iter().filter_map(|(_, committed)| Some(committed?.next.0)).sum()
    }

    /// The counts of all partitions under `data_dir`.
    pub(crate) fn counts(&self, data_dir: &Path) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for partition in state::open(data_dir, &self.group).unwrap_or_default() {
            partition.table(COUNTS, |key, count| *counts.entry(key).or_default() += count).unwrap();
        }
        counts
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap().unwrap();
        }
    }
}

async fn create(connection: &Connection, topic: &TopicName, group: &str) {
    let topics = [(topic.clone(), PARTITIONS), (TopicName::dead_letters_of(group).unwrap(), 1)];
    let specs =
        topics.map(|(topic, partitions)| TopicSpec { topic, partitions, replicas: Some(1), configs: BTreeMap::new() });
    let admin = Admin::new(connection).unwrap();
    tokio::task::spawn_blocking(move || admin.create(&specs, WITHIN).unwrap()).await.unwrap();
}

/// A consumer at work.
pub(crate) struct Running {
    shutdown: Shutdown,
    pub(crate) health: Health,
    pub(crate) registry: Registry,
    task: JoinHandle<Result<(), RunError>>,
    ready: Option<tokio::sync::oneshot::Receiver<()>>,
}

impl Running {
    /// Waits until every assigned partition is being read.
    pub(crate) async fn ready(&mut self) {
        let ready = self.ready.take().unwrap();
        tokio::time::timeout(WITHIN, ready).await.expect("not ready in time").expect("it ended before it was ready");
    }

    pub(crate) async fn stop(self) -> Result<(), RunError> {
        self.shutdown.request();
        self.ended().await
    }

    pub(crate) async fn ended(self) -> Result<(), RunError> {
        tokio::time::timeout(WITHIN, self.task).await.expect("it did not end in time").unwrap()
    }
}

pub(crate) fn key_of(id: u32) -> String {
    format!("k{}", id % 10)
}

fn envelope(id: u32) -> Envelope {
    let body = format!("{{\"id\":{id}}}");
    Envelope {
        id: EventId::parse(&id.to_string()).unwrap(),
        source: SourceName::parse("test").unwrap(),
        kind: EventType::unnamed(),
        key: OrderingKey::parse(&key_of(id)).unwrap(),
        received_at: Timestamp(0),
        scheme: "none".to_owned(),
        headers: RequestHeaders::default(),
        content_type: None,
        body_sha256: Sha256::digest(&body).into(),
        body: body.into(),
        trace: None,
    }
}

/// The counts that these distinct ids must give.
pub(crate) fn expected(ids: impl IntoIterator<Item = u32>) -> BTreeMap<String, u64> {
    let ids: BTreeSet<u32> = ids.into_iter().collect();
    let mut counts = BTreeMap::new();
    ids.into_iter().for_each(|id| *counts.entry(key_of(id)).or_default() += 1);
    counts
}

/// Waits until `condition` holds; looks again every few milliseconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + WITHIN;
    while !condition().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
