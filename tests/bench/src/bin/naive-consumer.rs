//! The naive consumer: RocksDB remembers every id and the offset, without a batch and without a sync; offsets are committed
//! every 5 s.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Headers, Message};
use rocksdb::DB;

type Failure = Box<dyn std::error::Error>;

const COMMIT_EVERY: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    broker: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    group: String,
    #[arg(long)]
    data_dir: PathBuf,
    /// How many records to read before it ends.
    #[arg(long)]
    records: u64,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let store = DB::open_default(&arguments.data_dir)?;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.broker)
        .set("group.id", &arguments.group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[&arguments.topic])?;
    let (mut read, mut applied, mut start, mut committed) = (0, 0_u64, Instant::now(), Instant::now());
    while read < arguments.records {
        let Some(record) = consumer.poll(Duration::from_secs(1)) else { continue };
        let record = record?;
        if read == 0 {
            start = Instant::now();
        }
        let headers = record.headers().ok_or("a record without headers")?;
        let id = headers.iter().find(|header| header.key == "ce_id").and_then(|header| header.value);
        let id = id.ok_or("a record without an id")?;
        if store.get(id)?.is_none() {
            applied += u64::from(record.payload().is_some_and(|payload| !payload.is_empty()));
            store.put(id, b"")?;
        }
        store.put(format!("offset-{}", record.partition()), (record.offset() + 1).to_be_bytes())?;
        read += 1;
        if committed.elapsed() > COMMIT_EVERY {
            consumer.commit_consumer_state(CommitMode::Async)?;
            committed = Instant::now();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    consumer.commit_consumer_state(CommitMode::Sync)?;
    println!("{}", serde_json::json!({ "seconds": seconds, "applied": applied }));
    Ok(())
}
