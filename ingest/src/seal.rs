//! The record of a verified request: envelope, CloudEvents headers, trace.

use std::borrow::Cow;

use bytes::Bytes;
use hooklog_process::random::Random;
use hooklog_schemas::cloudevents::RecordHeader;
use hooklog_schemas::codec::{Draft, encode_draft};
use hooklog_schemas::{Frame, RecordHeaders, Timestamp};
use http::{HeaderMap, header};

use crate::identify::Event;
use crate::source::Source;

/// Headers that never enter a record: credentials, and what belongs to the connection and not to the event (RFC 9110, section 7.6.1).
const DROPPED: &[header::HeaderName] = &[
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// What is known of a request once it is verified.
pub struct Verified<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a Bytes,
    /// The body's SHA-256.
    pub body_sha256: [u8; 32],
    /// The secret that verified it.
    pub key_id: Option<&'a str>,
    /// When it was whole.
    pub received_at: Timestamp,
    /// Whether its body differs from the source's schema.
    pub differs: bool,
}

/// A record, ready to be appended. It owns all of it, and borrows nothing of the request.
pub struct Sealed {
    /// What the event is called.
    pub event: Event,
    /// When the request was whole.
    pub received_at: Timestamp,
    /// The envelope's bytes.
    pub value: Vec<u8>,
    trace: String,
    differs: bool,
}

impl Sealed {
    /// The record's headers.
    #[must_use]
    pub fn headers<'s>(&'s self, source: &'s Source) -> Vec<RecordHeader<'s>> {
        let mut headers = RecordHeaders::of(&draft(source, &self.event, &self.trace, self.received_at));
        if self.differs {
            headers.push((RecordHeaders::SCHEMA, Cow::Borrowed(b"invalid")));
        }
        if !source.scheme.signs_body() {
            let proven: &[u8] = if source.is_open() { b"nothing" } else { b"sender" };
            headers.push((RecordHeaders::VERIFIED, Cow::Borrowed(proven)));
        }
        headers
    }
}

/// Seals a request into a record. The body is copied once: into the record, which borrows nothing of the request, so that the
/// connection's buffer is free again while the record is on its way.
#[must_use]
pub fn seal(request: &Verified<'_>, source: &Source, event: Event, trace: String, frame: Frame) -> Sealed {
    let text = |name: &header::HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
    let kept = kept(request.headers, source);
    let scheme = match request.key_id {
        Some(key_id) => Cow::Owned([&source.scheme.name, ":", key_id].concat()),
        None => Cow::Borrowed(source.scheme.name.as_str()),
    };
    let whole = Draft {
        scheme: &scheme,
        headers: &kept,
        content_type: text(&header::CONTENT_TYPE),
        body: request.body,
        body_sha256: request.body_sha256,
        ..draft(source, &event, &trace, request.received_at)
    };
    let value = encode_draft(&whole, frame);
    Sealed { event, received_at: request.received_at, value, trace, differs: request.differs }
}

/// The headers that are stored: without credentials, and without those of the connection.
#[must_use]
pub fn kept<'h>(headers: &'h HeaderMap, source: &Source) -> Vec<(&'h str, &'h [u8])> {
    let credential = source.scheme.credential_header();
    headers
        .iter()
        .filter(|(name, _)| !DROPPED.contains(name) && credential != Some(name))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

/// What names the event, without what it carries.
fn draft<'a>(source: &'a Source, event: &'a Event, trace: &'a str, received_at: Timestamp) -> Draft<'a> {
    Draft {
        id: &event.id,
        source: &source.name,
        kind: &event.kind,
        key: &event.key,
        received_at,
        scheme: "",
        headers: &[],
        content_type: None,
        body: &[],
        body_sha256: [0; 32],
        trace: Some(trace),
    }
}

/// The caller's `traceparent` if it is one (W3C Trace Context, version 00), else a new one.
#[must_use]
pub fn trace(headers: &HeaderMap, random: &Random) -> String {
    let given = headers.get(RecordHeaders::TRACEPARENT).and_then(|value| value.to_str().ok());
    if let Some(given) = given.filter(|text| is_traceparent(text)) {
        return given.to_owned();
    }
    let (trace, span): ([u8; 16], [u8; 8]) = (random.bytes(), random.bytes());
    let mut text = [0; 48];
    let (left, right) = text.split_at_mut(32);
    hex::encode_to_slice(trace, left).expect("16 bytes are 32 digits");
    hex::encode_to_slice(span, right).expect("8 bytes are 16 digits");
    ["00-", &String::from_utf8_lossy(left), "-", &String::from_utf8_lossy(right), "-01"].concat()
}

fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
    matches!(parts.as_slice(), ["00", trace, span, flags]
        if hex(trace, 32) && hex(span, 16) && hex(flags, 2) && nonzero(trace) && nonzero(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_trace_is_kept_only_if_it_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_traceparent(good));
        for bad in [
            "",
            "00-0-0-01",
            &good.replace("00-0a", "ff-0a"),
            &good.to_uppercase(),
            &good.replace("b7ad6b7169203331", "0000000000000000"),
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", good.parse().unwrap());
        assert_eq!(trace(&headers, &Random::seeded(1)), good);
        headers.insert("traceparent", "nonsense".parse().unwrap());
        assert!(is_traceparent(&trace(&headers, &Random::seeded(1))));
    }
}
