//! Groups over the wire: held joins, and commits that survive.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};

use crate::client::{Client, text, topic};
use crate::running::start;

pub(crate) fn joining(group: &str, member_id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member_id))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol.with_metadata(Bytes::from_static(b"topics"))])
}

pub(crate) fn committing(group: &str, joined: Option<&JoinGroupResponse>, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let set = OffsetCommitRequestTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(joined.map(|joined| joined.member_id.clone()).unwrap_or_default())
        .with_generation_id_or_member_epoch(joined.map_or(-1, |joined| joined.generation_id))
        .with_topics(vec![set])
}

pub(crate) async fn commit(client: &mut Client, request: &OffsetCommitRequest) -> i16 {
    client.call(request, 8).await.topics[0].partitions[0].error_code
}

pub(crate) async fn committed(client: &mut Client, group: &str) -> i64 {
    let asked = OffsetFetchRequestTopic::default().with_name(topic("t")).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![asked]));
    client.call(&request, 7).await.topics[0].partitions[0].committed_offset
}

#[tokio::test]
async fn a_join_is_held_until_the_others_are_in() {
    let broker = start();
    let (mut first, mut second) = (broker.client().await, broker.client().await);
    let one = first.call(&joining("g", ""), 3).await;
    let waiting = second.send(&joining("g", ""), 3).await;
    // Held, but not in the way of other connections.
    assert_eq!(first.create("t", 1, &[]).await, 0);
    let one = first.call(&joining("g", &one.member_id), 3).await;
    let two = second.receive::<JoinGroupRequest>(waiting, 3).await;
    assert_eq!((one.generation_id, two.generation_id), (2, 2));
    assert_eq!((one.members.len(), two.members.len()), (2, 0));
    let assignment = |id: &JoinGroupResponse, to: &'static [u8]| {
        SyncGroupRequestAssignment::default().with_member_id(id.member_id.clone()).with_assignment(to.into())
    };
    let syncing = |joined: &JoinGroupResponse| {
        SyncGroupRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
    };
    let waiting = second.send(&syncing(&two), 3).await;
    let assignments = vec![assignment(&one, b"one"), assignment(&two, b"two")];
    assert_eq!(first.call(&syncing(&one).with_assignments(assignments), 3).await.assignment, "one");
    assert_eq!(second.receive::<SyncGroupRequest>(waiting, 3).await.assignment, "two");
}

#[tokio::test]
async fn commits_are_checked_and_stay() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    let made_up = JoinGroupResponse::default().with_generation_id(3).with_member_id(text("made up"));
    let code = |error: ResponseError| error.code();
    assert_eq!(commit(&mut client, &committing("g", Some(&made_up), 1)).await, code(ResponseError::IllegalGeneration));
    assert_eq!(commit(&mut client, &committing("g", None, 5)).await, 0);
    assert_eq!(committed(&mut client, "g").await, 5);
    let joined = client.call(&joining("g", ""), 3).await;
    assert_eq!(commit(&mut client, &committing("g", None, 6)).await, code(ResponseError::UnknownMemberId));
    assert_eq!(commit(&mut client, &committing("g", Some(&made_up), 6)).await, code(ResponseError::UnknownMemberId));
    let syncing = SyncGroupRequest::default().with_group_id(GroupId(text("g"))).with_generation_id(1);
    client.call(&syncing.with_member_id(joined.member_id.clone()), 3).await;
    assert_eq!(commit(&mut client, &committing("g", Some(&joined), 7)).await, 0);
    let late = joined.clone().with_generation_id(0);
    assert_eq!(commit(&mut client, &committing("g", Some(&late), 8)).await, code(ResponseError::IllegalGeneration));
    assert_eq!(committed(&mut client, "g").await, 7);
    let mut nowhere = committing("g", Some(&joined), 8);
    nowhere.topics[0].name = topic("unknown");
    assert_eq!(commit(&mut client, &nowhere).await, code(ResponseError::UnknownTopicOrPartition));
}
