//! Envelopes to test with: one that uses every field, and any that proptest can think of.

use bytes::Bytes;
use hooklog_schemas::{Envelope, EventId, EventType, OrderingKey, SourceName, Timestamp};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

pub(crate) fn full() -> Envelope {
    let body = Bytes::from_static(b"{\"zen\":\"Keep it logically awesome.\"}\xff");
    Envelope {
        id: EventId::parse("72d3162e-cc78-11e3-81ab-4c9367dc0958").unwrap(),
        source: SourceName::parse("github").unwrap(),
        kind: EventType::parse("push").unwrap(),
        key: OrderingKey::parse("1296269").unwrap(),
        received_at: Timestamp(1_700_000_000_123),
        scheme: "github:2026-11".to_owned(),
        headers: [("x-github-event", &b"push"[..]), ("x-odd", b"\xfe\x00")].into_iter().collect(),
        content_type: Some("application/json".to_owned()),
        body_sha256: Sha256::digest(&body).into(),
        body,
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

prop_compose! {
    pub(crate) fn envelope()(
        id in "[ -~é]{1,80}",
        source in "[a-z0-9][a-z0-9-]{0,20}",
        kind in "[ -~]{1,40}",
        key in "[ -~ß]{1,200}",
        received_at in any::<i64>(),
        scheme in ".{0,20}",
        headers in prop::collection::vec(("[a-z-]{1,30}", prop::collection::vec(any::<u8>(), 0..200)), 0..70),
        content_type in prop::option::of(".{0,40}"),
        trace in prop::option::of(".{0,60}"),
        body in prop::collection::vec(any::<u8>(), 0..5000),
    ) -> Envelope {
        Envelope {
            id: EventId::parse(&id).unwrap(),
            source: SourceName::parse(&source).unwrap(),
            kind: EventType::parse(&kind).unwrap(),
            key: OrderingKey::parse(&key).unwrap(),
            received_at: Timestamp(received_at),
            scheme,
            headers: headers.into_iter().collect(),
            content_type,
            body_sha256: Sha256::digest(&body).into(),
            body: body.into(),
            trace,
        }
    }
}
