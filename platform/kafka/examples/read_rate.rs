//! How many records a second the reader hands out, beside a bare loop over the library's consumer.
//!
//! ```text
//! cargo run -p hooklog-kafka --example read_rate -- BOOTSTRAP TOPIC [RECORDS=200000] [ROUNDS=1]
//! ```
//!
//! The topic must exist; it is filled with records of 2 KB until it has so many. The bare loop reads all partitions through one queue
//! and looks at each value's length; the reader has one worker thread for each partition, and copies each record out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use hooklog_kafka::{
    Admin, Append, Commit, Connection, Lease, Metrics, Outgoing, PartitionReader, Partitions, Poll, ReadError, Reader,
    ReaderSettings, Revocation, Writer, WriterSettings,
};
use hooklog_schemas::{NextOffset, TopicName};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const WITHIN: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, ..] = &arguments[..] else { return Err("usage: read_rate BOOTSTRAP TOPIC …".into()) };
    let number = |at: usize, default| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (records, topic, connection) =
        (number(2, 200_000), TopicName::parse(topic)?, Connection::plain(bootstrap, "read-rate"));
    fill(&connection, &topic, records)?;
    for round in 0..number(3, 1) {
        let bare = bare(&connection, &topic, records)?;
        let ours = ours(&connection, &topic, records, round)?;
        report(records, bare, ours);
    }
    Ok(())
}

fn fill(connection: &Connection, topic: &TopicName, records: u64) -> Result<(), Failure> {
    let admin = Admin::new(connection)?;
    let mut there = 0;
    for partition in admin.topic(topic, WITHIN)?.partitions {
        there += u64::try_from(admin.watermarks(topic, partition, WITHIN)?.end.0)?;
    }
    let writer = Writer::start(connection, &WriterSettings::default(), &Metrics::unobserved())?;
    let value: Vec<u8> = (0..2048_usize).map(|at| b"0123456789abcdef\"\":,"[at * 7919 % 20]).collect();
    for number in there..records {
        let key = number.to_le_bytes();
        let headers: &[(&str, &[u8])] =
            &[("ce_id", &key), ("ce_type", b"charge.succeeded"), ("ce_specversion", b"1.0")];
        let record = Outgoing { topic, partition: None, key: Some(&key), value: &value, headers, timestamp: None };
        while writer.append(record).is_err() {
            std::thread::yield_now();
        }
    }
    assert!(writer.flush(WITHIN * 4), "the brokers take the records");
    Ok(())
}

fn bare(connection: &Connection, topic: &TopicName, records: u64) -> Result<Duration, Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &connection.bootstrap)
        .set("group.id", "read-rate-bare")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in Admin::new(connection)?.topic(topic, WITHIN)?.partitions {
        assignment.add_partition_offset(topic.as_str(), partition.0, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut begun = None;
    let (mut read, mut bytes) = (0, 0);
    while read < records {
        if let Some(message) = consumer.poll(WITHIN) {
            begun.get_or_insert_with(Instant::now);
            bytes += message?.payload_len();
            read += 1;
        }
    }
    assert!(bytes > 0, "records have values");
    Ok(begun.ok_or("nothing was read")?.elapsed())
}

struct Workers {
    read: Arc<AtomicU64>,
    begun: mpsc::Sender<Instant>,
}

impl Partitions for Workers {
    fn assigned(&mut self, partitions: Vec<PartitionReader>) {
        for partition in partitions {
            let (read, begun) = (Arc::clone(&self.read), self.begun.clone());
            std::thread::spawn(move || work(partition, &read, &begun));
        }
    }

    fn revoked(&mut self, _: &[Lease], _: Revocation, _: Instant) -> Vec<Commit> {
        Vec::new()
    }

    fn failed(&mut self, error: &ReadError) {
        panic!("{error}");
    }
}

fn work(mut partition: PartitionReader, read: &AtomicU64, begun: &mpsc::Sender<Instant>) {
    partition.start(NextOffset::ZERO).expect("the poll thread listens");
    let mut records = Vec::with_capacity(500);
    loop {
        let poll = partition.poll(500, Duration::from_millis(50), &mut records);
        if !records.is_empty() {
            // Nobody listens any more after the first of them.
            let _ = begun.send(Instant::now());
        }
        read.fetch_add(records.len() as u64, Ordering::Relaxed);
        records.clear();
        match poll {
            Poll::Records | Poll::Idle | Poll::EndOfPartition(_) => {}
            Poll::Revoked => return,
            Poll::Failed(error) => panic!("{error}"),
        }
    }
}

fn ours(connection: &Connection, topic: &TopicName, records: u64, round: u64) -> Result<Duration, Failure> {
    let read = Arc::new(AtomicU64::new(0));
    let (begun, first) = mpsc::channel();
    let settings = ReaderSettings::new(&format!("read-rate-{round}"), vec![topic.clone()]);
    let workers = Workers { read: Arc::clone(&read), begun };
    let reader = Reader::start(connection, &settings, &Metrics::unobserved(), workers)?;
    let begun = first.recv_timeout(WITHIN)?;
    while read.load(Ordering::Relaxed) < records {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let length = begun.elapsed();
    drop(first);
    reader.close(WITHIN)?;
    Ok(length)
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn report(records: u64, bare: Duration, ours: Duration) {
    let rate = |length: Duration| records as f64 / length.as_secs_f64();
    println!("bare {:>8.0}/s   reader {:>8.0}/s   ratio {:.2}", rate(bare), rate(ours), rate(ours) / rate(bare));
}
