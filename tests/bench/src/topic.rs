//! Topics as the bench needs them: created, counted, emptied, and one record's size read.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use crate::broker::client;
use crate::error::BenchError;
use crate::process::{PATIENCE, eventually};
use crate::settings::PARTITIONS;

const PATIENT: Duration = Duration::from_secs(10);

/// The topics of a broker.
pub struct Topics {
    runtime: Runtime,
    admin: AdminClient<DefaultClientContext>,
    reader: BaseConsumer,
}

/// How large a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of its value.
    pub value: usize,
    /// How many headers it has.
    pub headers: usize,
    /// Bytes of their names and values.
    pub header_bytes: usize,
}

impl Topics {
    /// The topics of the broker at `address`.
    ///
    /// # Errors
    /// When the client can't be made.
    pub fn of(address: &str) -> Result<Self, BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let admin = client(address).create()?;
        let reader = client(address).set("group.id", "bench-topics").set("enable.auto.commit", "false").create()?;
        Ok(Self { runtime, admin, reader })
    }

    /// Creates it.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub fn create(&self, topic: &str) -> Result<(), BenchError> {
        let wanted = [NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1))];
        let options = AdminOptions::new().operation_timeout(Some(PATIENT));
        let created = self.runtime.block_on(self.admin.create_topics(&wanted, &options))?;
        for outcome in created {
            outcome.map_err(|(topic, code)| BenchError::Topic { topic, code })?;
        }
        // Leaders come a moment after the topic.
        eventually(PATIENCE, || self.led(topic).then_some(()))
            .ok_or_else(|| BenchError::Topic { topic: topic.to_owned(), code: RDKafkaErrorCode::LeaderNotAvailable })
    }

    /// Creates it unless it is there.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub fn ensure(&self, topic: &str) -> Result<(), BenchError> {
        match self.create(topic) {
            Err(BenchError::Topic { code: RDKafkaErrorCode::TopicAlreadyExists, .. }) => Ok(()),
            other => other,
        }
    }

    /// How many records were ever appended, those that [`Self::empty`] removed too.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn appended(&self, topic: &str) -> Result<u64, BenchError> {
        Ok(self.ends(topic)?.into_iter().sum())
    }

    /// The same, once nothing comes any more: equal in several looks in a row.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn settled(&self, topic: &str) -> Result<u64, BenchError> {
        let (mut last, mut same) = (self.appended(topic)?, 0);
        let settled = eventually(PATIENCE, || {
            let now = self.appended(topic).ok()?;
            same = if now == last { same + 1 } else { 0 };
            last = now;
            (same >= 10).then_some(now)
        });
        Ok(settled.unwrap_or(last))
    }

    /// Removes its records, so that rounds don't fill the disk.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub fn empty(&self, topic: &str) -> Result<(), BenchError> {
        let mut until = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            until.add_partition_offset(topic, partition, Offset::End)?;
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENT));
        self.runtime.block_on(self.admin.delete_records(&until, &options))?;
        Ok(())
    }

    /// How large the topic's records are, by one of the last.
    ///
    /// # Errors
    /// When Kafka does not answer; [`KafkaError::NoMessageReceived`] when there is none.
    pub fn shape(&self, topic: &str) -> Result<Shape, BenchError> {
        let mut from = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            from.add_partition_offset(topic, partition, Offset::OffsetTail(1))?;
        }
        self.reader.assign(&from)?;
        let polled = eventually(PATIENCE, || self.reader.poll(Duration::from_millis(100)));
        let record = polled.ok_or(KafkaError::NoMessageReceived)??;
        let sizes = record.headers().map(|headers| {
            headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).collect::<Vec<_>>()
        });
        let sizes = sizes.unwrap_or_default();
        let value = record.payload().map_or(0, <[u8]>::len);
        drop(record);
        self.reader.unassign()?;
        Ok(Shape { value, headers: sizes.len(), header_bytes: sizes.iter().sum() })
    }

    fn led(&self, topic: &str) -> bool {
        let Ok(metadata) = self.reader.fetch_metadata(Some(topic), PATIENT) else { return false };
        let partitions: Vec<_> = metadata.topics().iter().flat_map(|topic| topic.partitions()).collect();
        (0..PARTITIONS).all(|id| partitions.iter().any(|partition| partition.id() == id && partition.leader() >= 0))
    }

    fn ends(&self, topic: &str) -> Result<Vec<u64>, BenchError> {
        (0..PARTITIONS)
            .map(|partition| {
                let (mut end, mut refusal) = (None, KafkaError::NoMessageReceived);
                // A new topic's leaders are known everywhere a moment after they are known to somebody.
                let found = eventually(PATIENCE, || {
                    match self.reader.fetch_watermarks(topic, partition, PATIENT) {
                        Ok((_, found)) => end = u64::try_from(found).ok(),
                        Err(error) => refusal = error,
                    }
                    end
                });
                found.ok_or_else(|| BenchError::Kafka(refusal.clone()))
            })
            .collect()
    }
}
