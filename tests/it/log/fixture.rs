//! A topic of a check's own, and what checks do with it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hooklog_kafka::admin::{Created, TopicSpec};
use hooklog_kafka::tail::{From, Seen, Tail};
use hooklog_kafka::{Admin, Append, Connection, Delivery, Incoming, Metrics, Outgoing, Writer, WriterSettings};
use hooklog_schemas::{Partition, TopicName};
use hooklog_tests::names::unique;

/// How long anything may take before a check fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Fixture {
    pub(crate) connection: Connection,
    pub(crate) admin: Admin,
    pub(crate) topic: TopicName,
}

impl Fixture {
    pub(crate) fn new(bootstrap: &str, partitions: u32) -> Self {
        Self::with_configs(bootstrap, partitions, &[])
    }

    pub(crate) fn with_configs(bootstrap: &str, partitions: u32, configs: &[(&str, &str)]) -> Self {
        let connection = Connection::plain(bootstrap, "log-checks");
        let admin = Admin::new(&connection).unwrap();
        let topic = TopicName::parse(&unique("log.check")).unwrap();
        let fixture = Self { connection, admin, topic };
        let made = fixture.admin.create(&[fixture.spec(partitions, configs)], PATIENCE).unwrap();
        assert_eq!(made, [Created::New]);
        fixture
    }

    pub(crate) fn spec(&self, partitions: u32, configs: &[(&str, &str)]) -> TopicSpec {
        let configs: BTreeMap<_, _> =
            configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        TopicSpec { topic: self.topic.clone(), partitions, replicas: Some(1), configs }
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::start(&self.connection, &WriterSettings::default(), &Metrics::unobserved()).unwrap()
    }

    /// Appends the numbers as values to a partition, in order, and waits for all.
    pub(crate) fn fill(&self, writer: &Writer, partition: Partition, numbers: std::ops::Range<u32>) {
        let send = |number: u32| append(writer, &self.topic, Some(partition), number.to_string().as_bytes());
        for delivery in numbers.map(send).collect::<Vec<_>>() {
            delivery.wait(PATIENCE).expect("in time").expect("appended");
        }
    }

    /// The topic from its beginning to its end.
    pub(crate) fn read_all(&self) -> Vec<Incoming> {
        self.read(From::Beginning)
    }

    pub(crate) fn read(&self, from: From) -> Vec<Incoming> {
        let mut tail = Tail::open(&self.connection, std::slice::from_ref(&self.topic), from, PATIENCE).unwrap();
        let mut records = Vec::new();
        eventually("the end of the topic", || match tail.next(Duration::from_millis(200)).unwrap() {
            Seen::Record(record) => {
                records.push(record);
                None
            }
            Seen::Idle => None,
            Seen::CaughtUp => Some(()),
        });
        records
    }
}

/// Appends a record with a key that is its value.
pub(crate) fn append(writer: &Writer, topic: &TopicName, partition: Option<Partition>, value: &[u8]) -> Delivery {
    let record = Outgoing { topic, partition, key: Some(value), value, headers: &[], timestamp: None };
    writer.append(record).expect("the queue has room")
}

/// The number that a record's value is.
pub(crate) fn number(record: &Incoming) -> u32 {
    std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap()
}

/// Looks until there is something to be seen.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
