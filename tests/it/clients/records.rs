//! Records: what goes in comes out.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{PATIENCE, next, producer, reader, send, topic};

fn from_start(bootstrap: &str, topic: &str, partitions: i32) -> BaseConsumer {
    let consumer = reader(bootstrap, "error");
    let mut places = TopicPartitionList::new();
    for partition in 0..partitions {
        places.add_partition_offset(topic, partition, Offset::Beginning).expect("a place");
    }
    consumer.assign(&places).expect("it is assigned");
    consumer
}

/// Half of it cannot be compressed, half can.
fn body(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut body = Vec::with_capacity(len);
    while body.len() < len / 2 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        body.extend_from_slice(&state.to_le_bytes());
    }
    let text = br#"{"event":"push","ok":true},"#.iter().cycle();
    body.extend(text.take(len - body.len()));
    body
}

pub(crate) async fn every_codec_brings_back_what_was_sent(bootstrap: &str) {
    const RECORDS: u64 = 500;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        // The records are old: they must not be dropped for it.
        let topic = topic(bootstrap, 4, &[("retention.ms", "-1")]).await;
        let producer = producer(bootstrap, codec);
        let sending = (0..RECORDS).map(|n| {
            let (producer, topic) = (producer.clone(), topic.clone());
            async move {
                let id = n.to_string();
                let headers = OwnedHeaders::new()
                    .insert(Header { key: "id", value: Some(&id) })
                    .insert(Header { key: "empty", value: None::<&str> });
                let (key, payload) = (format!("key {}", n % 50), body(n, 1_000));
                let record = FutureRecord::to(&topic).key(&key).payload(&payload).headers(headers);
                producer.send(record.timestamp(1_700_000_000_000), PATIENCE).await.map_err(|(error, _)| error)
            }
        });
        try_join_all(sending).await.expect("every record is acknowledged");
        let consumer = from_start(bootstrap, &topic, 4);
        let mut ends = [0; 4];
        let mut ids = Vec::new();
        for _ in 0..RECORDS {
            let message = next(&consumer).expect("a record");
            let end = &mut ends[usize::try_from(message.partition()).unwrap()];
            assert_eq!(message.offset(), *end, "offsets follow each other");
            *end += 1;
            let headers = message.headers().expect("headers");
            let id: u64 = std::str::from_utf8(headers.get(0).value.unwrap()).unwrap().parse().unwrap();
            assert_eq!((headers.count(), headers.get(1).key, headers.get(1).value), (2, "empty", None));
            assert_eq!(message.key(), Some(format!("key {}", id % 50).as_bytes()));
            assert_eq!(message.payload(), Some(&body(id, 1_000)[..]));
            assert_eq!(message.timestamp().to_millis(), Some(1_700_000_000_000));
            ids.push(id);
        }
        ids.sort_unstable();
        assert_eq!(ids, (0..RECORDS).collect::<Vec<_>>(), "{codec}");
    }
}

pub(crate) async fn a_record_of_twenty_megabytes_passes(bootstrap: &str) {
    let topic = topic(bootstrap, 1, &[("max.message.bytes", "31457280")]).await;
    let large = body(7, 20_000_000);
    send(&producer(bootstrap, "none"), &topic, 0, &large).await.expect("it is acknowledged");
    let message = next(&from_start(bootstrap, &topic, 1)).expect("it is read");
    assert!(message.payload() == Some(&large[..]), "it is the same");
}

pub(crate) async fn a_record_beyond_the_topic_s_limit_is_refused(bootstrap: &str) {
    let topic = topic(bootstrap, 1, &[("max.message.bytes", "1000000")]).await;
    let producer = producer(bootstrap, "none");
    let refused = send(&producer, &topic, 0, &body(7, 2_000_000)).await.unwrap_err();
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::MessageSizeTooLarge));
    assert_eq!(send(&producer, &topic, 0, b"small").await.expect("the next one fits"), 0);
}

pub(crate) async fn a_waiting_reader_gets_a_record_at_once(bootstrap: &str) {
    let topic = topic(bootstrap, 1, &[]).await;
    let producer = producer(bootstrap, "none");
    let consumer = from_start(bootstrap, &topic, 1);
    send(&producer, &topic, 0, b"warm").await.expect("a record");
    next(&consumer).expect("connections are there");
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let sent = Instant::now();
        send(&producer, &topic, 0, b"x").await.expect("a record");
        next(&consumer).expect("a record");
        fastest = fastest.min(sent.elapsed());
    }
    // A fetch that is not woken waits for its 500 ms.
    assert!(fastest < Duration::from_millis(300), "the fastest took {fastest:?}");
}
