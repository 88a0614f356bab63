//! Clients as the checks use them: settings spelled out, names fresh, waits with a deadline.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;

/// How long anything may take before a check fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The largest record any check sends.
pub(crate) const LARGEST: &str = "31457280";

/// A name nobody else uses.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}

pub(crate) fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("reconnect.backoff.max.ms", "500");
    config
}

pub(crate) fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    config(bootstrap).create().expect("an admin client")
}

pub(crate) fn patient() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// An idempotent producer.
pub(crate) fn producer(bootstrap: &str, codec: &str) -> FutureProducer {
    config(bootstrap)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", codec)
        .set("linger.ms", "5")
        .set("message.max.bytes", LARGEST)
        .set("message.timeout.ms", "60000")
        .create()
        .expect("a producer")
}

/// A consumer that reads what it is assigned by hand.
pub(crate) fn reader(bootstrap: &str, reset: &str) -> BaseConsumer {
    config(bootstrap)
        .set("group.id", fresh("reader"))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", reset)
        .set("fetch.message.max.bytes", LARGEST)
        .create()
        .expect("a consumer")
}

/// Creates a topic with a fresh name.
pub(crate) async fn topic(bootstrap: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
    let name = fresh("topic");
    create(bootstrap, &name, partitions, settings).await.expect("the topic is created");
    name
}

/// Creates a topic; gives the broker's reason if it does not.
pub(crate) async fn create(
    bootstrap: &str,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<(), RDKafkaErrorCode> {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (setting, value) in settings {
        topic = topic.set(setting, value);
    }
    let results = admin(bootstrap).create_topics(&[topic], &patient()).await.expect("the broker answers");
    results.into_iter().next().expect("one result").map(|_| ()).map_err(|(_, error)| error)
}

/// Sends one record and waits for it.
pub(crate) async fn send(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    payload: &[u8],
) -> Result<i64, KafkaError> {
    let record = FutureRecord::<(), _>::to(topic).partition(partition).payload(payload);
    producer.send(record, PATIENCE).await.map(|delivery| delivery.offset).map_err(|(error, _)| error)
}

/// The next record, or the error the consumer reports.
pub(crate) fn next(consumer: &BaseConsumer) -> Result<OwnedMessage, KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(polled) = consumer.poll(Duration::from_millis(100)) {
            return polled.map(|message| message.detach());
        }
    }
    panic!("nothing came in {PATIENCE:?}")
}

/// Waits until something holds; `what` says what is being waited for.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
