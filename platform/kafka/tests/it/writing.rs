//! The writer: what the brokers say is what the caller hears.

use std::num::NonZeroU32;
use std::time::Duration;

use hooklog_kafka::partitioner::partition_of;
use hooklog_kafka::{Append, AppendError, ErrorKind, Metrics, Outgoing, Writer, WriterSettings};
use hooklog_process::metrics::{Registry, text};
use hooklog_process::quantity::ByteSize;
use hooklog_schemas::{NextOffset, TopicName};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::mock::{Mock, PATIENCE, append, eventually};

#[test]
fn a_key_leads_to_its_partition_and_keeps_its_order() {
    let mock = Mock::with_partitions(8);
    let writer = mock.writer();
    for key in ["cus_1", "cus_2", "cus_3", "cus_4", "ключ", ""] {
        let first = append(&writer, &mock.topic, key.as_bytes(), b"1").unwrap();
        let second = append(&writer, &mock.topic, key.as_bytes(), b"2").unwrap();
        assert_eq!(first.partition, partition_of(key.as_bytes(), NonZeroU32::new(8).unwrap()), "{key}");
        assert_eq!(first.offset.next(), NextOffset(second.offset.0));
    }
    // The library counts a report until the call that hands it over has returned.
    eventually("nothing in flight", || (writer.in_flight() == 0).then_some(()));
    assert_eq!(writer.close(PATIENCE), 0);
}

#[test]
fn what_the_brokers_can_mend_is_waited_for() {
    let mock = Mock::with_partitions(1);
    let writer = mock.writer();
    let passing = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    ];
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &passing);
    assert_eq!(append(&writer, &mock.topic, b"k", b"v").unwrap().to_string(), "hooks.test/0/0");
}

#[test]
fn brokers_that_come_back_get_every_record_once_and_in_order() {
    let mock = Mock::with_partitions(1);
    let writer = mock.writer();
    append(&writer, &mock.topic, b"k", b"first").unwrap();
    mock.cluster.broker_down(1).unwrap();
    let deliveries: Vec<_> = (0..100_u32)
        .map(|number| {
            let value = number.to_le_bytes();
            writer
                .append(Outgoing {
                    topic: &mock.topic,
                    partition: None,
                    key: Some(b"k"),
                    value: &value,
                    headers: &[],
                    timestamp: None,
                })
                .unwrap()
        })
        .collect();
    assert!(!writer.flush(Duration::from_millis(300)), "nobody is there to answer");
    assert_eq!(writer.in_flight(), 100);
    mock.cluster.broker_up(1).unwrap();
    let offsets: Vec<_> = deliveries.into_iter().map(|d| d.wait(PATIENCE).unwrap().unwrap().offset.0).collect();
    assert_eq!(offsets, (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_refuses_at_once_and_counts_it() {
    let mock = Mock::with_partitions(1);
    mock.cluster.broker_down(1).unwrap();
    let registry = Registry::new();
    let settings = WriterSettings { queue: ByteSize(64 * 1024), ..WriterSettings::default() };
    let writer = Writer::start(&mock.connection(), &settings, &Metrics::register(&registry).unwrap()).unwrap();
    let value = vec![0; 1000];
    let record =
        Outgoing { topic: &mock.topic, partition: None, key: Some(b"k"), value: &value, headers: &[], timestamp: None };
    let taken = (0..1000).take_while(|_| writer.append(record).is_ok()).count();
    assert!((40..=70).contains(&taken), "{taken} records of 1 KB fit into 64 KiB");
    assert_eq!(writer.append(record).unwrap_err().kind(), ErrorKind::Full);
    assert!(text(&registry).unwrap().contains(r#"outcome="full"} 2"#));
    mock.cluster.broker_up(1).unwrap();
    assert!(writer.flush(PATIENCE));
    assert!(writer.append(record).is_ok(), "there is room again");
}

#[test]
fn a_record_that_is_too_large_is_refused_with_its_size() {
    let mock = Mock::with_partitions(1);
    let settings = WriterSettings { max_message: ByteSize(10_000), ..WriterSettings::default() };
    let writer = Writer::start(&mock.connection(), &settings, &Metrics::unobserved()).unwrap();
    let error = append(&writer, &mock.topic, b"k", &vec![0; 20_000]).unwrap_err();
    assert_eq!(error, AppendError::TooLarge { topic: mock.topic.clone(), size: 20_001 });
}

#[test]
fn a_topic_that_does_not_exist_is_said_soon() {
    let mock = Mock::with_partitions(1);
    let missing = TopicName::parse("hooks.missing").unwrap();
    mock.cluster.topic_error("hooks.missing", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let writer = mock.writer();
    let begun = std::time::Instant::now();
    let error = append(&writer, &missing, b"k", b"v").unwrap_err();
    assert!(matches!(error, AppendError::UnknownTopic { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    append(&writer, &mock.topic, b"k", b"v").unwrap();
}

#[test]
fn a_broken_producer_is_replaced_once() {
    let mock = Mock::with_partitions(1);
    let registry = Registry::new();
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED];
    mock.cluster.request_errors(RDKafkaApiKey::InitProducerId, &refused);
    let metrics = Metrics::register(&registry).unwrap();
    let writer = Writer::start(&mock.connection(), &WriterSettings::default(), &metrics).unwrap();
    let position = eventually("the new producer", || append(&writer, &mock.topic, b"k", b"v").ok());
    assert_eq!(position.to_string(), "hooks.test/0/0");
    assert!(text(&registry).unwrap().contains(r#"hooklog_kafka_producer_rebuilds_total{client="test"} 1"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_await_their_own_reports() {
    let mock = Mock::with_partitions(8);
    let writer = std::sync::Arc::new(mock.writer());
    let tasks: Vec<_> = (0..64_u32)
        .map(|task| {
            let (writer, topic) = (std::sync::Arc::clone(&writer), mock.topic.clone());
            tokio::spawn(async move {
                let mut last = None;
                for turn in 0..20_u32 {
                    let (key, value) = (task.to_le_bytes(), turn.to_le_bytes());
                    let record = Outgoing {
                        topic: &topic,
                        partition: None,
                        key: Some(&key),
                        value: &value,
                        headers: &[],
                        timestamp: None,
                    };
                    let position = writer.append(record).unwrap().await.unwrap();
                    assert!(last < Some(position.offset), "a key's offsets grow");
                    last = Some(position.offset);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
