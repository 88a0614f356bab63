//! The client library alone: a producer that only produces and a reader that only reads, as far as the machine lets them.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes records, acks=all idempotent, and ends when all are acknowledged.
    Produce(Produce),
    /// Reads a topic from its beginning.
    Read(Where),
}

#[derive(Args)]
struct Where {
    #[arg(long)]
    broker: String,
    #[arg(long)]
    topic: String,
    /// How many records.
    #[arg(long)]
    records: u64,
}

#[derive(Args)]
struct Produce {
    #[command(flatten)]
    place: Where,
    #[arg(long)]
    value_bytes: usize,
    #[arg(long)]
    headers: usize,
    #[arg(long)]
    header_bytes: usize,
    #[arg(long)]
    linger_ms: u32,
}

fn main() -> Result<(), Failure> {
    let seconds = match Arguments::parse().task {
        Task::Produce(wanted) => produce(&wanted)?,
        Task::Read(place) => read(&place)?,
    };
    println!("{}", serde_json::json!({ "seconds": seconds }));
    Ok(())
}

/// Counts what was acknowledged.
#[derive(Default)]
struct Acknowledged(AtomicU64);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
    }
}

fn produce(wanted: &Produce) -> Result<f64, Failure> {
    let place = &wanted.place;
    let producer: BaseProducer<Acknowledged> = ClientConfig::new()
        .set("bootstrap.servers", &place.broker)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", wanted.linger_ms.to_string())
        .create_with_context(Acknowledged::default())?;
    let value: Vec<u8> = (0..wanted.value_bytes).map(|at| b' ' + u8::try_from(at * 31 % 90).unwrap_or(0)).collect();
    let header = vec![b'h'; (wanted.header_bytes / wanted.headers.max(1)).saturating_sub(HEADER_NAME.len())];
    let headers = || {
        (0..wanted.headers)
            .fold(OwnedHeaders::new(), |headers, _| headers.insert(Header { key: HEADER_NAME, value: Some(&header) }))
    };
    let start = Instant::now();
    for n in 0..place.records {
        let key = (n % 1000).to_string();
        let mut record = BaseRecord::to(&place.topic).key(&key).payload(&value).headers(headers());
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(10));
            record = back;
        }
        if n % 256 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(60))?;
    let seconds = start.elapsed().as_secs_f64();
    let acknowledged = producer.context().0.load(Ordering::Relaxed);
    if acknowledged != place.records {
        return Err(format!("{acknowledged} of {} records were acknowledged", place.records).into());
    }
    Ok(seconds)
}

const HEADER_NAME: &str = "header-name";

fn read(place: &Where) -> Result<f64, Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &place.broker)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(&place.topic), Duration::from_secs(10))?;
    let mut from = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        from.add_partition_offset(&place.topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&from)?;
    let (mut records, mut start) = (0, Instant::now());
    while records < place.records {
        let Some(record) = consumer.poll(Duration::from_secs(1)) else { continue };
        let record = record?;
        if records == 0 {
            start = Instant::now();
        }
        black_box(record.payload().map(|payload| (payload.len(), payload.last().copied())));
        records += 1;
    }
    Ok(start.elapsed().as_secs_f64())
}
