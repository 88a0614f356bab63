//! The record's headers: CloudEvents 1.0, Kafka binding, binary mode, so that a team in any language can route without decoding.
//!
//! Every header costs the edge and the broker, so what the record says by itself is not said again: the ordering key (which would be
//! `ce_partitionkey`) is the record's key, and the time of arrival is its timestamp. `ce_time` would be the time of the occurrence, which
//! only the provider knows.

use std::borrow::Cow;

use crate::codec::Draft;

/// The names of the headers that event records have.
pub struct RecordHeaders;

/// One header of a record: its name and its bytes.
pub type RecordHeader<'a> = (&'static str, Cow<'a, [u8]>);

impl RecordHeaders {
    /// The event's id.
    pub const ID: &'static str = "ce_id";
    /// The source, as a URI reference: `/in/<source>`.
    pub const SOURCE: &'static str = "ce_source";
    /// The event's type.
    pub const TYPE: &'static str = "ce_type";
    /// Always `1.0`.
    pub const SPEC_VERSION: &'static str = "ce_specversion";
    /// The value's media type: Avro binary.
    pub const CONTENT_TYPE: &'static str = "content-type";
    /// W3C trace context.
    pub const TRACEPARENT: &'static str = "traceparent";
    /// What deduplication compares: `<source>:<id>`.
    pub const DEDUPE_ID: &'static str = "hooklog-dedupe-id";

    /// `invalid` on a record whose body differs from its source's schema; good records do not have it, so that they cost nothing.
    pub const SCHEMA: &'static str = "hooklog-schema";

    /// How far a record is proven whose body is not: `sender` (who sent it is, what was sent is not) or `nothing` (anybody could send it).
    /// A record whose body its signature covers does not have it.
    pub const VERIFIED: &'static str = "hooklog-verified";

    /// The headers of an event's record, in a fixed order.
    #[must_use]
    pub fn of<'a>(draft: &Draft<'a>) -> Vec<RecordHeader<'a>> {
        let source = draft.source.as_str();
        let mut headers: Vec<RecordHeader<'a>> = Vec::with_capacity(7);
        headers.push((Self::SPEC_VERSION, Cow::Borrowed(b"1.0")));
        headers.push((Self::ID, Cow::Borrowed(draft.id.as_str().as_bytes())));
        headers.push((Self::SOURCE, Cow::Owned([b"/in/", source.as_bytes()].concat())));
        headers.push((Self::TYPE, Cow::Borrowed(draft.kind.as_str().as_bytes())));
        headers.push((Self::CONTENT_TYPE, Cow::Borrowed(b"application/avro")));
        headers.push((Self::DEDUPE_ID, Cow::Owned([source.as_bytes(), b":", draft.id.as_str().as_bytes()].concat())));
        if let Some(trace) = draft.trace {
            headers.push((Self::TRACEPARENT, Cow::Borrowed(trace.as_bytes())));
        }
        headers
    }
}
