//! The bytes on the log never change by accident: a record written by this version is committed and must be written the same.

use std::path::Path;

use bytes::Bytes;
use hooklog_schemas::Frame;
use hooklog_schemas::codec::{SchemaId, decode, encode, envelope_fingerprint};

use crate::samples;

fn golden(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/envelope/v1").join(name);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, text, "{} differs: a record's bytes changed", path.display());
}

#[test]
fn the_record_has_the_committed_bytes() {
    golden("full.single-object.hex", &encode(&samples::full(), Frame::SingleObject));
    golden("full.registry.hex", &encode(&samples::full(), Frame::Registry(SchemaId(7))));
}

#[test]
fn the_body_is_a_slice_of_the_record() {
    let bytes = Bytes::from(encode(&samples::full(), Frame::SingleObject));
    let envelope = decode(&bytes).unwrap();
    let record = bytes.as_ptr_range();
    assert!(record.contains(&envelope.body.as_ptr()), "decoding copied the body");
}

#[test]
fn the_fingerprint_is_the_one_of_the_committed_schema() {
    // The single-object frame of the committed bytes holds it; a changed schema needs a new version instead.
    let bytes = encode(&samples::full(), Frame::SingleObject);
    assert_eq!(bytes[..2], [0xC3, 0x01]);
    assert_eq!(bytes[2..10], envelope_fingerprint());
}
