//! Mock brokers with one topic, and what tests do with them.

use std::time::{Duration, Instant};

use hooklog_kafka::{Append, AppendError, Connection, Metrics, Outgoing, Writer, WriterSettings};
use hooklog_schemas::{Partition, Position, TopicName};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Mock {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    pub(crate) topic: TopicName,
}

impl Mock {
    pub(crate) fn with_partitions(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).expect("mock brokers start");
        cluster.create_topic("hooks.test", partitions, 1).expect("the topic is new");
        Self { cluster, topic: TopicName::parse("hooks.test").unwrap() }
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection::plain(&self.cluster.bootstrap_servers(), "test")
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::start(&self.connection(), &WriterSettings::default(), &Metrics::unobserved()).unwrap()
    }

    /// Appends the numbers as values to a partition, in order, and waits for all.
    pub(crate) fn fill(&self, partition: Partition, numbers: std::ops::Range<u32>) {
        let writer = self.writer();
        let deliveries: Vec<_> = numbers
            .map(|number| {
                let value = number.to_string();
                let headers: &[(&str, &[u8])] = &[("number", value.as_bytes()), ("empty", b"")];
                writer
                    .append(Outgoing {
                        topic: &self.topic,
                        partition: Some(partition),
                        key: Some(b"key"),
                        value: value.as_bytes(),
                        headers,
                        timestamp: None,
                    })
                    .unwrap()
            })
            .collect();
        for delivery in deliveries {
            delivery.wait(PATIENCE).expect("in time").expect("appended");
        }
    }
}

/// Appends one record with a key and waits for the report.
pub(crate) fn append(writer: &Writer, topic: &TopicName, key: &[u8], value: &[u8]) -> Result<Position, AppendError> {
    let record = Outgoing { topic, partition: None, key: Some(key), value, headers: &[], timestamp: None };
    writer.append(record)?.wait(PATIENCE).expect("in time")
}

/// Waits for a condition.
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
