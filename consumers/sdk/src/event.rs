//! An event as its consumer sees it: the envelope, and where it lies in the log.

use bytes::Bytes;
use hooklog_schemas::{Envelope, Position, Timestamp};
use serde::de::DeserializeOwned;

use crate::fault::Fault;

/// A verified event, read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    position: Position,
    record_time: Timestamp,
    envelope: Envelope,
}

impl Event {
    /// An event of the log.
    #[must_use]
    pub const fn new(position: Position, record_time: Timestamp, envelope: Envelope) -> Self {
        Self { position, record_time, envelope }
    }

    /// Sets the log's time at this event, known once the records before it were taken.
    pub(crate) const fn set_record_time(&mut self, record_time: Timestamp) {
        self.record_time = record_time;
    }

    /// Where it lies in the log.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// The record's time: the log's clock, which never goes back within a partition.
    #[must_use]
    pub const fn record_time(&self) -> Timestamp {
        self.record_time
    }

    /// The provider's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.envelope.id.as_str()
    }

    /// The configured source that received it.
    #[must_use]
    pub fn source(&self) -> &str {
        self.envelope.source.as_str()
    }

    /// What happened, in the provider's words.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.envelope.kind.as_str()
    }

    /// What order is kept for.
    #[must_use]
    pub fn key(&self) -> &str {
        self.envelope.key.as_str()
    }

    /// When the edge had the whole request.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.envelope.received_at
    }

    /// The body, byte for byte.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.envelope.body
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// A permanent [`Fault`] when the body is not that.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.envelope.body).map_err(Fault::from)
    }

    /// The last request header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.envelope.headers.get(name)
    }

    /// All that the edge recorded.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}
