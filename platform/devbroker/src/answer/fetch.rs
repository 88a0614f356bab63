//! Fetch: waits until there is enough to read, then reads whole batches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest};
use kafka_protocol::messages::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};
use tokio::time::{Instant, timeout_at};

use crate::broker::Shared;
use crate::request::{Answer, Call, Close};

/// A partition that is to be read, in the order of the request.
struct Wish {
    topic: usize,
    partition: i32,
    offset: i64,
    /// What it may give; 0 if others have used up the answer.
    bytes: Result<usize, ResponseError>,
    whole_first: bool,
}

/// Answers when `min_bytes` are there, anything is wrong, or the wait is over.
pub(super) async fn fetch(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: FetchRequest = call.decode(&mut body)?;
    if request.session_id != 0 {
        // Sessions are never begun here: the client starts over without one.
        let unknown = ResponseError::FetchSessionIdNotFound.code();
        return call.encode(&FetchResponse::default().with_error_code(unknown));
    }
    let asked = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let until = Instant::now() + asked.min(broker.limits.fetch_wait);
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let mut growth = broker.growth.subscribe();
    let wishes = loop {
        growth.borrow_and_update();
        let wishes = measure(broker, &request);
        let failed = wishes.iter().any(|wish| wish.bytes.is_err());
        if failed || total(&wishes) >= enough || timeout_at(until, growth.changed()).await.is_err() {
            break wishes;
        }
    };
    let share = total(&wishes).min(broker.limits.fetch_bytes_in_flight);
    let share = u32::try_from(share).unwrap_or(u32::MAX);
    let share = Arc::clone(&broker.fetch_bytes).acquire_many_owned(share).await.map_err(|_| Close::Stopping)?;
    let response = broker.blocking(move |broker| read(broker, &request, wishes)).await?;
    let mut answer = call.encode(&response)?;
    answer.share = Some(share);
    Ok(answer)
}

fn total(wishes: &[Wish]) -> usize {
    wishes.iter().filter_map(|wish| wish.bytes.ok()).sum()
}

/// Divides the answer among the partitions, first come first served; the first batch of all is never too big.
fn measure(broker: &Shared, request: &FetchRequest) -> Vec<Wish> {
    let limit = usize::try_from(request.max_bytes).unwrap_or(0);
    let mut used = 0;
    let mut wishes = Vec::new();
    for (topic, asked) in request.topics.iter().enumerate() {
        for FetchPartition { partition, fetch_offset, partition_max_bytes, .. } in &asked.partitions {
            let whole_first = used == 0;
            let max = limit.saturating_sub(used).min(usize::try_from(*partition_max_bytes).unwrap_or(0));
            let log = broker.topics.partition(&asked.topic, *partition);
            let bytes = log.and_then(|log| log.measure(*fetch_offset, max, whole_first));
            used += bytes.unwrap_or(0);
            wishes.push(Wish { topic, partition: *partition, offset: *fetch_offset, bytes, whole_first });
        }
    }
    wishes
}

fn read(broker: &Shared, request: &FetchRequest, wishes: Vec<Wish>) -> FetchResponse {
    let empty = |topic: &kafka_protocol::messages::fetch_request::FetchTopic| {
        FetchableTopicResponse::default().with_topic(topic.topic.clone())
    };
    let mut responses: Vec<_> = request.topics.iter().map(empty).collect();
    for wish in wishes {
        let response = &mut responses[wish.topic];
        let data = read_one(broker, &response.topic, &wish);
        response.partitions.push(data.with_partition_index(wish.partition));
    }
    FetchResponse::default().with_responses(responses)
}

fn read_one(broker: &Shared, topic: &str, wish: &Wish) -> PartitionData {
    let data = PartitionData::default();
    let log = match broker.topics.partition(topic, wish.partition) {
        Ok(log) => log,
        Err(error) => return data.with_error_code(error.code()).with_high_watermark(-1),
    };
    let records = match wish.bytes {
        Ok(0) => Ok(Bytes::new()),
        Ok(bytes) => log.read(wish.offset, bytes, wish.whole_first),
        Err(error) => Err(error),
    };
    // Asked after reading: never below what was read.
    let bounds = log.bounds();
    let data =
        data.with_high_watermark(bounds.end).with_last_stable_offset(bounds.end).with_log_start_offset(bounds.start);
    match records {
        Ok(records) => data.with_records(Some(records)),
        Err(error) => data.with_error_code(error.code()),
    }
}
