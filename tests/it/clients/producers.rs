//! Producers: nothing is lost and nothing is there twice.

use std::collections::HashSet;

use futures_util::future::join_all;
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{PATIENCE, admin, create, next, patient, producer, reader, send, topic};

pub(crate) async fn an_idempotent_producer_goes_on_over_a_topic_made_again(bootstrap: &str) {
    let name = topic(bootstrap, 1, &[]).await;
    let producer = producer(bootstrap, "lz4");
    for _ in 0..10 {
        send(&producer, &name, 0, b"before").await.expect("a record");
    }
    admin(bootstrap).delete_topics(&[&name], &patient()).await.expect("an answer")[0].as_ref().expect("it is deleted");
    let deadline = std::time::Instant::now() + PATIENCE;
    while let Err(error) = create(bootstrap, &name, 1, &[]).await {
        assert_eq!(error, RDKafkaErrorCode::TopicAlreadyExists);
        assert!(std::time::Instant::now() < deadline, "the topic is never gone");
    }
    send(&producer, &name, 0, b"after").await.expect("the same producer goes on");
}

pub(crate) async fn many_producers_lose_and_repeat_nothing(bootstrap: &str) {
    const PRODUCERS: usize = 8;
    const EACH: usize = 500;
    let topic = topic(bootstrap, 2, &[]).await;
    let sending = (0..PRODUCERS).map(|who| {
        let (producer, topic) = (producer(bootstrap, "none"), topic.clone());
        async move {
            for n in 0..EACH / 50 {
                let batch = (0..50).map(|k| {
                    let (producer, topic) = (producer.clone(), topic.clone());
                    async move { send(&producer, &topic, k % 2, format!("{who}/{n}/{k}").as_bytes()).await }
                });
                for sent in join_all(batch).await {
                    sent.expect("every record is acknowledged");
                }
            }
        }
    });
    join_all(sending).await;
    let consumer = reader(bootstrap, "error");
    let mut places = TopicPartitionList::new();
    for partition in 0..2 {
        places.add_partition_offset(&topic, partition, Offset::Beginning).expect("a place");
    }
    consumer.assign(&places).expect("it is assigned");
    let mut seen = HashSet::new();
    for _ in 0..PRODUCERS * EACH {
        let payload = next(&consumer).expect("a record").payload().expect("a payload").to_vec();
        assert!(seen.insert(payload), "a record is there twice");
    }
    let ends: i64 = (0..2).map(|p| consumer.fetch_watermarks(&topic, p, PATIENCE).expect("watermarks").1).sum();
    assert_eq!(ends, i64::try_from(PRODUCERS * EACH).unwrap());
}
