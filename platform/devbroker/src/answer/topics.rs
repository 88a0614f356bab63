//! CreateTopics, CreatePartitions and DeleteTopics; each answered when it is on the disk.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, TopicName,
};

use super::configs;
use crate::broker::Shared;
use crate::request::{Answer, Call, Close, text};
use crate::topic::Description;
use crate::topic_config::{KNOWN, Known, TopicConfig};
use crate::topics::TopicRefusal;

/// The number of partitions of a topic that asks for the default.
const DEFAULT_PARTITIONS: usize = 1;
/// "The default", where a number is asked for.
const DEFAULT: i16 = -1;

/// Creates topics.
pub(super) async fn create(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: CreateTopicsRequest = call.decode(&mut body)?;
    let only_validate = request.validate_only;
    let topics = broker.blocking(move |broker| {
        let create = |topic: &CreatableTopic| {
            let created = read(topic)
                .and_then(|(partitions, config)| broker.topics.create(&topic.name, partitions, config, only_validate));
            created_result(&topic.name, created)
        };
        request.topics.iter().map(create).collect()
    });
    call.encode(&CreateTopicsResponse::default().with_topics(topics.await?))
}

fn refuse<T>(error: ResponseError, reason: String) -> Result<T, TopicRefusal> {
    Err(TopicRefusal { error, reason })
}

/// What the request asks for, if this broker can do it.
fn read(topic: &CreatableTopic) -> Result<(usize, TopicConfig), TopicRefusal> {
    if !topic.assignments.is_empty() {
        let reason = "replicas cannot be assigned: there is one broker".to_string();
        return refuse(ResponseError::InvalidReplicaAssignment, reason);
    }
    if !matches!(topic.replication_factor, DEFAULT | 1) {
        let reason = format!("replication factor {} is not 1: there is one broker", topic.replication_factor);
        return refuse(ResponseError::InvalidReplicationFactor, reason);
    }
    let partitions = match usize::try_from(topic.num_partitions) {
        Ok(partitions) if partitions > 0 => partitions,
        _ if topic.num_partitions == i32::from(DEFAULT) => DEFAULT_PARTITIONS,
        _ => return refuse(ResponseError::InvalidPartitions, format!("{} partitions", topic.num_partitions)),
    };
    let mut config = TopicConfig::default();
    for setting in &topic.configs {
        let set = setting.value.as_ref().map_or(Ok(()), |value| config.set(&setting.name, value));
        set.map_err(|reason| TopicRefusal { error: ResponseError::InvalidConfig, reason })?;
    }
    Ok((partitions, config))
}

fn created_result(name: &TopicName, created: Result<Description, TopicRefusal>) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(name.clone());
    let description = match created {
        Ok(description) => description,
        Err(TopicRefusal { error, reason }) => {
            return result.with_error_code(error.code()).with_error_message(Some(text(reason)));
        }
    };
    let config = &description.config;
    let setting = |known: &Known| {
        CreatableTopicConfigs::default()
            .with_name(text(known.name))
            .with_value(Some(text(config.value(known))))
            .with_config_source(configs::source(config, known))
    };
    result
        .with_topic_id(description.id)
        .with_num_partitions(i32::try_from(description.partitions).unwrap_or(i32::MAX))
        .with_replication_factor(1)
        .with_configs(Some(KNOWN.iter().map(setting).collect()))
}

/// Adds partitions.
pub(super) async fn create_partitions(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: CreatePartitionsRequest = call.decode(&mut body)?;
    let only_validate = request.validate_only;
    let results = broker.blocking(move |broker| {
        let grow = |topic: &CreatePartitionsTopic| {
            let count = usize::try_from(topic.count).unwrap_or(0);
            let grown = broker.topics.grow(&topic.name, count, only_validate);
            let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
            match grown {
                Ok(()) => result,
                Err(refusal) => {
                    result.with_error_code(refusal.error.code()).with_error_message(Some(text(refusal.reason)))
                }
            }
        };
        request.topics.iter().map(grow).collect()
    });
    call.encode(&CreatePartitionsResponse::default().with_results(results.await?))
}

/// Deletes topics with their records and everything committed in them.
pub(super) async fn delete(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: DeleteTopicsRequest = call.decode(&mut body)?;
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), uuid::Uuid::nil()));
    let by_either = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
    let mut responses = Vec::new();
    for (name, id) in by_name.chain(by_either).collect::<Vec<_>>() {
        let result = DeletableTopicResult::default().with_topic_id(id);
        let found = broker.topics.all().into_iter().find(|(_, topic)| topic.id == id);
        let Some(name) = name.or_else(|| found.map(|(name, _)| TopicName(text(name)))) else {
            let unknown = ResponseError::UnknownTopicId.code();
            responses.push(result.with_name(None).with_error_code(unknown));
            continue;
        };
        let deleted = delete_one(broker, name.to_string()).await?;
        let result = result.with_name(Some(name));
        responses.push(match deleted {
            Ok(()) => result,
            Err(TopicRefusal { error, reason }) => {
                let result = result.with_error_code(error.code());
                if call.version >= 5 { result.with_error_message(Some(text(reason))) } else { result }
            }
        });
    }
    call.encode(&DeleteTopicsResponse::default().with_responses(responses))
}

async fn delete_one(broker: &Arc<Shared>, name: String) -> Result<Result<(), TopicRefusal>, Close> {
    let committed = broker.groups.offsets().of_topic(&name);
    let deleted = broker.blocking(move |broker| broker.topics.delete(&name)).await?;
    if deleted.is_ok() && !committed.is_empty() && broker.groups.forget(committed).await != Ok(Ok(())) {
        tracing::warn!("offsets committed in a deleted topic could not be forgotten");
    }
    Ok(deleted)
}
