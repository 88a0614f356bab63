//! The real binary, killed at every point of a micro-batch: afterwards every charge is booked once and made under one key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hooklog_devbroker::{Broker, Settings, Sync};
use hooklog_kafka::admin::TopicSpec;
use hooklog_kafka::{Admin, Append, Connection, Metrics, Outgoing, Writer, WriterSettings};
use hooklog_ledger::sandbox::Sandbox;
use hooklog_process::metrics::Registry;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::{
    Envelope, EventId, EventType, Frame, OrderingKey, RequestHeaders, SourceName, Timestamp, TopicName, codec,
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

const WITHIN: Duration = Duration::from_secs(60);
const EVENTS: u32 = 40;
const CUSTOMERS: u32 = 4;

/// Every failpoint of the SDK that this consumer passes, with the hit at which it dies.
const POINTS: &[(&str, u32)] = &[
    ("sdk.polled", 1),
    ("sdk.deduped", 1),
    ("sdk.handled", 2),
    ("sdk.emitted", 1),
    ("sdk.before-write", 1),
    ("sdk.after-write", 1),
    ("sdk.after-sync", 1),
    ("sdk.after-commit", 1),
    ("sdk.before-perform", 3),
    ("sdk.after-perform", 1),
    ("sdk.after-perform", 7),
    ("sdk.after-perform-ack", 1),
];

struct World {
    bootstrap: String,
    payments: String,
    sandbox: Sandbox,
    writer: Writer,
}

impl World {
    async fn start(folder: &Path, stop: &CancellationToken) -> Self {
        let mut settings = Settings::new(folder.to_owned(), "127.0.0.1:0".parse().unwrap());
        settings.sync = Sync::Never;
        let broker = Broker::open(settings).unwrap();
        let bootstrap = broker.local_addr().to_string();
        tokio::spawn(broker.serve(stop.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let payments = format!("http://{}", listener.local_addr().unwrap());
        let sandbox = Sandbox::new();
        tokio::spawn(sandbox.clone().serve(listener, Shutdown::new()));
        let connection = Connection::plain(&bootstrap, "test");
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let writer = Writer::start(&connection, &WriterSettings::default(), &metrics).unwrap();
        Self { bootstrap, payments, sandbox, writer }
    }

    /// A topic of its own for each case, with every event twice.
    async fn fill(&self, case: usize) -> (TopicName, String) {
        let (topic, group) = (topic(&format!("hooks.stripe-{case}")), format!("ledger-{case}"));
        let specs = [(topic.clone(), 2), (TopicName::dead_letters_of(&group).unwrap(), 1)]
            .map(|(topic, partitions)| TopicSpec { topic, partitions, replicas: Some(1), configs: BTreeMap::new() });
        let admin = Admin::new(&Connection::plain(&self.bootstrap, "test")).unwrap();
        tokio::task::spawn_blocking(move || admin.create(&specs, WITHIN).unwrap()).await.unwrap();
        let mut deliveries = Vec::new();
        for number in (0..EVENTS).chain(0..EVENTS) {
            let envelope = envelope(number, case);
            let (key, value) = (envelope.key.as_str(), codec::encode(&envelope, Frame::SingleObject));
            let (key, headers) = (Some(key.as_bytes()), &[][..]);
            let record = Outgoing { topic: &topic, partition: None, key, value: &value, headers, timestamp: None };
            deliveries.push(self.writer.append(record).unwrap());
        }
        for delivery in deliveries {
            delivery.await.unwrap();
        }
        (topic, group)
    }

    fn ledger(&self, data: &Path, (topic, group): &(TopicName, String), failpoints: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_ledger"))
            .args(["run", "--broker", &self.bootstrap, "--topics", topic.as_str(), "--group", group])
            .args(["--payments-url", &self.payments, "--data-dir"])
            .arg(data)
            // Restarts need not wait for the group to give the dead process up.
            .env("HOOKLOG_CONSUMER__MEMBERSHIP__INSTANCE_ID", "\"test\"")
            .env("HOOKLOG_CONSUMER__BATCH__RECORDS", "8")
            .env("HOOKLOG_CONSUMER__BATCH__SYNC_EVERY", "\"50ms\"")
            .env("HOOKLOG_FAILPOINTS", failpoints)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The charges of one case that were made: keys by event.
    fn keys_by_event(&self, case: usize) -> BTreeMap<String, BTreeSet<String>> {
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (key, made) in self.sandbox.charges() {
            if made.order.customer.ends_with(&format!("-{case}")) {
                keys.entry(made.order.event).or_default().insert(key);
            }
        }
        keys
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_point_each_charge_is_booked_and_made_once() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let world = World::start(&folder.path().join("broker"), &stop).await;
    for (case, (point, hit)) in POINTS.iter().enumerate() {
        let names = world.fill(case).await;
        let data = folder.path().join(format!("data-{case}"));
        let mut doomed = world.ledger(&data, &names, &format!("{point}=kill@{hit}"));
        eventually(&format!("{point}@{hit} kills"), || doomed.try_wait().unwrap().is_some()).await;
        assert!(!doomed.wait().unwrap().success(), "{point}");
        let mut ledger = world.ledger(&data, &names, "");
        eventually(&format!("booked after {point}@{hit}"), || balances(&data, &names.1) == expected(case)).await;
        eventually(&format!("made after {point}@{hit}"), || {
            world.keys_by_event(case).len() == usize::try_from(EVENTS).unwrap()
        })
        .await;
        ledger.kill().unwrap();
        ledger.wait().unwrap();
        assert_eq!(balances(&data, &names.1), expected(case), "{point}@{hit}");
        let twice: Vec<_> = world.keys_by_event(case).into_iter().filter(|(_, keys)| keys.len() > 1).collect();
        assert!(twice.is_empty(), "{point}@{hit}: charged under two keys: {twice:?}");
    }
    stop.cancel();
}

fn balances(data: &Path, group: &str) -> BTreeMap<String, (i64, u64)> {
    let lines = hooklog_ledger::balances::read(data, group).unwrap_or_default();
    lines.into_iter().map(|line| (line.key, (line.sum, line.count))).collect()
}

fn expected(case: usize) -> BTreeMap<String, (i64, u64)> {
    let mut balances: BTreeMap<String, (i64, u64)> = BTreeMap::new();
    for number in 0..EVENTS {
        let balance = balances.entry(customer(number, case)).or_default();
        *balance = (balance.0 + i64::from(number) + 1, balance.1 + 1);
    }
    balances
}

fn customer(number: u32, case: usize) -> String {
    format!("cus_{}-{case}", number % CUSTOMERS)
}

fn envelope(number: u32, case: usize) -> Envelope {
    let customer = customer(number, case);
    let object = serde_json::json!({ "customer": customer, "amount": number + 1, "currency": "eur" });
    let body = serde_json::json!({ "data": { "object": object } }).to_string();
    Envelope {
        id: EventId::parse(&format!("evt_{number}")).unwrap(),
        source: SourceName::parse("stripe").unwrap(),
        kind: EventType::parse("charge.succeeded").unwrap(),
        key: OrderingKey::parse(&customer).unwrap(),
        received_at: Timestamp(0),
        scheme: "none".to_owned(),
        headers: RequestHeaders::default(),
        content_type: None,
        body_sha256: Sha256::digest(&body).into(),
        body: body.into(),
        trace: None,
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
