//! An outside call that an event asked for: written down with the event's state, made afterwards, repeated with the same id.

use std::fmt;

use bytes::Bytes;
use hooklog_schemas::{Offset, Position};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::fault::Fault;
use crate::identity::Identity;

/// The idempotency key of an effect: it depends on the event's place and the effect's number only, so that every repetition has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EffectId([u8; 16]);

impl EffectId {
    /// The id of the `ordinal`-th effect of the record at `offset`.
    #[must_use]
    pub fn of(identity: &Identity, offset: Offset, ordinal: u16) -> Self {
        let mut hash = Sha256::new();
        for text in [identity.group.as_str(), identity.topic.as_str()] {
            hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(text);
        }
        hash.update(identity.generation.0.to_be_bytes());
        hash.update(identity.partition.0.to_be_bytes());
        hash.update(offset.0.to_be_bytes());
        hash.update(ordinal.to_be_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        Self(id)
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A call to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    id: EffectId,
    origin: Position,
    payload: Bytes,
    attempt: u32,
}

impl Effect {
    pub(crate) const fn new(id: EffectId, origin: Position, payload: Bytes, attempt: u32) -> Self {
        Self { id, origin, payload, attempt }
    }

    /// The idempotency key to send along: the same at every repetition, never the same for two effects.
    #[must_use]
    pub const fn id(&self) -> EffectId {
        self.id
    }

    /// The event that asked for it.
    #[must_use]
    pub const fn origin(&self) -> &Position {
        &self.origin
    }

    /// What the handler wrote down.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Which attempt of this process it is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the handler wrote down, as a type.
    ///
    /// # Errors
    /// A permanent [`Fault`] when it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.payload).map_err(Fault::from)
    }
}
