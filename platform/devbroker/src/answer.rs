//! Every request and who answers it.

mod versions;
mod metadata;
mod produce;
mod fetch;
mod list_offsets;
mod topics;
mod configs;
mod group;
mod commits;
mod transactions;

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

use crate::api;
use crate::broker::Shared;
use crate::request::{Answer, Call, Close};

/// Answers one request; `None` if the client wants no answer.
pub(crate) async fn answer(broker: Arc<Shared>, call: Call, body: Bytes) -> Result<Option<Answer>, Close> {
    if !api::offers(call.api, call.version) {
        return versions::not_offered(&call).map(Some);
    }
    let (broker, call) = (&broker, &call);
    if call.api == ApiKey::Produce {
        return produce::produce(broker, call, body).await;
    }
    let answer = match call.api {
        ApiKey::ApiVersions => versions::versions(call),
        ApiKey::Metadata => metadata::metadata(broker, call, body),
        ApiKey::FindCoordinator => metadata::find_coordinator(broker, call, body),
        ApiKey::InitProducerId => produce::init_producer_id(broker, call, body).await,
        ApiKey::Fetch => fetch::fetch(broker, call, body).await,
        ApiKey::ListOffsets => list_offsets::list_offsets(broker, call, body).await,
        ApiKey::OffsetForLeaderEpoch => list_offsets::offset_for_leader_epoch(broker, call, body),
        ApiKey::DeleteRecords => list_offsets::delete_records(broker, call, body).await,
        ApiKey::CreateTopics => topics::create(broker, call, body).await,
        ApiKey::CreatePartitions => topics::create_partitions(broker, call, body).await,
        ApiKey::DeleteTopics => topics::delete(broker, call, body).await,
        ApiKey::DescribeConfigs => configs::describe(broker, call, body),
        ApiKey::AlterConfigs => configs::alter(broker, call, body).await,
        ApiKey::IncrementalAlterConfigs => configs::alter_incrementally(broker, call, body).await,
        ApiKey::JoinGroup => group::join(broker, call, body).await,
        ApiKey::SyncGroup => group::sync(broker, call, body).await,
        ApiKey::Heartbeat => group::heartbeat(broker, call, body),
        ApiKey::LeaveGroup => group::leave(broker, call, body),
        ApiKey::DescribeGroups => group::describe(broker, call, body),
        ApiKey::ListGroups => group::list(broker, call, body),
        ApiKey::DeleteGroups => commits::delete_groups(broker, call, body).await,
        ApiKey::OffsetCommit => commits::commit(broker, call, body).await,
        ApiKey::OffsetFetch => commits::fetch(broker, call, body),
        api => Err(Close::NotOffered { api: api as i16, version: call.version }),
    };
    answer.map(Some)
}
