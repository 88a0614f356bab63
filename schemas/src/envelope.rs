//! The record of a received webhook: its bytes as they came, and what the edge found out about them.

use bytes::Bytes;

use crate::id::{EventId, EventType, OrderingKey, SourceName};
use crate::request_headers::RequestHeaders;
use crate::time::Timestamp;

/// A verified webhook, as it lies in its topic. The Avro schema is `avro/envelope.v1.avsc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The provider's event id, or a content hash where it gives none.
    pub id: EventId,
    /// The configured source that received it.
    pub source: SourceName,
    /// What happened, in the provider's words.
    pub kind: EventType,
    /// What order is kept for; also the Kafka record's key.
    pub key: OrderingKey,
    /// When the edge had the whole request.
    pub received_at: Timestamp,
    /// How the sender was verified: the scheme's name and the key's id (`github:2026-11`), or `none`.
    pub scheme: String,
    /// The request's headers in their order, without those that carry credentials.
    pub headers: RequestHeaders,
    /// The request's `content-type`.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// SHA-256 of `body`.
    pub body_sha256: [u8; 32],
    /// W3C `traceparent`.
    pub trace: Option<String>,
}

impl Envelope {
    /// What deduplication compares: `<source>:<id>`, since an id is only unique within its source.
    #[must_use]
    pub fn dedupe_id(&self) -> String {
        let mut id = String::with_capacity(self.source.as_str().len() + 1 + self.id.as_str().len());
        id.push_str(self.source.as_str());
        id.push(':');
        id.push_str(self.id.as_str());
        id
    }
}
