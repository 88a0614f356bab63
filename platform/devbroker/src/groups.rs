//! All consumer groups: the state machines in memory, the committed offsets on disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::UNPOISONED;
use crate::group::{Group, State};
use crate::member::{JoinRefusal, Joined, Joining, Synced, Syncing, Who};
use crate::offsets::{Commit, Committed, Offsets, Place};
use crate::rounds::Rounds;

/// How often silent members are looked for.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The longest group id; longer than any that makes sense, short enough for the offsets file.
const ID_BYTES: usize = 1_024;

/// The groups of a broker. Membership is forgotten with the process: after a restart members are unknown and join anew.
#[derive(Debug)]
pub(crate) struct Groups {
    offsets: Arc<Rounds<Offsets>>,
    limits: GroupLimits,
    live: Mutex<BTreeMap<String, Group>>,
}

/// What is refused beyond.
#[derive(Debug, Clone)]
pub(crate) struct GroupLimits {
    pub(crate) groups: usize,
    pub(crate) members: usize,
    pub(crate) shortest_session: Duration,
    pub(crate) longest_session: Duration,
    pub(crate) metadata_bytes: usize,
}

/// A group as an operator sees it.
#[derive(Debug)]
pub(crate) struct Described {
    /// `None`: nobody knows this group.
    pub(crate) state: Option<State>,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<DescribedMember>,
}

/// A member as an operator sees it.
#[derive(Debug)]
pub(crate) struct DescribedMember {
    pub(crate) who: Who,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

/// Committed in one partition by one request.
pub(crate) type Wish = (Place, Committed);

impl Groups {
    pub(crate) fn new(offsets: Arc<Rounds<Offsets>>, limits: GroupLimits) -> Self {
        Self { offsets, limits, live: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Joins; the answer comes when the generation is complete.
    pub(crate) fn join(&self, group: &str, joining: Joining) -> oneshot::Receiver<Result<Joined, JoinRefusal>> {
        let (reply, answer) = oneshot::channel();
        let sessions = self.limits.shortest_session..=self.limits.longest_session;
        let mut live = self.live.lock().expect(UNPOISONED);
        let refusal = if group.is_empty() || group.len() > ID_BYTES {
            Some(ResponseError::InvalidGroupId)
        } else if !sessions.contains(&joining.session_timeout) {
            Some(ResponseError::InvalidSessionTimeout)
        } else if !live.contains_key(group) && !self.has_room(&live, group) {
            Some(ResponseError::PolicyViolation)
        } else {
            None
        };
        if let Some(error) = refusal {
            let _ = reply.send(Err(JoinRefusal { error, member_id: joining.who.member_id }));
            return answer;
        }
        let now = Instant::now();
        live.entry(group.to_string()).or_insert_with(|| Group::new(self.limits.members, now)).join(joining, reply, now);
        answer
    }

    /// Asks for the assignment; the answer comes when the leader has made it.
    pub(crate) fn sync(&self, group: &str, syncing: Syncing) -> oneshot::Receiver<Result<Synced, ResponseError>> {
        let (reply, answer) = oneshot::channel();
        match self.live.lock().expect(UNPOISONED).get_mut(group) {
            Some(group) => group.sync(syncing, reply, Instant::now()),
            None => drop(reply.send(Err(ResponseError::UnknownMemberId))),
        }
        answer
    }

    pub(crate) fn heartbeat(&self, group: &str, who: &Who, generation: i32) -> Result<(), ResponseError> {
        let mut live = self.live.lock().expect(UNPOISONED);
        live.get_mut(group).ok_or(ResponseError::UnknownMemberId)?.heartbeat(who, generation, Instant::now())
    }

    pub(crate) fn leave(&self, group: &str, who: &Who) -> Result<(), ResponseError> {
        let mut live = self.live.lock().expect(UNPOISONED);
        let left = live.get_mut(group).ok_or(ResponseError::UnknownMemberId)?.leave(who, Instant::now());
        live.retain(|_, group| !group.is_over());
        left
    }

    /// Whether this member, or nobody in particular, may commit now.
    pub(crate) fn may_commit(&self, group: &str, who: &Who, generation: i32) -> Result<(), ResponseError> {
        let mut live = self.live.lock().expect(UNPOISONED);
        if group.len() > ID_BYTES {
            return Err(ResponseError::InvalidGroupId);
        }
        if let Some(group) = live.get_mut(group) {
            return group.may_commit(who, generation, Instant::now());
        }
        match generation {
            0.. if self.has_offsets(group) => Err(ResponseError::UnknownMemberId),
            0.. => Err(ResponseError::IllegalGeneration),
            _ if self.has_room(&live, group) => Ok(()),
            _ => Err(ResponseError::PolicyViolation),
        }
    }

    /// Whether the note with a commit is short enough.
    pub(crate) fn check_metadata(&self, metadata: &str) -> Result<(), ResponseError> {
        let limit = self.limits.metadata_bytes.min(usize::from(u16::MAX));
        if metadata.len() > limit { Err(ResponseError::OffsetMetadataTooLarge) } else { Ok(()) }
    }

    /// Commits; the answer comes when it is on the disk.
    pub(crate) fn commit(&self, wishes: Vec<Wish>) -> oneshot::Receiver<Result<(), ResponseError>> {
        let set = |(place, committed): Wish| (place, (committed.offset >= 0).then_some(committed));
        self.submit(wishes.into_iter().map(set).collect())
    }

    /// Forgets what was committed there.
    pub(crate) fn forget(&self, places: Vec<Place>) -> oneshot::Receiver<Result<(), ResponseError>> {
        self.submit(places.into_iter().map(|place| (place, None)).collect())
    }

    fn submit(&self, entries: Vec<(Place, Option<Committed>)>) -> oneshot::Receiver<Result<(), ResponseError>> {
        let (reply, answer) = oneshot::channel();
        self.offsets.submit(Commit { entries, reply });
        answer
    }

    /// Whether the group may be deleted, and what it has committed.
    pub(crate) fn deletable(&self, group: &str) -> Result<Vec<Place>, ResponseError> {
        let live = self.live.lock().expect(UNPOISONED);
        if live.get(group).is_some_and(Group::has_members) {
            return Err(ResponseError::NonEmptyGroup);
        }
        let places: Vec<Place> = self.offsets.of_group(group).into_iter().map(|(place, _)| place).collect();
        if places.is_empty() { Err(ResponseError::GroupIdNotFound) } else { Ok(places) }
    }

    /// Every group with members or offsets, its state and protocol type.
    pub(crate) fn list(&self) -> BTreeMap<String, (State, String)> {
        let live = self.live.lock().expect(UNPOISONED);
        let committed = self.offsets.groups().into_iter().map(|group| (group, (State::Empty, "consumer".to_string())));
        let mut groups: BTreeMap<_, _> = committed.collect();
        groups.extend(live.iter().map(|(name, g)| (name.clone(), (g.state(), g.protocol_type().to_string()))));
        groups
    }

    pub(crate) fn describe(&self, group: &str) -> Described {
        let live = self.live.lock().expect(UNPOISONED);
        let Some(live) = live.get(group) else {
            let state = self.has_offsets(group).then_some(State::Empty);
            let protocol_type = if state.is_some() { "consumer" } else { "" }.to_string();
            return Described { state, protocol_type, protocol: String::new(), members: Vec::new() };
        };
        let protocol = live.protocol().to_string();
        let member = |member: &crate::member::Member| DescribedMember {
            who: member.joining.who.clone(),
            client_id: member.joining.client_id.clone(),
            client_host: member.joining.client_host.clone(),
            metadata: member.metadata(&protocol),
            assignment: member.assignment.clone(),
        };
        Described {
            state: Some(live.state()),
            protocol_type: live.protocol_type().to_string(),
            members: live.members().map(member).collect(),
            protocol,
        }
    }

    /// Lets time pass in every group.
    pub(crate) fn tick(&self) {
        let mut live = self.live.lock().expect(UNPOISONED);
        let now = Instant::now();
        live.values_mut().for_each(|group| group.tick(now));
        live.retain(|_, group| !group.is_over());
    }

    fn has_offsets(&self, group: &str) -> bool {
        !self.offsets.of_group(group).is_empty()
    }

    fn has_room(&self, live: &BTreeMap<String, Group>, group: &str) -> bool {
        let mut known = self.offsets.groups();
        known.extend(live.keys().cloned());
        known.sort_unstable();
        known.dedup();
        known.len() < self.limits.groups || known.binary_search_by(|name| name.as_str().cmp(group)).is_ok()
    }
}
