//! How many awaited appends a second a writer makes, for choosing its settings by measurement.
//!
//! ```text
//! cargo run -p hooklog-kafka --example append_rate -- BOOTSTRAP TOPIC [CALLERS=64] [SECONDS=5] [BYTES=2048] [ROUNDS=1]
//! ```
//!
//! The topic must exist. Each caller is a task that awaits one append after the other, as requests at the edge do; the runtime has two
//! threads. For each linger the rate, the latency's quantiles and this process' processor time for one append are printed, then the same
//! with the library's `FutureProducer`. Rounds repeat all of it, for machines that are not quiet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hooklog_kafka::{Append, Compression, Connection, Metrics, Outgoing, Writer, WriterSettings};
use hooklog_schemas::TopicName;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

const LINGERS_US: &[u64] = &[0, 100, 200, 500, 1000, 2000];

struct Load {
    bootstrap: String,
    topic: TopicName,
    callers: usize,
    length: Duration,
    bytes: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let [bootstrap, topic, ..] = &arguments[..] else { return Err("usage: append_rate BOOTSTRAP TOPIC …".into()) };
    let load = Arc::new(Load {
        bootstrap: bootstrap.clone(),
        topic: TopicName::parse(topic)?,
        callers: number(2, 64),
        length: Duration::from_secs(number(3, 5) as u64),
        bytes: number(4, 2048),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for _ in 0..number(5, 1) {
        for linger in LINGERS_US.iter().map(|us| Duration::from_micros(*us)) {
            for compression in [Compression::None, Compression::Lz4] {
                let settings = WriterSettings { linger, compression, ..WriterSettings::default() };
                runtime.block_on(with_writer(&load, settings))?;
            }
        }
        for linger in ["0", "0.5"] {
            runtime.block_on(with_future_producer(&load, linger))?;
        }
    }
    Ok(())
}

async fn with_writer(load: &Arc<Load>, settings: WriterSettings) -> Result<(), Box<dyn std::error::Error>> {
    let connection = Connection::plain(&load.bootstrap, "append-rate");
    let writer = Writer::start(&connection, &settings, &Metrics::unobserved())?;
    let topic = load.topic.clone();
    let measured = measure(load, move |key, value| {
        let headers: Vec<(&str, &[u8])> = HEADERS.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
        let record =
            Outgoing { topic: &topic, partition: None, key: Some(key), value, headers: &headers, timestamp: None };
        writer.append(record).expect("the queue has room")
    })
    .await;
    report(&format!("writer, {:?}, linger {:?}", settings.compression, settings.linger), load, &measured);
    Ok(())
}

async fn with_future_producer(load: &Arc<Load>, linger: &str) -> Result<(), Box<dyn std::error::Error>> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &load.bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", linger)
        .create()?;
    let topic = load.topic.clone();
    let measured = measure(load, move |key, value| {
        let headers = HEADERS
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
        let record = FutureRecord::to(topic.as_str()).key(key).payload(value).headers(headers);
        producer.send_result(record).map_err(|(error, _)| error).expect("the queue has room")
    })
    .await;
    report(&format!("FutureProducer, linger {linger} ms"), load, &measured);
    Ok(())
}

const HEADERS: &[(&str, &str)] = &[
    ("ce_specversion", "1.0"),
    ("ce_id", "evt_1MqqbKLt4dXK03v5qaIbiNCC"),
    ("ce_source", "/sources/stripe"),
    ("ce_type", "charge.succeeded"),
    ("ce_time", "2026-11-24T23:59:59.123Z"),
    ("content-type", "application/avro"),
];

/// What a run gave: latencies in order, and processor time.
struct Measured {
    latencies: Vec<Duration>,
    processor: Duration,
}

/// Awaits appends from all callers for the load's length, after some that pay for the connections.
async fn measure<F, D>(load: &Load, append: F) -> Measured
where
    F: Fn(&[u8], &[u8]) -> D + Send + Sync + 'static,
    D: Future + Send,
{
    let append = Arc::new(append);
    let stop = Arc::new(AtomicBool::new(false));
    for partition in 0..64_u32 {
        append(&partition.to_le_bytes(), b"first").await;
    }
    let before = processor_time();
    let callers: Vec<_> = (0..load.callers)
        .map(|caller| {
            let (append, stop, value) = (Arc::clone(&append), Arc::clone(&stop), value(load.bytes, caller));
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    append(&(caller * 1_000_003 + latencies.len()).to_le_bytes(), &value).await;
                    latencies.push(begun.elapsed());
                }
                latencies
            })
        })
        .collect();
    tokio::time::sleep(load.length).await;
    let processor = processor_time().saturating_sub(before);
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await.expect("a caller does not panic"));
    }
    latencies.sort_unstable();
    Measured { latencies, processor }
}

/// Half of it hexadecimal digits, as ids and amounts are; the rest repeats.
fn value(bytes: usize, caller: usize) -> Vec<u8> {
    let digit = |at: usize| b"0123456789abcdef"[(at * 7919 + caller * 31 + at / 3) % 16];
    (0..bytes).map(|at| if at % 2 == 0 { digit(at) } else { b'"' }).collect()
}

/// User and system time of this process, as Linux counts it in hundredths of a second; zero elsewhere.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn report(what: &str, load: &Load, Measured { latencies, processor }: &Measured) {
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let rate = latencies.len() as f64 / load.length.as_secs_f64();
    let each = processor.as_secs_f64() * 1e6 / latencies.len() as f64;
    println!("{what:<30} {rate:>7.0}/s  p50 {:>8.1?}  p99 {:>8.1?}  processor {each:>5.1} µs", at(0.5), at(0.99));
}
