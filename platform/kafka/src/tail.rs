//! Reading without a group: all partitions of some topics, from a place, for people who look at the log.

use std::time::{Duration, Instant};

use hooklog_schemas::{NextOffset, Partition, Position, Timestamp, TopicName};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};

use crate::admin::Admin;
use crate::config::Connection;
use crate::error::{AdminError, ConfigError, ReadError};
use crate::log_lines;
use crate::reader::pin_reading;
use crate::record::{Arena, Incoming};

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the first record kept.
    Beginning,
    /// Behind the last record: only what comes now.
    End,
    /// At the first record that is not older.
    Time(Timestamp),
    /// At this offset in every partition, or at the nearest one that is kept.
    Offset(NextOffset),
    /// So many records before the end of every partition.
    Last(u64),
}

/// What the next look gave.
#[derive(Debug)]
pub enum Seen {
    /// A record.
    Record(Incoming),
    /// Nothing within the timeout.
    Idle,
    /// Every partition was read to its end.
    CaughtUp,
}

/// A reader of whole topics. It has no offsets of its own and disturbs nobody. Drop it on a thread without an async runtime.
pub struct Tail {
    client: BaseConsumer<TailContext>,
    topics: Vec<TopicName>,
    arena: Arena,
    /// Partitions that were not read to their end yet.
    behind: Vec<(TopicName, Partition, NextOffset)>,
    told: bool,
}

impl Tail {
    /// Opens the topics. `within` bounds every question to the brokers.
    ///
    /// # Errors
    /// [`AdminError`] when the topics can't be found or asked.
    pub fn open(
        connection: &Connection,
        topics: &[TopicName],
        from: From,
        within: Duration,
    ) -> Result<Self, AdminError> {
        let admin = Admin::new(connection)?;
        let deadline = Instant::now() + within;
        let mut assignment = TopicPartitionList::new();
        let mut behind = Vec::new();
        for topic in topics {
            for partition in admin.topic(topic, within)?.partitions {
                let left = deadline.saturating_duration_since(Instant::now());
                let (start, end) = place(&admin, topic, partition, from, left)?;
                assignment
                    .add_partition_offset(topic.as_str(), partition.0, Offset::Offset(start.0))
                    .map_err(|error| ConfigError::of(&error))?;
                if start < end {
                    behind.push((topic.clone(), partition, end));
                }
            }
        }
        let mut config = connection.client_config()?;
        // The library assigns only to clients with a group's name. It is never joined and never committed to.
        config.set("group.id", "hooklog-tail").set("enable.auto.commit", "false").set("statistics.interval.ms", "0");
        pin_reading(&mut config);
        let client: BaseConsumer<TailContext> =
            config.create_with_context(TailContext).map_err(|error| ConfigError::of(&error))?;
        client.assign(&assignment).map_err(|error| ConfigError::of(&error))?;
        Ok(Self { client, topics: topics.to_vec(), arena: Arena::default(), behind, told: false })
    }

    /// Waits up to `timeout` for the next record of any partition. Within a partition they come in order.
    ///
    /// # Errors
    /// [`ReadError`] when a partition can't be read on.
    pub fn next(&mut self, timeout: Duration) -> Result<Seen, ReadError> {
        let deadline = Instant::now() + timeout;
        loop {
            if self.behind.is_empty() && !self.told {
                self.told = true;
                return Ok(Seen::CaughtUp);
            }
            match self.client.poll(deadline.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) => {
                    let Some(topic) = self.topics.iter().find(|topic| topic.as_str() == message.topic()) else {
                        continue;
                    };
                    let record = self.arena.copy(topic, &message);
                    drop(message);
                    self.advance(&record.position);
                    return Ok(Seen::Record(record));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    // The library does not say of which topic. A partition whose last records are only markers ends here too.
                    if let [_only] = &self.topics[..] {
                        self.behind.retain(|(_, number, _)| number.0 != partition);
                    }
                }
                Some(Err(error)) => {
                    if let Some(error) = ReadError::of_tail(&error) {
                        return Err(error);
                    }
                }
                None => {}
            }
            if Instant::now() >= deadline {
                return Ok(Seen::Idle);
            }
        }
    }

    fn advance(&mut self, read: &Position) {
        self.behind.retain(|(topic, partition, end)| {
            *topic != read.topic || *partition != read.partition || read.offset.next() < *end
        });
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").field("topics", &self.topics).field("behind", &self.behind).finish_non_exhaustive()
    }
}

/// Where to begin in a partition, and its end now.
fn place(
    admin: &Admin,
    topic: &TopicName,
    partition: Partition,
    from: From,
    within: Duration,
) -> Result<(NextOffset, NextOffset), AdminError> {
    let bounds = admin.watermarks(topic, partition, within)?;
    let wanted = match from {
        From::Beginning => bounds.start,
        From::End => bounds.end,
        From::Offset(next) => next,
        From::Last(count) => NextOffset(bounds.end.0.saturating_sub_unsigned(count)),
        From::Time(time) => admin.offset_at(topic, partition, time, within)?.unwrap_or(bounds.end),
    };
    Ok((wanted.clamp(bounds.start, bounds.end), bounds.end))
}

struct TailContext;

impl ClientContext for TailContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_lines::line(level, facility, message);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        log_lines::error(&error, reason);
    }
}

impl ConsumerContext for TailContext {}
