//! The writer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hooklog_kafka::admin::Created;
use hooklog_kafka::partitioner::partition_of;
use hooklog_kafka::{Admin, Append, AppendError, Connection, Outgoing};
use hooklog_schemas::{Position, TopicName};
use hooklog_tests::names::unique;

use super::fixture::{Fixture, PATIENCE, append, number};

const THREADS: u32 = 16;
const EACH: u32 = 500;

/// Each thread awaits its appends one by one, under a key of its own.
pub(crate) fn every_acknowledged_record_is_in_the_log_once_and_in_order(bootstrap: &str) {
    let fixture = Fixture::new(bootstrap, 4);
    let writer = Arc::new(fixture.writer());
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (writer, topic) = (Arc::clone(&writer), fixture.topic.clone());
            std::thread::spawn(move || {
                let append = |turn: u32| {
                    let (key, value) = (thread.to_le_bytes(), (thread * EACH + turn).to_string());
                    let headers: &[(&str, &[u8])] = &[("turn", value.as_bytes())];
                    let record = Outgoing {
                        topic: &topic,
                        partition: None,
                        key: Some(&key),
                        value: value.as_bytes(),
                        headers,
                        timestamp: None,
                    };
                    let position = writer.append(record).unwrap().wait(PATIENCE).unwrap().unwrap();
                    assert_eq!(position.partition, partition_of(&key, 4.try_into().unwrap()));
                    (position, thread * EACH + turn)
                };
                (0..EACH).map(append).collect::<Vec<_>>()
            })
        })
        .collect();
    let acknowledged: HashMap<Position, u32> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let read = fixture.read_all();
    assert_eq!(read.len(), usize::try_from(THREADS * EACH).unwrap(), "nothing twice");
    let mut last: HashMap<Vec<u8>, u32> = HashMap::new();
    for record in &read {
        assert_eq!(acknowledged.get(&record.position), Some(&number(record)), "where the report said");
        assert_eq!(record.headers.get("turn"), record.value.as_deref());
        let before = last.insert(record.key.as_deref().unwrap().to_vec(), number(record));
        assert!(before < Some(number(record)), "a key's order");
    }
}

pub(crate) fn a_topic_is_taken_as_soon_as_it_exists(bootstrap: &str) {
    let fixture = Fixture::new(bootstrap, 1);
    let writer = fixture.writer();
    let position = append(&writer, &fixture.topic, None, b"1").wait(PATIENCE).unwrap().unwrap();
    assert_eq!(position.offset.0, 0, "a topic made a moment ago");

    let missing = TopicName::parse(&unique("log.missing")).unwrap();
    let begun = Instant::now();
    let error = append(&writer, &missing, None, b"1").wait(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error, AppendError::UnknownTopic { topic: missing.clone() });
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    let mut spec = fixture.spec(1, &[]);
    spec.topic = missing.clone();
    assert_eq!(
        Admin::new(&Connection::plain(bootstrap, "x")).unwrap().create(&[spec], PATIENCE).unwrap(),
        [Created::New]
    );
    let record =
        || Outgoing { topic: &missing, partition: None, key: None, value: b"2", headers: &[], timestamp: None };
    let position =
        super::fixture::eventually("the topic is seen", || writer.append(record()).ok()?.wait(PATIENCE).unwrap().ok());
    assert_eq!(position.offset.0, 0);
}

pub(crate) fn a_record_beyond_the_topic_s_limit_is_refused_with_its_size(bootstrap: &str) {
    let fixture = Fixture::with_configs(bootstrap, 1, &[("max.message.bytes", "20000")]);
    let writer = fixture.writer();
    // Bytes without a pattern: the limit is for the compressed batch.
    let mut state = 1_u64;
    let value: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 56).unwrap()
    })
    .take(50_000)
    .collect();
    let record =
        Outgoing { topic: &fixture.topic, partition: None, key: None, value: &value, headers: &[], timestamp: None };
    let error = writer.append(record).unwrap().wait(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error, AppendError::TooLarge { topic: fixture.topic.clone(), size: 50_000 });
    let position = append(&writer, &fixture.topic, None, b"1").wait(PATIENCE).unwrap().unwrap();
    assert_eq!(position.offset.0, 0, "the writer goes on");
}
