//! An event for a test, with defaults for what the test does not care about.

use bytes::Bytes;
use hooklog_schemas::{Envelope, EventId, EventType, OrderingKey, RequestHeaders, SourceName, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// An event to be delivered, with defaults for what a test does not care about.
#[derive(Debug, Clone)]
pub struct Sample {
    id: String,
    source: String,
    kind: String,
    key: String,
    body: Bytes,
}

/// An event with this id, of source `test` and type `event`, with the key `key` and the body `{}`.
#[must_use]
pub fn event(id: &str) -> Sample {
    Sample {
        id: id.to_owned(),
        source: "test".to_owned(),
        kind: "event".to_owned(),
        key: "key".to_owned(),
        body: Bytes::from_static(b"{}"),
    }
}

impl Sample {
    /// Of another source.
    #[must_use]
    pub fn source(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }

    /// Of another type.
    #[must_use]
    pub fn kind(self, kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..self }
    }

    /// With another ordering key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }

    /// With this body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// With this body, as JSON.
    ///
    /// # Panics
    /// When it can't be JSON.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Self {
        self.body(serde_json::to_vec(body).expect("the sample's body is JSON"))
    }

    pub(super) fn envelope(&self, now: Timestamp) -> Envelope {
        Envelope {
            id: EventId::parse(&self.id).expect("the sample's id is an event id"),
            source: SourceName::parse(&self.source).expect("the sample's source is a source name"),
            kind: EventType::parse(&self.kind).expect("the sample's type is an event type"),
            key: OrderingKey::parse(&self.key).expect("the sample's key is an ordering key"),
            received_at: now,
            scheme: "none".to_owned(),
            headers: RequestHeaders::default(),
            content_type: Some("application/json".to_owned()),
            body: self.body.clone(),
            body_sha256: Sha256::digest(&self.body).into(),
            trace: None,
        }
    }
}
