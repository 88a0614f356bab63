//! What is advertised is what is answered: every request in every version, and nothing else.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;

use crate::client::{Client, fetching, plain, producing, text, topic};
use crate::running::start;

/// Asks in every advertised version from `least` on; each answer must decode without a rest.
async fn every_version<R: Request>(client: &mut Client, offered: &ApiVersionsResponse, ask: impl Fn(i16) -> R) {
    let range = offered.api_keys.iter().find(|range| range.api_key == R::KEY).expect("it is advertised");
    for version in range.min_version..=range.max_version {
        let correlation = client.send(&ask(version), version).await;
        let answer = client.try_receive::<R>(correlation, version).await;
        assert!(answer.is_ok(), "api {} version {version}: {:?}", R::KEY, answer.err());
    }
}

/// A group id that fits every request.
fn group() -> GroupId {
    GroupId(text("group"))
}

#[tokio::test]
async fn every_advertised_version_of_the_data_requests_is_answered() {
    let broker = start();
    let mut client = broker.client().await;
    assert_eq!(client.create("t", 2, &[]).await, 0);
    let offered = client.call(&ApiVersionsRequest::default(), 3).await;
    let c = &mut client;
    every_version(c, &offered, |_| ApiVersionsRequest::default()).await;
    every_version(c, &offered, |_| MetadataRequest::default().with_topics(Some(Vec::new()))).await;
    every_version(c, &offered, |_| {
        let asked = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("t")));
        MetadataRequest::default().with_topics(Some(vec![asked]))
    })
    .await;
    every_version(c, &offered, |_| producing("t", plain(10))).await;
    every_version(c, &offered, |_| producing("unknown", plain(10))).await;
    every_version(c, &offered, |_| fetching("t", 0, 1_000, 0)).await;
    every_version(c, &offered, |_| fetching("t", 999, 1_000, 0)).await;
    for time in [-1, -2, -3, 0, 1_800_000_000_000] {
        every_version(c, &offered, |_| {
            let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(time);
            let asked = list_offsets_request::ListOffsetsTopic::default().with_name(topic("t"));
            ListOffsetsRequest::default().with_topics(vec![asked.with_partitions(vec![partition])])
        })
        .await;
    }
    every_version(c, &offered, |_| {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
        let asked = offset_for_leader_epoch_request::OffsetForLeaderTopic::default().with_topic(topic("t"));
        OffsetForLeaderEpochRequest::default().with_topics(vec![asked.with_partitions(vec![partition])])
    })
    .await;
    every_version(c, &offered, |_| InitProducerIdRequest::default().with_transactional_id(None)).await;
    every_version(c, &offered, |_| {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(1);
        let asked = delete_records_request::DeleteRecordsTopic::default().with_name(topic("t"));
        DeleteRecordsRequest::default().with_topics(vec![asked.with_partitions(vec![partition])])
    })
    .await;
}

#[tokio::test]
async fn every_advertised_version_of_the_topic_requests_is_answered() {
    let broker = start();
    let mut client = broker.client().await;
    assert_eq!(client.create("t", 2, &[]).await, 0);
    let offered = client.call(&ApiVersionsRequest::default(), 3).await;
    let c = &mut client;
    for replicas in [1, 3] {
        every_version(c, &offered, |version| {
            let new = create_topics_request::CreatableTopic::default().with_name(topic(&format!("new{version}")));
            let new = new.with_num_partitions(1).with_replication_factor(replicas);
            CreateTopicsRequest::default().with_topics(vec![new])
        })
        .await;
    }
    for count in [1, 3] {
        every_version(c, &offered, |_| {
            let more = create_partitions_request::CreatePartitionsTopic::default().with_name(topic("t"));
            CreatePartitionsRequest::default().with_topics(vec![more.with_count(count).with_assignments(None)])
        })
        .await;
    }
    every_version(c, &offered, |_| {
        let asked = describe_configs_request::DescribeConfigsResource::default().with_resource_type(2);
        let asked = asked.with_resource_name(text("t")).with_configuration_keys(None);
        DescribeConfigsRequest::default().with_resources(vec![asked])
    })
    .await;
    every_version(c, &offered, |_| {
        let changed = alter_configs_request::AlterConfigsResource::default().with_resource_type(2);
        AlterConfigsRequest::default().with_resources(vec![changed.with_resource_name(text("t"))])
    })
    .await;
    every_version(c, &offered, |_| {
        let setting = incremental_alter_configs_request::AlterableConfig::default().with_name(text("retention.ms"));
        let changed = incremental_alter_configs_request::AlterConfigsResource::default().with_resource_type(2);
        let changed = changed.with_resource_name(text("t")).with_configs(vec![setting.with_value(Some(text("5")))]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![changed])
    })
    .await;
    for name in ["new", "unknown"] {
        every_version(c, &offered, |version| {
            let name = topic(&format!("{name}{version}"));
            let request = DeleteTopicsRequest::default();
            if version < 6 {
                return request.with_topic_names(vec![name]);
            }
            request.with_topics(vec![delete_topics_request::DeleteTopicState::default().with_name(Some(name))])
        })
        .await;
    }
}

#[tokio::test]
async fn every_advertised_version_of_the_group_requests_is_answered() {
    let broker = start();
    let mut client = broker.client().await;
    assert_eq!(client.create("t", 1, &[]).await, 0);
    let offered = client.call(&ApiVersionsRequest::default(), 3).await;
    let c = &mut client;
    for kind in [0, 1] {
        every_version(c, &offered, |version| {
            let asked = FindCoordinatorRequest::default().with_key(text("group"));
            if version >= 1 { asked.with_key_type(kind) } else { asked }
        })
        .await;
    }
    for session_ms in [10_000, 1] {
        every_version(c, &offered, |version| {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
            JoinGroupRequest::default()
                .with_group_id(GroupId(text(&format!("joined{version}"))))
                .with_session_timeout_ms(session_ms)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol])
        })
        .await;
    }
    every_version(c, &offered, |_| SyncGroupRequest::default().with_group_id(group())).await;
    every_version(c, &offered, |_| HeartbeatRequest::default().with_group_id(group())).await;
    every_version(c, &offered, |version| {
        let asked = LeaveGroupRequest::default().with_group_id(group());
        if version < 3 {
            return asked.with_member_id(text("nobody"));
        }
        asked.with_members(vec![leave_group_request::MemberIdentity::default().with_member_id(text("nobody"))])
    })
    .await;
    every_version(c, &offered, |_| {
        let partition = offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(1);
        let set = offset_commit_request::OffsetCommitRequestTopic::default().with_name(topic("t"));
        let asked = OffsetCommitRequest::default().with_group_id(group()).with_generation_id_or_member_epoch(-1);
        asked.with_topics(vec![set.with_partitions(vec![partition])])
    })
    .await;
    every_version(c, &offered, |_| {
        let asked = offset_fetch_request::OffsetFetchRequestTopic::default().with_name(topic("t"));
        let asked = OffsetFetchRequest::default().with_topics(Some(vec![asked.with_partition_indexes(vec![0, 5])]));
        asked.with_group_id(group())
    })
    .await;
    every_version(c, &offered, |_| DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("x"))]))
        .await;
    every_version(c, &offered, |_| ListGroupsRequest::default()).await;
    every_version(c, &offered, |_| DeleteGroupsRequest::default().with_groups_names(vec![group()])).await;
}

#[tokio::test]
async fn a_newer_api_versions_is_told_what_there_is_and_anything_else_is_cut_off() {
    let broker = start();
    let mut client = broker.client().await;
    let correlation = client.send(&ApiVersionsRequest::default(), 4).await;
    let answer = client.receive::<ApiVersionsRequest>(correlation, 0).await;
    assert_eq!(answer.error_code, ResponseError::UnsupportedVersion.code());
    assert_eq!(answer.api_keys.len(), 24);
    let known = client.call(&ApiVersionsRequest::default(), 3).await;
    assert_eq!(known.api_keys.len(), 24);
    let correlation = client.send(&fetching("t", 0, 1, 0), 13).await;
    assert!(client.try_receive::<FetchRequest>(correlation, 13).await.is_err());
}
