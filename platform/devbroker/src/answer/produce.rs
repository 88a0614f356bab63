//! Produce and InitProducerId: batches into logs, answered when they are on the disk.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId,
};
use tokio::sync::oneshot;

use super::transactions;
use crate::batch;
use crate::broker::Shared;
use crate::log::{Append, Appended};
use crate::request::{Answer, Call, Close, code, text};

/// A batch that is not appended, and why, for newer clients.
struct Refused(ResponseError, String);

/// A batch in line; the log answers when it is synced.
type Waiting = Result<oneshot::Receiver<Result<Appended, ResponseError>>, Refused>;

/// Appends one batch to each partition. All are in line before the first is waited for.
pub(super) async fn produce(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Option<Answer>, Close> {
    let request: ProduceRequest = call.decode(&mut body)?;
    if request.transactional_id.is_some() {
        transactions::warn(call);
    }
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in &request.topic_data {
        let submit = |data: &PartitionProduceData| (data.index, submit(broker, &request, &topic.name, data));
        topics.push((topic.name.clone(), topic.partition_data.iter().map(submit).collect::<Vec<_>>()));
    }
    let mut responses = Vec::with_capacity(topics.len());
    for (name, partitions) in topics {
        let mut answers = Vec::with_capacity(partitions.len());
        for (index, waiting) in partitions {
            answers.push(outcome(waiting).await.with_index(index));
        }
        responses.push(TopicProduceResponse::default().with_name(name).with_partition_responses(answers));
    }
    if request.acks == 0 {
        return Ok(None);
    }
    call.encode(&ProduceResponse::default().with_responses(responses)).map(Some)
}

fn submit(broker: &Shared, request: &ProduceRequest, topic: &str, data: &PartitionProduceData) -> Waiting {
    if !matches!(request.acks, -1..=1) {
        return Err(Refused(ResponseError::InvalidRequiredAcks, format!("acks {} is not -1, 0 or 1", request.acks)));
    }
    if request.transactional_id.is_some() {
        return Err(Refused(transactions::ERROR, transactions::REFUSAL.to_string()));
    }
    let unknown =
        || Refused(ResponseError::UnknownTopicOrPartition, format!("no partition {} of {topic:?}", data.index));
    let found = broker.topics.get(topic).ok_or_else(unknown)?;
    let partition = found.partition(data.index).ok_or_else(unknown)?;
    let batch = data.records.clone().unwrap_or_default();
    let limit = found.max_message_bytes();
    if batch.len() > limit {
        let reason = format!("{} bytes are beyond max.message.bytes={limit} of {topic:?}", batch.len());
        return Err(Refused(ResponseError::MessageTooLarge, reason));
    }
    let head = check(&batch)?;
    let (reply, answer) = oneshot::channel();
    partition.submit(Append { head, batch, reply });
    Ok(answer)
}

/// One whole batch without transactional marks, as clients since Kafka 3 send it.
fn check(batch: &Bytes) -> Result<batch::Head, Refused> {
    let head = batch::check(batch).map_err(|fault| Refused(ResponseError::CorruptMessage, fault.to_string()))?;
    if head.len != batch.len() {
        return Err(Refused(ResponseError::InvalidRecord, "more than one batch for a partition".to_string()));
    }
    if head.is_transactional() || head.is_control() {
        return Err(Refused(transactions::ERROR, transactions::REFUSAL.to_string()));
    }
    if head.producer_id >= 0 && (head.producer_epoch < 0 || head.first_sequence < 0) {
        return Err(Refused(ResponseError::InvalidRecord, "an idempotent batch has no sequence".to_string()));
    }
    Ok(head)
}

async fn outcome(waiting: Waiting) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_base_offset(-1);
    let answer = match waiting {
        Ok(answer) => answer,
        Err(Refused(error, reason)) => {
            return response.with_error_code(error.code()).with_error_message(Some(text(reason)));
        }
    };
    // No answer at all: the thread that should have given it died.
    match answer.await.unwrap_or(Err(ResponseError::KafkaStorageError)) {
        Ok(appended) => response.with_base_offset(appended.base_offset).with_log_start_offset(appended.log_start),
        Err(error) => response.with_error_code(error.code()),
    }
}

/// A new id for an idempotent producer, whatever it had before; none for a transactional one.
pub(super) async fn init_producer_id(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: InitProducerIdRequest = call.decode(&mut body)?;
    let id = if request.transactional_id.is_some() {
        transactions::warn(call);
        Err(transactions::ERROR)
    } else {
        broker.blocking(|broker| broker.producer_ids.allocate()).await?.map_err(|error| {
            tracing::error!(%error, "cannot reserve producer ids");
            ResponseError::KafkaStorageError
        })
    };
    call.encode(
        &InitProducerIdResponse::default()
            .with_error_code(code(&id))
            .with_producer_id(ProducerId(id.unwrap_or(-1)))
            .with_producer_epoch(if id.is_ok() { 0 } else { -1 }),
    )
}
