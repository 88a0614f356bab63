//! Topics: created, described, changed, deleted.

use rdkafka::admin::{AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use super::client::{PATIENCE, admin, create, eventually, fresh, patient, producer, reader, send, topic};

fn partitions(consumer: &BaseConsumer, topic: &str) -> usize {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
    metadata.topics()[0].partitions().len()
}

fn topics(consumer: &BaseConsumer) -> Vec<String> {
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("metadata");
    metadata.topics().iter().map(|topic| topic.name().to_string()).collect()
}

async fn setting(bootstrap: &str, topic: &str, name: &str) -> Option<String> {
    let asked = [ResourceSpecifier::Topic(topic)];
    let described = admin(bootstrap).describe_configs(&asked, &patient()).await.expect("the broker answers");
    let config = described.into_iter().next().expect("one result").expect("the topic is described");
    config.get(name).and_then(|entry| entry.value.clone())
}

pub(crate) async fn topics_have_the_settings_they_were_created_with(bootstrap: &str) {
    let settings = [
        ("retention.ms", "3600000"),
        ("retention.bytes", "100000000"),
        ("max.message.bytes", "31457280"),
        ("segment.bytes", "2097152"),
        ("cleanup.policy", "compact"),
        ("compression.type", "producer"),
        ("message.timestamp.type", "CreateTime"),
        ("min.insync.replicas", "1"),
    ];
    let name = topic(bootstrap, 8, &settings).await;
    for (setting_name, value) in settings {
        assert_eq!(setting(bootstrap, &name, setting_name).await.as_deref(), Some(value), "{setting_name}");
    }
    let consumer = reader(bootstrap, "earliest");
    assert_eq!(partitions(&consumer, &name), 8);
    assert!(consumer.client().fetch_cluster_id(PATIENCE).is_some_and(|id| !id.is_empty()));
}

pub(crate) async fn what_cannot_be_created_is_refused_with_the_reason(bootstrap: &str) {
    let name = topic(bootstrap, 1, &[]).await;
    let refused = async |name: &str, settings| create(bootstrap, name, 1, settings).await.unwrap_err();
    assert_eq!(refused(&name, &[]).await, RDKafkaErrorCode::TopicAlreadyExists);
    assert_eq!(refused("bad/name", &[]).await, RDKafkaErrorCode::InvalidTopic);
    assert_eq!(refused(&fresh("t"), &[("no.such.setting", "1")]).await, RDKafkaErrorCode::InvalidConfig);
    assert_eq!(refused(&fresh("t"), &[("retention.ms", "soon")]).await, RDKafkaErrorCode::InvalidConfig);
    assert_eq!(refused(&fresh("t"), &[("segment.bytes", "1000")]).await, RDKafkaErrorCode::InvalidConfig);
    let three = NewTopic::new("three-replicas", 1, TopicReplication::Fixed(3));
    let results = admin(bootstrap).create_topics(&[three], &patient()).await.expect("the broker answers");
    assert_eq!(results[0].clone().unwrap_err().1, RDKafkaErrorCode::InvalidReplicationFactor);
}

pub(crate) async fn validating_creates_nothing(bootstrap: &str) {
    let name = fresh("topic");
    let new = NewTopic::new(&name, 2, TopicReplication::Fixed(1));
    let results = admin(bootstrap).create_topics(&[new], &patient().validate_only(true)).await.expect("an answer");
    assert!(results[0].is_ok());
    assert!(!topics(&reader(bootstrap, "earliest")).contains(&name));
}

pub(crate) async fn an_unknown_topic_is_reported_and_not_created(bootstrap: &str) {
    let name = fresh("unknown");
    let consumer = reader(bootstrap, "earliest");
    let metadata = consumer.fetch_metadata(Some(&name), PATIENCE).expect("metadata");
    assert!(metadata.topics()[0].error().is_some());
    assert!(metadata.topics()[0].partitions().is_empty());
    assert!(!topics(&consumer).contains(&name));
}

pub(crate) async fn settings_are_changed(bootstrap: &str) {
    let name = topic(bootstrap, 1, &[("retention.ms", "3600000")]).await;
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("retention.ms", "7200000");
    let results = admin(bootstrap).alter_configs(&[change], &patient()).await.expect("the broker answers");
    assert!(results[0].is_ok(), "{results:?}");
    assert_eq!(setting(bootstrap, &name, "retention.ms").await.as_deref(), Some("7200000"));
    let wrong = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("retention.ms", "soon");
    // The client keeps the error of a single topic to itself.
    let _ = admin(bootstrap).alter_configs(&[wrong], &patient()).await.expect("the broker answers");
    assert_eq!(setting(bootstrap, &name, "retention.ms").await.as_deref(), Some("7200000"));
}

pub(crate) async fn partitions_are_added(bootstrap: &str) {
    let name = topic(bootstrap, 1, &[]).await;
    let grow = async |count| {
        let more = [NewPartitions::new(&name, count)];
        let results = admin(bootstrap).create_partitions(&more, &patient()).await.expect("the broker answers");
        results.into_iter().next().expect("one result").map_err(|(_, error)| error)
    };
    assert!(grow(3).await.is_ok());
    let consumer = reader(bootstrap, "earliest");
    eventually("three partitions", || partitions(&consumer, &name) == 3).await;
    send(&producer(bootstrap, "none"), &name, 2, b"x").await.expect("the new partition takes records");
    assert_eq!(grow(2).await, Err(RDKafkaErrorCode::InvalidPartitions));
}

pub(crate) async fn a_deleted_topic_is_made_again_empty(bootstrap: &str) {
    let name = topic(bootstrap, 2, &[]).await;
    send(&producer(bootstrap, "none"), &name, 0, b"x").await.expect("a record");
    let results = admin(bootstrap).delete_topics(&[&name, "no-such-topic"], &patient()).await.expect("an answer");
    assert!(results[0].is_ok());
    assert_eq!(results[1].clone().unwrap_err().1, RDKafkaErrorCode::UnknownTopicOrPartition);
    let deadline = std::time::Instant::now() + PATIENCE;
    while let Err(error) = create(bootstrap, &name, 4, &[]).await {
        assert_eq!(error, RDKafkaErrorCode::TopicAlreadyExists);
        assert!(std::time::Instant::now() < deadline, "the topic is never gone");
    }
    let consumer = reader(bootstrap, "earliest");
    eventually("four partitions", || partitions(&consumer, &name) == 4).await;
    eventually("an empty partition", || consumer.fetch_watermarks(&name, 0, PATIENCE).is_ok_and(|w| w == (0, 0))).await;
}
