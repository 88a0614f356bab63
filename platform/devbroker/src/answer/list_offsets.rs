//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords: where a log begins and ends, and where a time lies in it.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use crate::batch::{Found, LEADER_EPOCH};
use crate::broker::Shared;
use crate::log::Log;
use crate::request::{Answer, Call, Close, code};

/// Asked instead of a time: the end of the log.
const LATEST: i64 = -1;
/// The start.
const EARLIEST: i64 = -2;
/// The record with the greatest timestamp.
const MAX_TIMESTAMP: i64 = -3;

/// DeleteRecords: up to the end.
const EVERYTHING: i64 = -1;

/// No such record.
const NOWHERE: Found = Found { offset: -1, timestamp: -1 };

/// Offsets by time, or by one of the special times.
pub(super) async fn list_offsets(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: ListOffsetsRequest = call.decode(&mut body)?;
    let names_epoch = call.version >= 4;
    let topics = broker.blocking(move |broker| {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let log = broker.topics.partition(&topic.name, asked.partition_index);
                let found = log.and_then(|log| find(&log, asked.timestamp));
                let Found { offset, timestamp } = found.unwrap_or(NOWHERE);
                let response = ListOffsetsPartitionResponse::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(code(&found))
                    .with_offset(offset)
                    .with_timestamp(timestamp);
                let leads = names_epoch && found.is_ok() && offset >= 0;
                partitions.push(if leads { response.with_leader_epoch(LEADER_EPOCH) } else { response });
            }
            topics.push(ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        topics
    });
    call.encode(&ListOffsetsResponse::default().with_topics(topics.await?))
}

fn find(log: &Log, time: i64) -> Result<Found, ResponseError> {
    let bounds = log.bounds();
    match time {
        LATEST => Ok(Found { offset: bounds.end, timestamp: -1 }),
        EARLIEST => Ok(Found { offset: bounds.start, timestamp: -1 }),
        MAX_TIMESTAMP => Ok(log.latest()?.unwrap_or(NOWHERE)),
        time if time < 0 => Err(ResponseError::UnsupportedVersion),
        time => Ok(log.first_at_or_after(time)?.unwrap_or(NOWHERE)),
    }
}

/// There was one epoch only, and it goes on.
pub(super) fn offset_for_leader_epoch(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: OffsetForLeaderEpochRequest = call.decode(&mut body)?;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let response = EpochEndOffset::default().with_partition(asked.partition);
            let log = broker.topics.partition(&topic.topic, asked.partition);
            partitions.push(match log {
                Err(error) => response.with_error_code(error.code()),
                Ok(log) if asked.leader_epoch == LEADER_EPOCH => {
                    response.with_leader_epoch(LEADER_EPOCH).with_end_offset(log.bounds().end)
                }
                Ok(_) => response,
            });
        }
        topics.push(OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions));
    }
    call.encode(&OffsetForLeaderEpochResponse::default().with_topics(topics))
}

/// Makes records unreadable; the answer comes when the new start is on the disk.
pub(super) async fn delete_records(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: DeleteRecordsRequest = call.decode(&mut body)?;
    let topics = broker.blocking(move |broker| {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let log = broker.topics.partition(&topic.name, asked.partition_index);
                let start = log.and_then(|log| match asked.offset {
                    EVERYTHING => log.delete_below(log.bounds().end),
                    offset => log.delete_below(offset),
                });
                let response = DeleteRecordsPartitionResult::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(code(&start))
                    .with_low_watermark(start.unwrap_or(-1));
                partitions.push(response);
            }
            topics.push(DeleteRecordsTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        topics
    });
    call.encode(&DeleteRecordsResponse::default().with_topics(topics.await?))
}
