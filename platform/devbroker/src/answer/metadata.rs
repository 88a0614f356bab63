//! Metadata and FindCoordinator: this broker leads everything and coordinates every group.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};

use super::transactions;
use crate::batch::LEADER_EPOCH;
use crate::broker::Shared;
use crate::request::{Answer, Call, Close, text};
use crate::topic::Topic;
use crate::topics::check_name;

/// The only node.
const NODE: BrokerId = BrokerId(1);

/// FindCoordinator asks for groups with this type; every other one belongs to transactions or share groups.
const GROUP_KEY: i8 = 0;

/// Topics and who leads them. Asking for a topic never creates it.
pub(super) fn metadata(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: MetadataRequest = call.decode(&mut body)?;
    let all = || broker.topics.all().iter().map(|(name, topic)| described(name, topic)).collect();
    let topics = match &request.topics {
        None => all(),
        // In the oldest version an empty list stands for all.
        Some(asked) if call.version == 0 && asked.is_empty() => all(),
        Some(asked) => {
            // Whoever asks by id may leave the name out or send an empty one.
            let one = |topic: &MetadataRequestTopic| match &topic.name {
                Some(name) if topic.topic_id.is_nil() => by_name(broker, name),
                _ => by_id(broker, topic.topic_id),
            };
            asked.iter().map(one).collect()
        }
    };
    let (host, port) = address(call);
    let node = MetadataResponseBroker::default().with_node_id(NODE).with_host(host).with_port(port);
    call.encode(
        &MetadataResponse::default()
            .with_brokers(vec![node])
            .with_cluster_id(Some(text(&broker.cluster_id)))
            .with_controller_id(NODE)
            .with_topics(topics),
    )
}

/// Every group is coordinated here; transactions nowhere.
pub(super) fn find_coordinator(_: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: FindCoordinatorRequest = call.decode(&mut body)?;
    if request.key_type != GROUP_KEY {
        transactions::warn(call);
        let refused = FindCoordinatorResponse::default()
            .with_error_code(transactions::ERROR.code())
            .with_error_message(Some(text(transactions::REFUSAL)))
            .with_node_id(BrokerId(-1))
            .with_port(-1);
        return call.encode(&refused);
    }
    let (host, port) = address(call);
    call.encode(&FindCoordinatorResponse::default().with_node_id(NODE).with_host(host).with_port(port))
}

/// Where the client is to come back to: where it reached us, unless the settings say otherwise.
fn address(call: &Call) -> (kafka_protocol::protocol::StrBytes, i32) {
    (text(call.local.ip().to_canonical().to_string()), call.local.port().into())
}

fn by_name(broker: &Shared, name: &TopicName) -> MetadataResponseTopic {
    let error = match (broker.topics.get(name), check_name(name)) {
        (Some(topic), _) => return described(name, &topic),
        (None, Ok(())) => ResponseError::UnknownTopicOrPartition,
        (None, Err(refusal)) => refusal.error,
    };
    MetadataResponseTopic::default().with_name(Some(name.clone())).with_error_code(error.code())
}

fn by_id(broker: &Shared, id: uuid::Uuid) -> MetadataResponseTopic {
    match broker.topics.all().iter().find(|(_, topic)| topic.id == id) {
        Some((name, topic)) => described(name, topic),
        None => MetadataResponseTopic::default()
            .with_name(None)
            .with_topic_id(id)
            .with_error_code(ResponseError::UnknownTopicId.code()),
    }
}

fn described(name: &str, topic: &Topic) -> MetadataResponseTopic {
    let count = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(NODE)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![NODE])
            .with_isr_nodes(vec![NODE])
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(name))))
        .with_topic_id(topic.id)
        .with_partitions((0..count).map(partition).collect())
}
