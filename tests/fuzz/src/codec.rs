//! The record's codec: any bytes are read or refused, and what was read is written and read again as the same.

use bytes::Bytes;
use hooklog_schemas::codec::{decode, encode};
use hooklog_schemas::{Envelope, EventId, EventType, Frame, OrderingKey, RequestHeaders, SourceName, Timestamp};

/// The fingerprint is put right, so that what lies behind it is reached: no fuzzer guesses eight bytes.
pub fn check(input: &[u8]) {
    let _refused = decode(&Bytes::copy_from_slice(input));
    let mut framed = input.to_vec();
    let frame = encode(&sample(0), Frame::SingleObject);
    if let (Some(start), Some(right)) = (framed.get_mut(..10), frame.get(..10)) {
        start.copy_from_slice(right);
    }
    let value = Bytes::from(framed);
    if let Ok(envelope) = decode(&value) {
        let written = Bytes::from(encode(&envelope, Frame::SingleObject));
        assert_eq!(decode(&written).as_ref(), Ok(&envelope), "what was written is read as another record");
        assert!(written.len() <= value.len() + 64 * envelope.headers.len() + 64, "a record grows by being read");
    }
}

fn sample(headers: usize) -> Envelope {
    let named = "a name is one";
    Envelope {
        id: EventId::parse("evt_1").expect(named),
        source: SourceName::parse("github").expect(named),
        kind: EventType::parse("push").expect(named),
        key: OrderingKey::parse("186853002").expect(named),
        received_at: Timestamp(1_700_000_000_000),
        scheme: "github:2026-11".to_owned(),
        headers: (0..headers).map(|number| (format!("x-{number}"), vec![0xff; number])).collect::<RequestHeaders>(),
        content_type: (headers > 0).then(|| "application/json".to_owned()),
        body: Bytes::from(vec![b'x'; headers * 3]),
        body_sha256: [7; 32],
        trace: (headers > 1).then(|| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    }
}

/// Records of several sizes, and the committed samples.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let samples = [
        include_str!("../../../schemas/samples/envelope/v1/full.single-object.hex"),
        include_str!("../../../schemas/samples/envelope/v1/full.registry.hex"),
    ];
    let samples = samples.iter().map(|text| hex::decode(text.trim()).expect("committed samples are hexadecimal"));
    samples.chain([0, 1, 2, 5, 12].map(|headers| encode(&sample(headers), Frame::SingleObject))).collect()
}
