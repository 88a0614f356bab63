//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, for topics; a broker has none to show.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::Shared;
use crate::request::{Answer, Call, Close, text};
use crate::topic_config::{KNOWN, Known, TopicConfig};
use crate::topics::TopicRefusal;

/// The kinds of things that have settings.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from.
const SET_FOR_TOPIC: i8 = 1;
const BY_DEFAULT: i8 = 5;

/// What an incremental change does.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Where the value of a setting comes from, in the protocol's numbers.
pub(super) fn source(config: &TopicConfig, known: &Known) -> i8 {
    if config.is_set(known.name) { SET_FOR_TOPIC } else { BY_DEFAULT }
}

/// The settings of topics.
pub(super) fn describe(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: DescribeConfigsRequest = call.decode(&mut body)?;
    let results = request.resources.iter().map(|resource| described(broker, resource)).collect();
    call.encode(&DescribeConfigsResponse::default().with_results(results))
}

fn described(broker: &Shared, resource: &DescribeConfigsResource) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    let config = match resource.resource_type {
        TOPIC => match broker.topics.get(&resource.resource_name) {
            Some(topic) => topic.config(),
            None => return result.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
        },
        BROKER => return result,
        _ => return result.with_error_code(ResponseError::InvalidRequest.code()),
    };
    let asked = |known: &&Known| match &resource.configuration_keys {
        Some(keys) => keys.iter().any(|key| key.as_str() == known.name),
        None => true,
    };
    let entry = |known: &Known| {
        DescribeConfigsResourceResult::default()
            .with_name(text(known.name))
            .with_value(Some(text(config.value(known))))
            .with_config_source(source(&config, known))
    };
    result.with_configs(KNOWN.iter().filter(asked).map(entry).collect())
}

/// Replaces all settings of topics: what is not named goes back to its default.
pub(super) async fn alter(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: AlterConfigsRequest = call.decode(&mut body)?;
    let only_validate = request.validate_only;
    let responses = broker.blocking(move |broker| {
        let mut responses = Vec::new();
        for resource in request.resources {
            let change = |config: &mut TopicConfig| {
                *config = TopicConfig::default();
                let named =
                    resource.configs.iter().filter_map(|setting| Some((&setting.name, setting.value.as_ref()?)));
                named.into_iter().try_for_each(|(name, value)| config.set(name, value))
            };
            let kind = (resource.resource_type, resource.resource_name.as_str());
            let (error, reason) = outcome(alter_one(broker, kind, only_validate, change));
            let response = AlterConfigsResourceResponse::default()
                .with_resource_type(resource.resource_type)
                .with_error_code(error)
                .with_error_message(reason);
            responses.push(response.with_resource_name(resource.resource_name));
        }
        responses
    });
    call.encode(&AlterConfigsResponse::default().with_responses(responses.await?))
}

/// Changes single settings of topics.
pub(super) async fn alter_incrementally(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: IncrementalAlterConfigsRequest = call.decode(&mut body)?;
    let only_validate = request.validate_only;
    let responses = broker.blocking(move |broker| {
        let mut responses = Vec::new();
        for resource in request.resources {
            let change =
                |config: &mut TopicConfig| resource.configs.iter().try_for_each(|setting| apply(config, setting));
            let kind = (resource.resource_type, resource.resource_name.as_str());
            let (error, reason) = outcome(alter_one(broker, kind, only_validate, change));
            let response = IncrementalResponse::default()
                .with_resource_type(resource.resource_type)
                .with_error_code(error)
                .with_error_message(reason);
            responses.push(response.with_resource_name(resource.resource_name));
        }
        responses
    });
    call.encode(&IncrementalAlterConfigsResponse::default().with_responses(responses.await?))
}

fn apply(config: &mut TopicConfig, setting: &AlterableConfig) -> Result<(), String> {
    match (setting.config_operation, &setting.value) {
        (SET, Some(value)) => config.set(&setting.name, value),
        (DELETE, _) => config.unset(&setting.name),
        _ => Err(format!("{} can only be set or deleted here", &*setting.name)),
    }
}

fn alter_one(
    broker: &Shared,
    (kind, name): (i8, &str),
    only_validate: bool,
    change: impl FnOnce(&mut TopicConfig) -> Result<(), String>,
) -> Result<(), TopicRefusal> {
    if kind != TOPIC {
        let reason = "only topics have settings that can be changed here".to_string();
        return Err(TopicRefusal { error: ResponseError::InvalidRequest, reason });
    }
    broker.topics.alter(name, only_validate, change)
}

fn outcome(altered: Result<(), TopicRefusal>) -> (i16, Option<StrBytes>) {
    altered.map_or_else(|refusal| (refusal.error.code(), Some(text(refusal.reason))), |()| (0, None))
}
