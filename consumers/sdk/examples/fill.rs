//! Fills a topic with events, for load tests of consumers: `fill HOST:PORT TOPIC COUNT [BODY_BYTES]`.
//! Each tenth event is a redelivery of an earlier one; keys are spread over a thousand customers.

use std::time::Instant;

use hooklog_kafka::{Append, AppendError, Connection, Metrics, Outgoing, Writer, WriterSettings};
use hooklog_process::metrics::Registry;
use hooklog_schemas::{
    Envelope, EventId, EventType, Frame, OrderingKey, RequestHeaders, SourceName, Timestamp, TopicName, codec,
};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, count, rest @ ..] = &args[..] else {
        return Err("usage: fill HOST:PORT TOPIC COUNT [BODY_BYTES]".into());
    };
    let (topic, count): (TopicName, u64) = (topic.parse()?, count.parse()?);
    let body_bytes: usize = rest.first().map_or(Ok(500), |text| text.parse())?;
    let metrics = Metrics::register(&Registry::new())?;
    let writer = Writer::start(&Connection::plain(bootstrap, "fill"), &WriterSettings::default(), &metrics)?;
    let body = serde_json::json!({ "data": { "object": { "customer": "cus_1", "amount": 1, "currency": "eur" } } });
    let body = format!("{body}{}", " ".repeat(body_bytes.saturating_sub(body.to_string().len())));
    let body_sha256: [u8; 32] = Sha256::digest(&body).into();
    let start = Instant::now();
    for number in 0..count {
        let id = if number % 10 == 9 { number / 2 } else { number };
        let envelope = Envelope {
            id: EventId::parse(&format!("evt_{id}"))?,
            source: SourceName::parse("stripe")?,
            kind: EventType::parse("charge.succeeded")?,
            key: OrderingKey::parse(&format!("cus_{}", id % 1000))?,
            received_at: Timestamp(1_767_225_600_000),
            scheme: "none".to_owned(),
            headers: RequestHeaders::default(),
            content_type: Some("application/json".to_owned()),
            body: body.clone().into(),
            body_sha256,
            trace: None,
        };
        let (key, value) = (envelope.key.as_str().as_bytes(), codec::encode(&envelope, Frame::SingleObject));
        loop {
            let record = Outgoing {
                topic: &topic,
                partition: None,
                key: Some(key),
                value: &value,
                headers: &[],
                timestamp: None,
            };
            match writer.append(record) {
                // Whether all arrived is told by the flush at the end.
                Ok(delivery) => break drop(delivery),
                Err(AppendError::Full) => std::thread::sleep(std::time::Duration::from_millis(5)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    let _ = writer.flush(std::time::Duration::from_secs(120));
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{count} events in {seconds:.1} s");
    Ok(())
}
