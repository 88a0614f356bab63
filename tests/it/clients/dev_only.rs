//! What only the dev broker is asked: to come back while clients hang on, and to refuse what it does not have.

use std::collections::HashSet;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer};

use super::broker;
use super::client::{PATIENCE, config, eventually, fresh, producer, reader, send, topic};
use super::member::join;

#[tokio::test(flavor = "multi_thread")]
async fn clients_go_on_after_a_restart() {
    let mut broker = broker::start().await;
    let bootstrap = broker.bootstrap().to_string();
    let topic = topic(&bootstrap, 4, &[]).await;
    let producer = producer(&bootstrap, "lz4");
    let member = join(&bootstrap, &fresh("group"), &topic, &[]);
    eventually("partitions are assigned", || member.partitions().len() == 4).await;
    for n in 0..100 {
        send(&producer, &topic, n % 4, b"before").await.expect("a record");
    }
    broker.stop();
    let waiting = tokio::spawn({
        let (producer, topic) = (producer.clone(), topic.clone());
        async move { send(&producer, &topic, 0, b"meanwhile").await }
    });
    eventually("the record is on its way", || producer.in_flight_count() == 1).await;
    assert!(!waiting.is_finished());
    broker.restart();
    waiting.await.expect("no panic").expect("it is acknowledged after the restart");
    for n in 0..100 {
        send(&producer, &topic, n % 4, b"after").await.expect("a record");
    }
    // A commit may be lost with the broker: then a record is read again, but none is left out.
    let distinct = || member.read().into_iter().collect::<HashSet<_>>().len();
    eventually("201 records", || distinct() == 201).await;
    let ends: i64 = (0..4)
        .map(|partition| reader(&bootstrap, "error").fetch_watermarks(&topic, partition, PATIENCE).expect("ends").1)
        .sum();
    assert_eq!(ends, 201, "nothing was written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_producer_is_refused_at_once_and_told_why() {
    let broker = broker::start().await;
    let producer: FutureProducer = config(broker.bootstrap())
        .set("transactional.id", fresh("transactions"))
        .set("transaction.timeout.ms", "60000")
        .create()
        .expect("a producer");
    let started = std::time::Instant::now();
    let refused = tokio::task::spawn_blocking(move || producer.init_transactions(PATIENCE)).await.expect("no panic");
    let error = refused.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "not tried again and again");
    let KafkaError::Transaction(error) = error else { panic!("{error:?}") };
    assert!(error.is_fatal());
    assert!(error.string().contains("the dev broker has no transactions: use a real Kafka"), "{}", error.string());
}
