//! A log in memory with scripted faults, for tests without a broker. It keeps what Kafka keeps: order within a partition, offsets from 0,
//! keys that lead to partitions. What it does not know: replicas, time, retention.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hooklog_schemas::{NextOffset, Offset, Partition, Position, Timestamp, TopicName};

use crate::delivery::{Delivery, Slot};
use crate::error::AppendError;
use crate::partitioner::partition_of;
use crate::record::{Incoming, Outgoing};
use crate::writer::Append;

/// What happens to an append.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing bad: appended and reported.
    Ok,
    /// Reported as unavailable; the log does not have it.
    LostBeforeAppend,
    /// Reported as unavailable; the log has it all the same.
    AppendedButTimeout,
    /// Refused at once: the queue is full.
    Full,
    /// Reported as larger than the topic takes.
    TooLarge,
    /// Refused at once: the producer is broken.
    Fatal,
    /// Appended at once, reported when the gate is opened.
    Slow(Gate),
    /// Kept in the client's queue; appended and reported when the gate is opened, as when brokers come back.
    Queued(Gate),
    /// Appended, and never reported: as when the process is killed.
    Silent,
}

/// Holds reports back until it is opened. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    open: bool,
    reports: Vec<Report>,
}

/// What is done when the gate is opened.
type Report = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("open", &self.open).field("reports", &self.reports.len()).finish()
    }
}

impl Gate {
    /// Lets all held reports through, in order, and those that come later at once.
    pub fn open(&self) {
        let reports = {
            let mut held = lock(&self.0);
            held.open = true;
            std::mem::take(&mut held.reports)
        };
        for report in reports {
            report();
        }
    }

    /// How many reports are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        lock(&self.0).reports.len()
    }

    fn pass(&self, report: Report) {
        let mut held = lock(&self.0);
        if held.open {
            drop(held);
            report();
        } else {
            held.reports.push(report);
        }
    }
}

/// A log in memory. Clones are the same log.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<TopicName, Vec<Vec<Incoming>>>,
    script: VecDeque<Fault>,
    always: Option<Fault>,
    /// Counts records without a key: they go round the partitions.
    keyless: usize,
    /// Nobody is told how many partitions there are.
    hides_partitions: bool,
}

impl MemoryLog {
    /// An empty log without topics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a topic; one that exists keeps its records and partitions.
    #[must_use]
    pub fn with_topic(self, topic: &TopicName, partitions: NonZeroU32) -> Self {
        let count = usize::try_from(partitions.get()).unwrap_or(usize::MAX);
        lock(&self.0).topics.entry(topic.clone()).or_insert_with(|| vec![Vec::new(); count]);
        self
    }

    /// Whether nobody is told how many partitions there are, as when no broker has answered yet.
    #[must_use]
    pub fn hiding_partitions(self, hides: bool) -> Self {
        lock(&self.0).hides_partitions = hides;
        self
    }

    /// What happens to the next appends, one after the other; then all is well again.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.0).script.extend(faults);
    }

    /// What happens to every append from now on that the script does not name. None ends it.
    pub fn always(&self, fault: Option<Fault>) {
        lock(&self.0).always = fault;
    }

    /// The records of a partition from an offset on; empty when there are none.
    #[must_use]
    pub fn read(&self, topic: &TopicName, partition: Partition, from: NextOffset) -> Vec<Incoming> {
        let state = lock(&self.0);
        let number = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let records = state.topics.get(topic).and_then(|partitions| partitions.get(number));
        let start = usize::try_from(from.0).unwrap_or(0);
        records.and_then(|records| records.get(start..)).map(<[Incoming]>::to_vec).unwrap_or_default()
    }

    /// All records of a topic, partition after partition.
    #[must_use]
    pub fn all(&self, topic: &TopicName) -> Vec<Incoming> {
        lock(&self.0).topics.get(topic).map(|partitions| partitions.concat()).unwrap_or_default()
    }
}

impl MemoryLog {
    /// Appends a copy of the record when it is called.
    fn later(&self, record: &Outgoing<'_>, slot: &Arc<Slot>) -> Report {
        let (log, slot) = (self.clone(), Arc::clone(slot));
        let (topic, partition, timestamp) = (record.topic.clone(), record.partition, record.timestamp);
        let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.to_vec());
        let headers: Vec<(String, Vec<u8>)> =
            record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        Box::new(move || {
            let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
            let record =
                Outgoing { topic: &topic, partition, key: key.as_deref(), value: &value, headers: &headers, timestamp };
            let appended = lock(&log.0).put(&record);
            slot.report(appended);
        })
    }
}

impl State {
    fn put(&mut self, record: &Outgoing<'_>) -> Result<(Partition, Offset), AppendError> {
        let unknown = || AppendError::UnknownTopic { topic: record.topic.clone() };
        let partitions = self.topics.get_mut(record.topic).ok_or_else(unknown)?;
        let count = u32::try_from(partitions.len()).ok().and_then(NonZeroU32::new).ok_or_else(unknown)?;
        let partition = match (record.partition, record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of(key, count),
            (None, None) => {
                self.keyless += 1;
                Partition(i32::try_from(self.keyless % partitions.len()).unwrap_or_default())
            }
        };
        let number = usize::try_from(partition.0).map_err(|_| unknown())?;
        let records = partitions.get_mut(number).ok_or_else(unknown)?;
        let offset = Offset(i64::try_from(records.len()).unwrap_or(i64::MAX));
        records.push(Incoming {
            position: Position { topic: record.topic.clone(), partition, offset },
            key: record.key.map(Bytes::copy_from_slice),
            value: Some(Bytes::copy_from_slice(record.value)),
            headers: record.headers.iter().copied().collect(),
            timestamp: record.timestamp.unwrap_or(Timestamp(0)),
        });
        Ok((partition, offset))
    }
}

impl Append for MemoryLog {
    fn append(&self, record: Outgoing<'_>) -> Result<Delivery, AppendError> {
        let mut state = lock(&self.0);
        let scripted = state.script.pop_front();
        let fault = scripted.or_else(|| state.always.clone()).unwrap_or(Fault::Ok);
        let slot = Slot::new(record.topic);
        let away = |maybe_appended| {
            let cause = "Local: Message timed out".to_owned();
            Err(AppendError::Unavailable { topic: record.topic.clone(), cause, maybe_appended })
        };
        match fault {
            Fault::Full => return Err(AppendError::Full),
            Fault::Fatal => return Err(AppendError::Fatal { message: "scripted".to_owned() }),
            Fault::LostBeforeAppend => slot.report(away(true)),
            Fault::TooLarge => {
                let size = record.value.len() + record.key.map_or(0, <[u8]>::len);
                slot.report(Err(AppendError::TooLarge { topic: record.topic.clone(), size }));
            }
            Fault::Ok => slot.report(state.put(&record)),
            Fault::AppendedButTimeout => slot.report(state.put(&record).and_then(|_| away(true))),
            Fault::Silent => {
                state.put(&record)?;
            }
            Fault::Slow(gate) => match state.put(&record) {
                Ok(appended) => {
                    drop(state);
                    let slot = Arc::clone(&slot);
                    gate.pass(Box::new(move || slot.report(Ok(appended))));
                }
                Err(error) => slot.report(Err(error)),
            },
            Fault::Queued(gate) => {
                drop(state);
                gate.pass(self.later(&record, &slot));
            }
        }
        Ok(Delivery::of(&slot))
    }

    fn partitions(&self, topic: &TopicName) -> Option<NonZeroU32> {
        let state = lock(&self.0);
        let count = state.topics.get(topic).filter(|_| !state.hides_partitions).map(Vec::len)?;
        u32::try_from(count).ok().and_then(NonZeroU32::new)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    fn topic() -> TopicName {
        TopicName::parse("hooks.github").unwrap()
    }

    fn log() -> MemoryLog {
        MemoryLog::new().with_topic(&topic(), NonZeroU32::new(4).unwrap())
    }

    fn append(log: &MemoryLog, key: &[u8], value: &[u8]) -> Result<Position, AppendError> {
        let topic = topic();
        let headers: &[(&str, &[u8])] = &[("ce_id", b"1")];
        let record =
            Outgoing { topic: &topic, partition: None, key: Some(key), value, headers, timestamp: Some(Timestamp(5)) };
        log.append(record)?.wait(Duration::from_secs(1)).expect("a scripted report comes at once")
    }

    #[test]
    fn a_key_keeps_its_partition_and_its_order() {
        let log = log();
        let first = append(&log, b"k", b"1").unwrap();
        let second = append(&log, b"k", b"2").unwrap();
        assert_eq!((first.partition, first.offset.next()), (second.partition, NextOffset(second.offset.0)));
        let read = log.read(&topic(), first.partition, NextOffset::ZERO);
        let values: Vec<_> = read.iter().map(|record| record.value.clone().unwrap()).collect();
        assert_eq!(values, [&b"1"[..], b"2"]);
        assert_eq!(read[0].headers.get("ce_id"), Some(&b"1"[..]));
        assert_eq!(log.read(&topic(), first.partition, second.offset.next()), []);
    }

    #[test]
    fn faults_come_in_their_order_and_then_all_is_well() {
        let log = log();
        log.script([Fault::LostBeforeAppend, Fault::AppendedButTimeout, Fault::Full, Fault::Fatal, Fault::TooLarge]);
        let kinds: Vec<_> = (0..5).map(|_| append(&log, b"k", b"v").unwrap_err().kind()).collect();
        let expected =
            [ErrorKind::Transient, ErrorKind::Transient, ErrorKind::Full, ErrorKind::Fatal, ErrorKind::TooLarge];
        assert_eq!(kinds, expected);
        assert_eq!(log.all(&topic()).len(), 1, "only the one that timed out after the append is there");
        append(&log, b"k", b"v").unwrap();
        log.always(Some(Fault::LostBeforeAppend));
        assert!(append(&log, b"k", b"v").is_err() && append(&log, b"k", b"v").is_err());
        log.always(None);
        append(&log, b"k", b"v").unwrap();
    }

    #[test]
    fn a_gate_holds_the_report_and_not_the_record() {
        let log = log();
        let gate = Gate::default();
        log.script([Fault::Slow(gate.clone())]);
        let topic = topic();
        let record = Outgoing {
            topic: &topic,
            partition: Some(Partition(2)),
            key: None,
            value: b"v",
            headers: &[],
            timestamp: None,
        };
        let delivery = log.append(record).unwrap();
        assert_eq!((log.all(&topic).len(), gate.held()), (1, 1));
        gate.open();
        assert_eq!(delivery.wait(Duration::ZERO).unwrap().unwrap().to_string(), "hooks.github/2/0");
    }

    #[test]
    fn an_unknown_topic_or_partition_is_said_so() {
        let other = TopicName::parse("nope").unwrap();
        let log = log();
        let record =
            |topic, partition| Outgoing { topic, partition, key: None, value: b"", headers: &[], timestamp: None };
        let error = |record| log.append(record).unwrap().wait(Duration::ZERO).unwrap().unwrap_err();
        assert!(matches!(error(record(&other, None)), AppendError::UnknownTopic { .. }));
        assert!(matches!(error(record(&topic(), Some(Partition(4)))), AppendError::UnknownTopic { .. }));
    }
}
