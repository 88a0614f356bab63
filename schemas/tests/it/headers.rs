//! The record's headers are CloudEvents' Kafka binding.

use hooklog_schemas::RecordHeaders;
use hooklog_schemas::codec::Draft;

use crate::samples;

#[test]
fn an_event_has_the_cloudevents_headers() {
    let envelope = samples::full();
    let headers = RecordHeaders::of(&Draft::of(&envelope, &[]));
    let read: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(
        read,
        [
            ("ce_specversion", "1.0"),
            ("ce_id", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("ce_source", "/in/github"),
            ("ce_type", "push"),
            ("content-type", "application/avro"),
            ("hooklog-dedupe-id", "github:72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ]
    );
    assert_eq!(envelope.dedupe_id(), "github:72d3162e-cc78-11e3-81ab-4c9367dc0958");
}
