//! What is written without the edge: records of a given size by a bare producer, and events for the consumers.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hooklog_schemas::{Envelope, EventId, EventType, Frame, OrderingKey, SourceName, Timestamp, codec};
use rdkafka::message::{Header as RecordHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::broker::client;
use crate::error::BenchError;
use crate::machine::CpuSeconds;
use crate::process::{Process, sibling};
use crate::topic::Shape;
use crate::webhook::webhooks;

/// What the bare producer is to write.
#[derive(Debug, Clone, Copy)]
pub struct Produced {
    /// Where.
    pub topic: &'static str,
    /// How many.
    pub records: u64,
    /// How large.
    pub shape: Shape,
    /// With which linger, in milliseconds.
    pub linger_ms: u32,
}

/// What a bare client says at its end.
#[derive(Deserialize)]
pub(crate) struct Took {
    pub(crate) seconds: f64,
}

impl Took {
    pub(crate) fn read(name: &str, said: &str) -> Result<f64, BenchError> {
        let took: Option<Self> = serde_json::from_str(said.trim()).ok();
        took.map(|took| took.seconds).ok_or_else(|| BenchError::Said {
            name: name.to_owned(),
            said: said.to_owned(),
            expected: "time",
        })
    }
}

/// Runs the bare producer: its seconds from the first record to the last acknowledgement, and all its CPU.
///
/// # Errors
/// When it fails, or takes longer than `patience`.
pub fn produce(
    address: &str,
    wanted: &Produced,
    folder: &Path,
    patience: Duration,
) -> Result<(f64, CpuSeconds), BenchError> {
    let mut bare = sibling("bare")?;
    bare.args(["produce", "--broker", address, "--topic", wanted.topic]);
    for (flag, value) in [
        ("--records", wanted.records),
        ("--value-bytes", wanted.shape.value as u64),
        ("--headers", wanted.shape.headers as u64),
        ("--header-bytes", wanted.shape.header_bytes as u64),
        ("--linger-ms", u64::from(wanted.linger_ms)),
    ] {
        bare.args([flag, &value.to_string()]);
    }
    let ended =
        Process::start("bare-produce", &mut bare, folder, "build it first (`make bench` does)")?.finish(patience)?;
    Ok((Took::read("bare produce", &ended.said)?, ended.cpu))
}

/// Writes events as the edge would: envelopes of the same webhooks, each id once.
///
/// # Errors
/// When Kafka does not take them all.
pub fn events(address: &str, topic: &str, count: u64) -> Result<(), BenchError> {
    let mut config = client(address);
    config.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "5");
    let producer: BaseProducer = config.create()?;
    let webhooks = webhooks();
    let mut envelope = Template::new(topic);
    for n in 0..count {
        let webhook = &webhooks[usize::try_from(n).unwrap_or(0) % webhooks.len()];
        let event = envelope.event(n, &webhook.repository.to_string(), &webhook.body);
        let value = codec::encode(&event, Frame::SingleObject);
        let dedupe_id = event.dedupe_id();
        let headers = [("ce_id", event.id.as_str()), ("hooklog-dedupe-id", &dedupe_id)]
            .into_iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(RecordHeader { key, value: Some(value) })
            });
        let mut record = BaseRecord::to(topic).key(event.key.as_str()).payload(&value).headers(headers);
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(rdkafka::types::RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(10));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(())
}

/// What all events have in common.
struct Template {
    source: SourceName,
    kind: EventType,
}

impl Template {
    fn new(topic: &str) -> Self {
        let source = topic.rsplit('.').next().unwrap_or(topic);
        Self {
            source: SourceName::parse(source).expect("a topic of the bench ends in a source's name"),
            kind: EventType::parse("push").expect("push is a type"),
        }
    }

    fn event(&mut self, n: u64, key: &str, body: &str) -> Envelope {
        Envelope {
            id: EventId::parse(&format!("{n:08x}-0000-4000-8000-000000000000")).expect("an id of hex digits"),
            source: self.source.clone(),
            kind: self.kind.clone(),
            key: OrderingKey::parse(key).expect("a number is a key"),
            received_at: Timestamp(1_767_225_600_000),
            scheme: "github:bench".to_owned(),
            headers: [
                ("user-agent", "GitHub-Hookshot/0123456"),
                ("content-type", "application/json"),
                ("x-github-event", "push"),
            ]
            .into_iter()
            .collect(),
            content_type: Some("application/json".to_owned()),
            body: Bytes::copy_from_slice(body.as_bytes()),
            body_sha256: Sha256::digest(body).into(),
            trace: None,
        }
    }
}
