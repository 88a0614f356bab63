//! One consumer group as a state machine; time is an argument, answers go through the members' replies.
//!
//! ```text
//!            join                   all joined, or time over               leader syncs
//!  Empty ───────────▶ Preparing ───────────────────────────▶ Completing ───────────────▶ Stable
//!    ▲                 ▲   │                                     │                          │
//!    └── last leaves ──┼───┘      join with news, leave, expiry, │ member that does not sync│
//!                      └──────────────────────────────────────────┴─────────────────────────┘
//! ```
//! A join is answered when its generation is complete, a sync when the leader has assigned. Waiting for either counts as
//! being alive. A static member that comes back under a new id takes the place of the old one; in a stable group without
//! a new generation.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use crate::identity;
use crate::member::{JoinRefusal, JoinReply, Joined, JoinedMember, Joining, Member, SyncReply, Synced, Syncing, Who};
use crate::protocol;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// Waiting for everybody to join.
    Preparing,
    /// Waiting for the leader's assignment.
    Completing,
    /// Everybody knows what to read.
    Stable,
}

/// A group that has members, or has promised somebody an id.
#[derive(Debug)]
pub(crate) struct Group {
    state: State,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    /// When waiting for joins or syncs ends.
    deadline: Instant,
    members: BTreeMap<String, Member>,
    /// Ids given out, until when they may be used.
    promised: BTreeMap<String, Instant>,
    limit: usize,
}

impl Group {
    pub(crate) fn new(limit: usize, now: Instant) -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            deadline: now,
            members: BTreeMap::new(),
            promised: BTreeMap::new(),
            limit,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    pub(crate) fn protocol(&self) -> &str {
        &self.protocol
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// Nobody is here and nobody is expected.
    pub(crate) fn is_over(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    /// Somebody wants to be in the next generation.
    pub(crate) fn join(&mut self, joining: Joining, reply: JoinReply, now: Instant) {
        if let Err((refusal, reply)) = self.try_join(joining, reply, now) {
            // A closed connection does not listen.
            let _ = reply.send(Err(refusal));
        }
    }

    fn try_join(
        &mut self,
        mut joining: Joining,
        reply: JoinReply,
        now: Instant,
    ) -> Result<(), (JoinRefusal, JoinReply)> {
        let member_id = joining.who.member_id.clone();
        if let Err(error) = self.admit(&joining) {
            return Err((JoinRefusal { error, member_id }, reply));
        }
        if !member_id.is_empty() {
            if self.promised.remove(&member_id).is_some() {
                self.enter(joining, reply, now);
            } else if let Err(error) = self.check_member(&joining.who) {
                return Err((JoinRefusal { error, member_id }, reply));
            } else {
                self.rejoin(joining, reply, now);
            }
            return Ok(());
        }
        joining.who.member_id = identity::member_id(&joining.client_id);
        let holder = joining.who.instance.as_ref().and_then(|instance| self.holder(instance));
        if let Some(old) = holder {
            self.replace(&old, joining, reply, now);
        } else if joining.asks_for_id && joining.who.instance.is_none() {
            let member_id = joining.who.member_id;
            self.promised.insert(member_id.clone(), now + joining.session_timeout);
            return Err((JoinRefusal { error: ResponseError::MemberIdRequired, member_id }, reply));
        } else {
            self.enter(joining, reply, now);
        }
        Ok(())
    }

    /// Whether there is room for it and a protocol it has in common with everybody else.
    fn admit(&self, joining: &Joining) -> Result<(), ResponseError> {
        let id = &joining.who.member_id;
        let known = self.members.contains_key(id) || self.promised.contains_key(id);
        let returns = joining.who.instance.as_ref().is_some_and(|instance| self.holder(instance).is_some());
        if !known && !returns && self.members.len() + self.promised.len() >= self.limit {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let former_self = |other: &Member| {
            other.joining.who.member_id == *id
                || (joining.who.instance.is_some() && other.joining.who.instance == joining.who.instance)
        };
        let others = self.members.values().filter(|member| !former_self(member));
        if protocol::fits(joining, others) { Ok(()) } else { Err(ResponseError::InconsistentGroupProtocol) }
    }

    /// A new member: everybody has to join again.
    fn enter(&mut self, joining: Joining, reply: JoinReply, now: Instant) {
        self.protocol_type.clone_from(&joining.protocol_type);
        let mut member = Member::new(joining, now);
        member.join = Some(reply);
        self.members.insert(member.joining.who.member_id.clone(), member);
        self.rebalance(now);
    }

    /// A member that is here already: a repeated request is answered as before, news begin a new generation.
    fn rejoin(&mut self, joining: Joining, reply: JoinReply, now: Instant) {
        let id = joining.who.member_id.clone();
        let leads = self.leader == id;
        let Some(member) = self.members.get_mut(&id) else { return };
        let same = member.joining.protocols == joining.protocols;
        member.joining = joining;
        member.last_seen = now;
        let as_before = match self.state {
            State::Completing => same,
            State::Stable => same && !leads,
            State::Preparing | State::Empty => false,
        };
        if as_before {
            let _ = reply.send(Ok(self.joined(&id, leads)));
            return;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.join = Some(reply);
        }
        self.rebalance(now);
    }

    /// A static member under a new id.
    fn replace(&mut self, old: &str, joining: Joining, reply: JoinReply, now: Instant) {
        let id = joining.who.member_id.clone();
        let mut member = Member::new(joining, now);
        if let Some(before) = self.members.remove(old) {
            member.assignment = before.assignment.clone();
            before.dismiss(ResponseError::FencedInstanceId);
        }
        self.members.insert(id.clone(), member);
        let led = self.leader == old;
        if led {
            self.leader.clone_from(&id);
        }
        if self.state == State::Stable && protocol::vote(self.members.values()) == self.protocol {
            let mut joined = self.joined(&id, false);
            if led {
                // Told of its old id as leader it takes itself for a follower and does not assign anew.
                joined.leader = old.to_string();
            }
            let _ = reply.send(Ok(joined));
            return;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.join = Some(reply);
        }
        self.rebalance(now);
    }

    /// A member asks for its assignment; the leader brings everybody's along.
    pub(crate) fn sync(&mut self, syncing: Syncing, reply: SyncReply, now: Instant) {
        let Syncing { who, generation, assignments } = syncing;
        let checked = self.check(&who, generation).and(match self.state {
            State::Preparing => Err(ResponseError::RebalanceInProgress),
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::Completing | State::Stable => Ok(()),
        });
        let member = self.members.get_mut(&who.member_id);
        let (Ok(()), Some(member)) = (checked, member) else {
            let _ = reply.send(Err(checked.err().unwrap_or(ResponseError::UnknownMemberId)));
            return;
        };
        member.last_seen = now;
        member.sync = Some(reply);
        if self.state == State::Completing && self.leader == who.member_id {
            for (id, assignment) in assignments {
                if let Some(member) = self.members.get_mut(&id) {
                    member.assignment = assignment;
                }
            }
            self.state = State::Stable;
        }
        if self.state == State::Stable {
            self.answer_syncs(now);
        }
    }

    /// A member says that it lives.
    pub(crate) fn heartbeat(&mut self, who: &Who, generation: i32, now: Instant) -> Result<(), ResponseError> {
        self.check(who, generation)?;
        self.touch(who, now);
        if self.state == State::Preparing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// Whether somebody may commit: a member of this generation, or somebody from outside while there are no members.
    pub(crate) fn may_commit(&mut self, who: &Who, generation: i32, now: Instant) -> Result<(), ResponseError> {
        if generation < 0 && !self.has_members() {
            return Ok(());
        }
        if generation < 0 && who.member_id.is_empty() && who.instance.is_none() {
            return Err(ResponseError::UnknownMemberId);
        }
        self.check(who, generation)?;
        self.touch(who, now);
        if self.state == State::Completing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// A member goes, or an operator sends a static one away by its name alone.
    pub(crate) fn leave(&mut self, who: &Who, now: Instant) -> Result<(), ResponseError> {
        if self.promised.remove(&who.member_id).is_some() {
            self.complete(now);
            return Ok(());
        }
        let id = match (&who.instance, who.member_id.is_empty()) {
            (Some(instance), true) => self.holder(instance).ok_or(ResponseError::UnknownMemberId)?,
            _ => {
                self.check_member(who)?;
                who.member_id.clone()
            }
        };
        if let Some(member) = self.members.remove(&id) {
            member.dismiss(ResponseError::UnknownMemberId);
        }
        self.lost(now);
        Ok(())
    }

    /// Time has passed: silent members are out, and waiting ends.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.promised.retain(|_, until| now < *until);
        let before = self.members.len();
        self.members.retain(|_, member| !member.is_expired(now));
        if self.state == State::Completing && now >= self.deadline {
            self.members.retain(|_, member| member.sync.is_some());
        }
        if self.members.len() < before {
            self.lost(now);
        } else {
            self.complete(now);
        }
    }

    fn lost(&mut self, now: Instant) {
        if self.members.is_empty() {
            self.state = State::Empty;
            self.generation += 1;
        } else {
            self.rebalance(now);
        }
    }

    /// Begins a new generation, unless one is beginning, and completes it if nobody is missing.
    fn rebalance(&mut self, now: Instant) {
        if self.state != State::Preparing {
            for member in self.members.values_mut() {
                if let Some(reply) = member.sync.take() {
                    let _ = reply.send(Err(ResponseError::RebalanceInProgress));
                }
            }
            self.state = State::Preparing;
            self.deadline = now + self.patience();
        }
        self.complete(now);
    }

    /// Closes the door of a generation once everybody is in, or when time is over for those who are not.
    fn complete(&mut self, now: Instant) {
        let all_in = self.promised.is_empty() && self.members.values().all(|member| member.join.is_some());
        if self.state != State::Preparing || !(all_in || now >= self.deadline) {
            return;
        }
        // Static members keep their place until their session ends.
        self.members.retain(|_, member| member.join.is_some() || member.joining.who.instance.is_some());
        let Some(first) = self.members.values().find(|member| member.join.is_some()) else {
            self.deadline = now + self.patience();
            if self.members.is_empty() {
                self.lost(now);
            }
            return;
        };
        if self.members.get(&self.leader).is_none_or(|leader| leader.join.is_none()) {
            self.leader = first.joining.who.member_id.clone();
        }
        self.generation += 1;
        self.protocol = protocol::vote(self.members.values());
        self.state = State::Completing;
        self.deadline = now + self.patience();
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id, id == self.leader);
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = Bytes::new();
                member.last_seen = now;
                if let Some(reply) = member.join.take() {
                    let _ = reply.send(Ok(joined));
                }
            }
        }
    }

    fn answer_syncs(&mut self, now: Instant) {
        for member in self.members.values_mut() {
            if let Some(reply) = member.sync.take() {
                member.last_seen = now;
                let _ = reply.send(Ok(Synced {
                    protocol_type: self.protocol_type.clone(),
                    protocol: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                }));
            }
        }
    }

    fn patience(&self) -> Duration {
        self.members.values().map(|member| member.joining.rebalance_timeout).max().unwrap_or_default()
    }

    fn joined(&self, id: &str, as_leader: bool) -> Joined {
        let described = |member: &Member| JoinedMember {
            id: member.joining.who.member_id.clone(),
            instance: member.joining.who.instance.clone(),
            metadata: member.metadata(&self.protocol),
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member_id: id.to_string(),
            members: if as_leader { self.members.values().map(described).collect() } else { Vec::new() },
        }
    }

    fn holder(&self, instance: &str) -> Option<String> {
        let holds = |member: &&Member| member.joining.who.instance.as_deref() == Some(instance);
        self.members.values().find(holds).map(|member| member.joining.who.member_id.clone())
    }

    fn touch(&mut self, who: &Who, now: Instant) {
        if let Some(member) = self.members.get_mut(&who.member_id) {
            member.last_seen = now;
        }
    }

    fn check(&self, who: &Who, generation: i32) -> Result<(), ResponseError> {
        self.check_member(who)?;
        if generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    fn check_member(&self, who: &Who) -> Result<(), ResponseError> {
        match who.instance.as_ref().map(|instance| self.holder(instance)) {
            Some(Some(id)) if id != who.member_id => Err(ResponseError::FencedInstanceId),
            Some(None) => Err(ResponseError::UnknownMemberId),
            _ if self.members.contains_key(&who.member_id) => Ok(()),
            _ => Err(ResponseError::UnknownMemberId),
        }
    }
}

#[cfg(test)]
mod tests;
