//! Which event it is: the provider's id, type and ordering key, or what stands for them.

use hooklog_schemas::{EventId, EventType, OrderingKey};
use hooklog_signatures::{Head, IdentifyError, Scheme};
use sha2::{Digest, Sha256};

/// What an event is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The provider's id; the body's SHA-256 where there is none.
    pub id: EventId,
    /// The provider's type; `event` where there is none.
    pub kind: EventType,
    /// The ordering key; the id where there is none, so that unrelated events spread.
    pub key: OrderingKey,
}

/// Finds id, type and key where the scheme says they are.
///
/// # Errors
/// [`IdentifyError`] when the body says two things on the way to one of them.
pub fn identify(scheme: &Scheme, head: Head<'_>, body: &[u8], body_sha256: &[u8; 32]) -> Result<Event, IdentifyError> {
    let found = hooklog_signatures::identify(scheme, head, body)?;
    let id = match found.id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => EventId::parse(id).unwrap_or_else(|_| hashed(&Sha256::digest(id).into())),
        None => hashed(body_sha256),
    };
    let kind = found.kind.as_deref().and_then(|kind| EventType::parse(kind).ok()).unwrap_or_else(EventType::unnamed);
    let key = found.key.as_deref().filter(|key| !key.is_empty()).unwrap_or_else(|| id.as_str());
    let key = OrderingKey::parse(key).unwrap_or_else(|_| key_of(&hashed(&Sha256::digest(key).into())));
    Ok(Event { id, kind, key })
}

/// What stands for an id that there is not, or that can't be one (too long, control characters): equal content, equal id.
pub(crate) fn hashed(sha256: &[u8; 32]) -> EventId {
    EventId::parse(&format!("sha256:{}", hex::encode(sha256))).expect("a hash is short and printable")
}

fn key_of(id: &EventId) -> OrderingKey {
    OrderingKey::parse(id.as_str()).expect("an id is a key: shorter, and as printable")
}
