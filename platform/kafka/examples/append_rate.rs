//! How many awaited appends a second a writer makes, for choosing its settings by measurement.
//!
//! ```text
//! cargo run -p hooklog-kafka --example append_rate -- BOOTSTRAP TOPIC [CALLERS=64] [SECONDS=5] [BYTES=2048]
//! ```
//!
//! The topic must exist. Each caller is a task that awaits one append after the other, as requests at the edge do; the runtime has two
//! threads. For each linger the rate and the latency's quantiles are printed, then the same with the library's `FutureProducer`.

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
    for compression in [Compression::Lz4, Compression::None] {
        for linger in LINGERS_US.iter().map(|us| Duration::from_micros(*us)) {
            let settings = WriterSettings { linger, compression, ..WriterSettings::default() };
            let connection = Connection::plain(&load.bootstrap, "append-rate");
            let writer = Arc::new(Writer::start(&connection, &settings, &Metrics::unobserved())?);
            let appended = {
                let (writer, load) = (Arc::clone(&writer), Arc::clone(&load));
                runtime.block_on(measure(Arc::clone(&load), move |key, value| {
                    let headers: Vec<(&str, &[u8])> = HEADERS.iter().map(|(k, v)| (*k, v.as_bytes())).collect();
                    writer
                        .append(Outgoing {
                            topic: &load.topic,
                            partition: None,
                            key: Some(key),
                            value,
                            headers: &headers,
                            timestamp: None,
                        })
                        .expect("the queue has room")
                }))
            };
            report(&format!("writer, {compression:?}, linger {linger:?}"), &load, appended);
        }
    }
    for linger in ["0", "0.5"] {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &load.bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", linger)
            .set("compression.type", "lz4")
            .create()?;
        let topic = load.topic.clone();
        let appended = runtime.block_on(measure(Arc::clone(&load), move |key, value| {
            let headers = HEADERS.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(*value) })
            });
            let record = FutureRecord::to(topic.as_str()).key(key).payload(value).headers(headers);
            producer.send_result(record).map_err(|(error, _)| error).expect("the queue has room")
        }));
        report(&format!("FutureProducer, linger {linger} ms"), &load, appended);
    }
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

/// Awaits appends from all callers for the load's length, after one that pays for the connections; latencies in order.
async fn measure<F, D>(load: Arc<Load>, append: F) -> Vec<Duration>
where
    F: Fn(&[u8], &[u8]) -> D + Send + Sync + 'static,
    D: Future + Send,
{
    let append = Arc::new(append);
    let stop = Arc::new(AtomicBool::new(false));
    for partition in 0..64_u32 {
        append(&partition.to_le_bytes(), b"first").await;
    }
    let callers: Vec<_> = (0..load.callers)
        .map(|caller| {
            let (append, stop, bytes) = (Arc::clone(&append), Arc::clone(&stop), load.bytes);
            tokio::spawn(async move {
                // Half of it random hexadecimal, as ids and amounts are; the rest repeats.
                let value: Vec<u8> = (0..bytes)
                    .map(|at| if at % 2 == 0 { b"0123456789abcdef"[(at * 7919 + caller * 31 + at / 3) % 16] } else { b'"' })
                    .collect();
                let mut latencies = Vec::new();
                let mut turn = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    append(&(caller as u64 * 1_000_003 + turn).to_le_bytes(), &value).await;
                    latencies.push(begun.elapsed());
                    turn += 1;
                }
                latencies
            })
        })
        .collect();
    tokio::time::sleep(load.length).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.expect("a caller does not panic"));
    }
    all.sort_unstable();
    all
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn report(what: &str, load: &Load, latencies: Vec<Duration>) {
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let rate = latencies.len() as f64 / load.length.as_secs_f64();
    println!("{what:<36} {rate:>8.0}/s   p50 {:>9.1?}   p99 {:>9.1?}   max {:>9.1?}", at(0.5), at(0.99), at(1.0));
}
