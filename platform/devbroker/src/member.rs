//! A member of a consumer group: what it can do, when it was last heard of, and which answer it waits for.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A way to divide partitions, and what the member says to its leader about it.
pub(crate) type Protocol = (String, Bytes);

/// The answer to a join, once everybody has joined.
pub(crate) type JoinReply = oneshot::Sender<Result<Joined, JoinRefusal>>;

/// The answer to a sync, once the leader has assigned.
pub(crate) type SyncReply = oneshot::Sender<Result<Synced, ResponseError>>;

/// A join that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    /// Everybody, for the leader; nobody, for the others.
    pub(crate) members: Vec<JoinedMember>,
}

/// What the leader learns of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) metadata: Bytes,
}

/// A join that failed; with `MEMBER_ID_REQUIRED` it tells the id to come back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinRefusal {
    pub(crate) error: ResponseError,
    pub(crate) member_id: String,
}

/// A sync that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) assignment: Bytes,
}

/// Who speaks: the id the group gave, and the name the operator gave if the member is static.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
}

/// What a member brings along when it joins.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    pub(crate) who: Who,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<Protocol>,
    /// Newer clients first ask for an id and join with it, so that a lost answer leaves no ghost behind.
    pub(crate) asks_for_id: bool,
}

/// What a member brings along when it asks for its assignment; the leader brings everybody's.
#[derive(Debug, Clone)]
pub(crate) struct Syncing {
    pub(crate) who: Who,
    pub(crate) generation: i32,
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) joining: Joining,
    pub(crate) assignment: Bytes,
    pub(crate) last_seen: Instant,
    pub(crate) join: Option<JoinReply>,
    pub(crate) sync: Option<SyncReply>,
}

impl Member {
    pub(crate) fn new(joining: Joining, now: Instant) -> Self {
        Self { joining, assignment: Bytes::new(), last_seen: now, join: None, sync: None }
    }

    pub(crate) fn supports(&self, protocol: &str) -> bool {
        self.joining.protocols.iter().any(|(name, _)| name == protocol)
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let own = self.joining.protocols.iter().find(|(name, _)| name == protocol);
        own.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// Silent for longer than its session; one that waits for an answer is alive.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.join.is_none() && self.sync.is_none() && now >= self.last_seen + self.joining.session_timeout
    }

    /// Answers whatever it waits for with an error.
    pub(crate) fn dismiss(self, error: ResponseError) {
        let member_id = self.joining.who.member_id;
        // A closed connection does not listen.
        if let Some(reply) = self.join {
            let _ = reply.send(Err(JoinRefusal { error, member_id }));
        }
        if let Some(reply) = self.sync {
            let _ = reply.send(Err(error));
        }
    }
}
