//! Real Kafka starts, is killed and comes back, and the independent reader reads what was written, byte for byte.

use std::time::Duration;

use hooklog_tests::broker::RawRecord;
use hooklog_tests::java::{Isolation, read_back};
use hooklog_tests::kafka::{Kafka, NodeId};
use hooklog_tests::names::unique;

fn numbered(records: std::ops::Range<u32>) -> Vec<RawRecord> {
    let record = |n: u32| RawRecord {
        key: Some(format!("k{}", n % 10).into()),
        value: Some(n.to_string().into()),
        partition: None,
    };
    records.map(record).collect()
}

/// The numbers in the log, sorted.
fn numbers(bootstrap: &str, topic: &str) -> Vec<u32> {
    let records = read_back(bootstrap, &[topic], Isolation::ReadUncommitted);
    let number = |value: Option<Vec<u8>>| {
        let text = String::from_utf8(value.expect("a value")).expect("text");
        text.parse().expect("a number")
    };
    let mut numbers: Vec<u32> = records.into_iter().map(|record| number(record.value)).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_back_byte_for_byte() {
    let kafka = Kafka::shared().await;
    let topic = unique("read.back");
    kafka.broker().create_topic(&topic, 3).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let records = [
        RawRecord { partition: Some(0), key: Some(every_byte.clone()), value: Some(every_byte.clone()) },
        RawRecord { partition: Some(0), key: None, value: None },
        RawRecord { partition: Some(2), key: Some(vec![]), value: Some(vec![7; 500_000]) },
    ];
    kafka.broker().append(&topic, &records).await;
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        let read = read_back(kafka.bootstrap(), &[&topic], isolation);
        let again: Vec<_> =
            read.iter().map(|record| (Some(record.partition), record.key.clone(), record.value.clone())).collect();
        let sent: Vec<_> = records.iter().cloned().map(|record| (record.partition, record.key, record.value)).collect();
        assert_eq!(again, sent);
        assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 0]);
    }
    assert_eq!(kafka.broker().ends(&topic).await, [2, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_keeps_its_log_over_a_kill_and_a_stop() {
    let mut kafka = Kafka::one().await;
    let (broker, node) = (kafka.broker(), NodeId(1));
    broker.create_topic("kept", 2).await;
    broker.append("kept", &numbered(0..500)).await;
    kafka.kill9(node);
    assert!(!kafka.runs(node));
    kafka.start(node).await;
    broker.append("kept", &numbered(500..600)).await;
    kafka.stop(node).await;
    kafka.start(node).await;
    assert_eq!(numbers(kafka.bootstrap(), "kept"), (0..600).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_go_on_without_the_leader() {
    let mut kafka = Kafka::three().await;
    let broker = kafka.broker();
    broker.create_topic("led", 1).await;
    broker.in_sync("led", 3, Duration::from_secs(30)).await;
    broker.append("led", &numbered(0..100)).await;
    let leader = broker.leader("led", 0).await;
    kafka.kill9(leader);
    broker.append("led", &numbered(100..200)).await;
    assert_ne!(broker.leader("led", 0).await, leader);
    kafka.start(leader).await;
    broker.in_sync("led", 3, Duration::from_secs(60)).await;
    kafka.pause(leader);
    broker.append("led", &numbered(200..300)).await;
    kafka.resume(leader);
    assert_eq!(numbers(kafka.bootstrap(), "led"), (0..300).collect::<Vec<_>>());
}
