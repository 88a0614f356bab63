//! Committed offsets: OffsetCommit, OffsetFetch, DeleteGroups.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};

use crate::broker::Shared;
use crate::groups::Wish;
use crate::member::Who;
use crate::offsets::{Committed, Place};
use crate::request::{Answer, Call, Close, code, text};

/// No position: nothing was committed.
const NOTHING: i64 = -1;

/// Commits; answered when it is on the disk.
pub(super) async fn commit(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: OffsetCommitRequest = call.decode(&mut body)?;
    let instance = request.group_instance_id.as_ref().map(ToString::to_string);
    let who = Who { member_id: request.member_id.to_string(), instance };
    let allowed = broker.groups.may_commit(&request.group_id, &who, request.generation_id_or_member_epoch);
    let mut wishes = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let wish = allowed.and_then(|()| wish(broker, &request.group_id, &topic.name, partition));
            partitions.push((partition.partition_index, wish.as_ref().map(|_| ()).map_err(|error| *error)));
            wishes.extend(wish.ok());
        }
        topics.push((topic.name.clone(), partitions));
    }
    let written = if wishes.is_empty() {
        Ok(())
    } else {
        // No answer at all: the thread that should have given it died.
        broker.groups.commit(wishes).await.unwrap_or(Err(ResponseError::KafkaStorageError))
    };
    let partition = |(index, accepted): (i32, Result<(), ResponseError>)| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(index)
            .with_error_code(code(&accepted.and(written)))
    };
    let topic = |(name, partitions): (TopicName, Vec<_>)| {
        let partitions = partitions.into_iter().map(partition).collect();
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions)
    };
    call.encode(&OffsetCommitResponse::default().with_topics(topics.into_iter().map(topic).collect()))
}

fn wish(
    broker: &Shared,
    group: &str,
    topic: &str,
    partition: &OffsetCommitRequestPartition,
) -> Result<Wish, ResponseError> {
    broker.topics.partition(topic, partition.partition_index)?;
    let metadata = partition.committed_metadata.as_ref().map(ToString::to_string).unwrap_or_default();
    broker.groups.check_metadata(&metadata)?;
    let place = Place { group: group.to_string(), topic: topic.to_string(), partition: partition.partition_index };
    let committed =
        Committed { offset: partition.committed_offset, leader_epoch: partition.committed_leader_epoch, metadata };
    Ok((place, committed))
}

/// What was committed in these partitions, or everywhere.
pub(super) fn fetch(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: OffsetFetchRequest = call.decode(&mut body)?;
    let topics = match &request.topics {
        Some(topics) => topics
            .iter()
            .map(|topic| {
                let one = |partition: &i32| {
                    let place = Place {
                        group: request.group_id.to_string(),
                        topic: topic.name.to_string(),
                        partition: *partition,
                    };
                    fetched(*partition, broker.groups.offsets().get(&place))
                };
                let partitions = topic.partition_indexes.iter().map(one).collect();
                OffsetFetchResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
            })
            .collect(),
        None => {
            let mut topics: BTreeMap<String, Vec<OffsetFetchResponsePartition>> = BTreeMap::new();
            for (place, committed) in broker.groups.offsets().of_group(&request.group_id) {
                topics.entry(place.topic).or_default().push(fetched(place.partition, Some(committed)));
            }
            let topic = |(name, partitions): (String, Vec<_>)| {
                OffsetFetchResponseTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
            };
            topics.into_iter().map(topic).collect()
        }
    };
    call.encode(&OffsetFetchResponse::default().with_topics(topics))
}

fn fetched(partition: i32, committed: Option<Committed>) -> OffsetFetchResponsePartition {
    let none = Committed { offset: NOTHING, leader_epoch: -1, metadata: String::new() };
    let Committed { offset, leader_epoch, metadata } = committed.unwrap_or(none);
    OffsetFetchResponsePartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(leader_epoch)
        .with_metadata(Some(text(metadata)))
}

/// Forgets groups that have no members.
pub(super) async fn delete_groups(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: DeleteGroupsRequest = call.decode(&mut body)?;
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group in &request.groups_names {
        let deleted = match broker.groups.deletable(group) {
            Ok(places) => broker.groups.forget(places).await.unwrap_or(Err(ResponseError::KafkaStorageError)),
            Err(error) => Err(error),
        };
        results.push(DeletableGroupResult::default().with_group_id(group.clone()).with_error_code(code(&deleted)));
    }
    call.encode(&DeleteGroupsResponse::default().with_results(results))
}
