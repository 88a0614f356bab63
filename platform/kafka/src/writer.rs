//! Appending to the log: one idempotent producer for the process, polled by one thread of its own.

mod partition_counts;
mod producer;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hooklog_process::quantity::ByteSize;
use hooklog_schemas::{Offset, TopicName};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};

use crate::config::Connection;
use crate::delivery::{Delivery, Slot};
use crate::error::{AppendError, ConfigError};
use crate::metrics::Metrics;
use crate::record::Outgoing;
use partition_counts::PartitionCounts;
use producer::Inner;

/// Who takes records for the log.
pub trait Append: Send + Sync + 'static {
    /// Enqueues a copy of the record at once and never blocks. The record is in the log when the [`Delivery`] says so, not before.
    /// Records of one partition are appended in the order of these calls.
    ///
    /// # Errors
    /// [`AppendError::Full`] when the local queue has no room; others when it is clear already that the record can't be appended.
    fn append(&self, record: Outgoing<'_>) -> Result<Delivery, AppendError>;

    /// How many partitions the topic has, as far as is known without waiting; a topic asked for once is asked about from then on.
    fn partitions(&self, topic: &TopicName) -> Option<NonZeroU32>;
}

/// How records are compressed on the wire and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// Fast, light on the processor.
    Lz4,
    /// Smaller, for slow networks and long retention.
    Zstd,
}

/// Settings of a [`Writer`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WriterSettings {
    /// How long records are collected for one request; parts of a millisecond count.
    pub linger: Duration,
    /// Memory for records on their way. Past it, appends are refused as full.
    pub queue: ByteSize,
    /// How long the library tries before it reports a record as failed; zero is for ever. Long on purpose: giving a record up while it
    /// is on its way costs the producer its sequence, and one given up in the queue is overtaken by the next, so callers have deadlines of
    /// their own.
    pub message_timeout: Duration,
    /// Compression of batches.
    pub compression: Compression,
    /// The largest record (key, value, headers) that is sent. The topic's `max.message.bytes` must allow it.
    pub max_message: ByteSize,
    /// The largest batch for one partition.
    pub batch: ByteSize,
    /// How often the client's statistics are turned into gauges.
    pub statistics_interval: Duration,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            // `examples/append_rate`, 64 callers, 2 KB, one broker on the same two (busy) cores, mean of six runs each: 0 µs 24 000/s,
            // 100 µs 31 000/s, 200 µs 33 000/s, 500 µs 36 000/s, 1 ms 21 000/s, 2 ms 15 000/s. 200 µs is close to the best and costs a
            // lone append the least.
            linger: Duration::from_micros(200),
            queue: ByteSize(64 << 20),
            message_timeout: Duration::from_secs(120),
            compression: Compression::Lz4,
            max_message: ByteSize(32 << 20),
            batch: ByteSize(256 << 10),
            statistics_interval: Duration::from_secs(5),
        }
    }
}

impl WriterSettings {
    /// The least [`Self::message_timeout`] but zero: shorter ones would fire while brokers elect a leader.
    pub const MESSAGE_TIMEOUT_LEAST: Duration = Duration::from_secs(120);

    /// Requests that wait for a broker's answer at a time. A broker takes the next request of a connection when it has answered the one
    /// before, so more of them only lie in its socket, each closed to further records; one or two leave it idle while an answer travels.
    const REQUESTS_IN_FLIGHT: u32 = 3;

    /// Records in the queue at most, beside its bytes.
    const QUEUE_RECORDS: u32 = 500_000;

    /// How long a topic that the brokers do not know may still be on its way to them before appends to it fail.
    const TOPIC_PROPAGATION: Duration = Duration::from_millis(1500);

    fn client_config(&self, connection: &Connection) -> Result<ClientConfig, ConfigError> {
        if !self.message_timeout.is_zero() && self.message_timeout < Self::MESSAGE_TIMEOUT_LEAST {
            let value = format!("{:?}", self.message_timeout);
            return Err(ConfigError::Range { key: "message_timeout", value, allowed: "120s or more, or 0 for ever" });
        }
        if !(1024..=2_097_151 * 1024).contains(&self.queue.0) {
            return Err(ConfigError::Range { key: "queue", value: self.queue.to_string(), allowed: "1KiB to 2GiB" });
        }
        let mut config = connection.client_config()?;
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("max.in.flight.requests.per.connection", Self::REQUESTS_IN_FLIGHT.to_string())
            .set("retries", "2147483647")
            .set("message.timeout.ms", self.message_timeout.as_millis().to_string())
            .set("request.timeout.ms", "10000")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", format!("{}", self.linger.as_secs_f64() * 1000.0))
            .set("queue.buffering.max.kbytes", (self.queue.0 / 1024).to_string())
            .set("queue.buffering.max.messages", Self::QUEUE_RECORDS.to_string())
            .set("queue.buffering.backpressure.threshold", "1")
            .set("batch.size", self.batch.0.to_string())
            .set("batch.num.messages", "10000")
            .set("message.max.bytes", self.max_message.0.to_string())
            .set("message.copy.max.bytes", "65535")
            .set("sticky.partitioning.linger.ms", "10")
            .set("delivery.report.only.error", "false")
            .set("topic.metadata.propagation.max.ms", Self::TOPIC_PROPAGATION.as_millis().to_string())
            .set("statistics.interval.ms", self.statistics_interval.as_millis().to_string())
            .set(
                "compression.type",
                match self.compression {
                    Compression::None => "none",
                    Compression::Lz4 => "lz4",
                    Compression::Zstd => "zstd",
                },
            );
        Ok(config)
    }
}

/// The writer: share it, one for a process.
pub struct Writer {
    inner: Arc<Inner>,
    counts: PartitionCounts,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the producer and its thread. Needs no broker yet: records wait in the queue until one answers.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is refused.
    pub fn start(connection: &Connection, settings: &WriterSettings, metrics: &Metrics) -> Result<Self, ConfigError> {
        let config = settings.client_config(connection)?;
        let inner = Arc::new(Inner::new(config, &connection.client_id, metrics)?);
        let polled = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("kafka-writer".to_owned())
            .spawn(move || polled.poll_until_stopped())
            .map_err(|error| ConfigError::Client { cause: error.to_string() })?;
        Ok(Self { counts: PartitionCounts::asking(&inner)?, inner, thread: Some(thread) })
    }

    /// Waits until everything appended so far has been answered, sending at once what lingers. False when `within` was too short.
    /// Blocks: not for a thread of an async runtime.
    #[must_use]
    pub fn flush(&self, within: Duration) -> bool {
        self.inner.current().flush(within).is_ok()
    }

    /// Waits until the number of partitions of each of these topics is known. False when `within` was too short.
    /// Blocks: not for a thread of an async runtime.
    #[must_use]
    pub fn learn<'t>(&self, topics: impl IntoIterator<Item = &'t TopicName>, within: Duration) -> bool {
        self.counts.learn(topics, within)
    }

    /// Records in the queue or on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.inner.current().in_flight_count()).unwrap_or(0)
    }

    /// Flushes, then ends the thread and the producer; what was not answered `within` that time is given up. Returns how many records
    /// that were. Blocks: not for a thread of an async runtime.
    pub fn close(mut self, within: Duration) -> usize {
        let _ = self.flush(within);
        let left = self.in_flight();
        self.inner.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to be waited for.
            let _ = thread.join();
        }
        left
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::Release);
    }
}

impl Append for Writer {
    fn append(&self, record: Outgoing<'_>) -> Result<Delivery, AppendError> {
        let slot = Slot::new(record.topic);
        let delivery = Delivery::of(&slot);
        if cfg!(feature = "sabotage-ack-early") {
            slot.report(Ok((record.partition.unwrap_or(hooklog_schemas::Partition(0)), Offset(0))));
        }
        let mut sent = BaseRecord::<[u8], [u8], Arc<Slot>>::with_opaque_to(record.topic.as_str(), slot)
            .payload(record.value)
            .headers(headers(record.headers));
        sent.key = record.key;
        sent.partition = record.partition.map(|partition| partition.0);
        sent.timestamp = record.timestamp.map(|timestamp| timestamp.0);
        match self.inner.current().send(sent) {
            Ok(()) => Ok(delivery),
            Err((error, _)) => {
                let refused = Err(self.inner.refusal(&error, &record));
                self.inner.counters.count(&refused);
                refused
            }
        }
    }

    fn partitions(&self, topic: &TopicName) -> Option<NonZeroU32> {
        self.counts.of(topic)
    }
}

fn headers(given: &[(&str, &[u8])]) -> OwnedHeaders {
    given.iter().fold(OwnedHeaders::new_with_capacity(given.len()), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(*value) })
    })
}

impl Inner {
    /// Why the library did not take a record, in our words.
    fn refusal(&self, error: &KafkaError, record: &Outgoing<'_>) -> AppendError {
        let size = record.value.len() + record.key.map_or(0, <[u8]>::len);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => self.fatal(),
            Some(code) => AppendError::of(code, record.topic, size, false),
            None => AppendError::Refused { topic: record.topic.clone(), cause: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_a_promise_is_set_and_the_library_takes_all_of_it() {
        let settings = WriterSettings { linger: Duration::from_micros(500), ..WriterSettings::default() };
        let config = settings.client_config(&Connection::plain("127.0.0.1:1", "test")).unwrap();
        for (key, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("max.in.flight.requests.per.connection", "3"),
            ("partitioner", "murmur2_random"),
            ("message.timeout.ms", "120000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("linger.ms", "0.5"),
        ] {
            assert_eq!(config.get(key), Some(value), "{key}");
        }
        config.create_native_config().unwrap();
    }

    #[test]
    fn a_short_message_timeout_is_refused() {
        let settings = WriterSettings { message_timeout: Duration::from_secs(5), ..WriterSettings::default() };
        let refused = settings.client_config(&Connection::plain("127.0.0.1:1", "test"));
        assert!(matches!(refused, Err(ConfigError::Range { key: "message_timeout", .. })));
        let never = WriterSettings { message_timeout: Duration::ZERO, ..WriterSettings::default() };
        let config = never.client_config(&Connection::plain("127.0.0.1:1", "test")).unwrap();
        assert_eq!(config.get("message.timeout.ms"), Some("0"), "the library's word for ever");
    }
}
