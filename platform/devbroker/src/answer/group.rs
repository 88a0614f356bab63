//! Membership of consumer groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::Shared;
use crate::group::State;
use crate::groups::DescribedMember;
use crate::member::{JoinRefusal, Joined, JoinedMember, Joining, Syncing, Who};
use crate::request::{Answer, Call, Close, code, text};

/// From this version on a new member first asks for its id.
const ASKS_FOR_ID: i16 = 4;
/// From this version on the answer may lack a protocol.
const PROTOCOL_OPTIONAL: i16 = 7;
/// From this version on several members may leave at once.
const LEAVES_TOGETHER: i16 = 3;

/// Joins a group; answered when the generation is complete.
pub(super) async fn join(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: JoinGroupRequest = call.decode(&mut body)?;
    let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let session_timeout = millis(request.session_timeout_ms);
    let joining = Joining {
        who: who(&request.member_id, request.group_instance_id.as_ref()),
        client_id: call.client_id.clone(),
        client_host: format!("/{}", call.peer.ip()),
        session_timeout,
        rebalance_timeout: millis(request.rebalance_timeout_ms).max(session_timeout),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(|p| (p.name.to_string(), p.metadata.clone())).collect(),
        asks_for_id: call.version >= ASKS_FOR_ID,
    };
    let refused = JoinRefusal { error: ResponseError::UnknownMemberId, member_id: request.member_id.to_string() };
    let response = match broker.groups.join(&request.group_id, joining).await.unwrap_or(Err(refused)) {
        Ok(joined) => joined_response(joined),
        Err(JoinRefusal { error, member_id }) => JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_protocol_name((call.version < PROTOCOL_OPTIONAL).then(StrBytes::new))
            .with_member_id(text(member_id)),
    };
    call.encode(&response)
}

fn joined_response(joined: Joined) -> JoinGroupResponse {
    let member = |member: JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.id))
            .with_group_instance_id(member.instance.map(text))
            .with_metadata(member.metadata)
    };
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(text(joined.protocol_type)))
        .with_protocol_name(Some(text(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member_id))
        .with_members(joined.members.into_iter().map(member).collect())
}

/// Asks for an assignment; answered when the leader has made it.
pub(super) async fn sync(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: SyncGroupRequest = call.decode(&mut body)?;
    let who = who(&request.member_id, request.group_instance_id.as_ref());
    let assignments = request.assignments.iter().map(|a| (a.member_id.to_string(), a.assignment.clone())).collect();
    let synced =
        broker.groups.sync(&request.group_id, Syncing { who, generation: request.generation_id, assignments }).await;
    let response = match synced.unwrap_or(Err(ResponseError::UnknownMemberId)) {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(Some(text(synced.protocol_type)))
            .with_protocol_name(Some(text(synced.protocol)))
            .with_assignment(synced.assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    };
    call.encode(&response)
}

/// Says that a member lives.
pub(super) fn heartbeat(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: HeartbeatRequest = call.decode(&mut body)?;
    let who = who(&request.member_id, request.group_instance_id.as_ref());
    let alive = broker.groups.heartbeat(&request.group_id, &who, request.generation_id);
    call.encode(&HeartbeatResponse::default().with_error_code(code(&alive)))
}

/// Members go, or are sent away.
pub(super) fn leave(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: LeaveGroupRequest = call.decode(&mut body)?;
    if call.version < LEAVES_TOGETHER {
        let left = broker.groups.leave(&request.group_id, &who(&request.member_id, None));
        return call.encode(&LeaveGroupResponse::default().with_error_code(code(&left)));
    }
    let leave = |member: &kafka_protocol::messages::leave_group_request::MemberIdentity| {
        let left = broker.groups.leave(&request.group_id, &who(&member.member_id, member.group_instance_id.as_ref()));
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(code(&left))
    };
    let members = request.members.iter().map(leave).collect();
    call.encode(&LeaveGroupResponse::default().with_members(members))
}

/// Groups and their members.
pub(super) fn describe(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: DescribeGroupsRequest = call.decode(&mut body)?;
    let names_instance = call.version >= 4;
    let member = |member: DescribedMember| {
        DescribedGroupMember::default()
            .with_member_id(text(member.who.member_id))
            .with_group_instance_id(member.who.instance.filter(|_| names_instance).map(text))
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    };
    let group = |id: &GroupId| {
        let described = broker.groups.describe(id);
        DescribedGroup::default()
            .with_group_id(id.clone())
            .with_group_state(text(described.state.map_or("Dead", state_name)))
            .with_protocol_type(text(described.protocol_type))
            .with_protocol_data(text(described.protocol))
            .with_members(described.members.into_iter().map(member).collect())
    };
    call.encode(&DescribeGroupsResponse::default().with_groups(request.groups.iter().map(group).collect()))
}

/// Every group.
pub(super) fn list(broker: &Arc<Shared>, call: &Call, mut body: Bytes) -> Result<Answer, Close> {
    let request: ListGroupsRequest = call.decode(&mut body)?;
    let wanted = |state: State| {
        let filter = &request.states_filter;
        filter.is_empty() || filter.iter().any(|name| name.eq_ignore_ascii_case(state_name(state)))
    };
    let names_state = call.version >= 4;
    let listed = |(name, (state, protocol_type)): (String, (State, String))| {
        ListedGroup::default()
            .with_group_id(GroupId(text(name)))
            .with_protocol_type(text(protocol_type))
            .with_group_state(text(if names_state { state_name(state) } else { "" }))
    };
    let groups = broker.groups.list().into_iter().filter(|(_, (state, _))| wanted(*state)).map(listed).collect();
    call.encode(&ListGroupsResponse::default().with_groups(groups))
}

fn who(member_id: &str, instance: Option<&StrBytes>) -> Who {
    Who { member_id: member_id.to_string(), instance: instance.map(ToString::to_string) }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Empty => "Empty",
        State::Preparing => "PreparingRebalance",
        State::Completing => "CompletingRebalance",
        State::Stable => "Stable",
    }
}
