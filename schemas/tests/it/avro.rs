//! Our bytes are Avro's bytes: the `apache-avro` crate reads and writes the same.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use hooklog_schemas::codec::{decode, encode, envelope_schema};
use hooklog_schemas::{DecodeError, Envelope, Frame};
use proptest::prelude::*;

use crate::samples;

const FRAME: usize = 10;

fn optional(text: Option<&String>) -> Value {
    match text {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(text) => Value::Union(1, Box::new(Value::String(text.clone()))),
    }
}

fn as_avro(envelope: &Envelope) -> Value {
    let headers = envelope.headers.iter().map(|(name, value)| {
        Value::Record(vec![
            ("name".to_owned(), Value::String(name.to_owned())),
            ("value".to_owned(), Value::Bytes(value.to_vec())),
        ])
    });
    Value::Record(vec![
        ("id".to_owned(), Value::String(envelope.id.to_string())),
        ("source".to_owned(), Value::String(envelope.source.to_string())),
        ("kind".to_owned(), Value::String(envelope.kind.to_string())),
        ("key".to_owned(), Value::String(envelope.key.to_string())),
        ("received_at".to_owned(), Value::TimestampMillis(envelope.received_at.0)),
        ("scheme".to_owned(), Value::String(envelope.scheme.clone())),
        ("headers".to_owned(), Value::Array(headers.collect())),
        ("content_type".to_owned(), optional(envelope.content_type.as_ref())),
        ("trace".to_owned(), optional(envelope.trace.as_ref())),
        ("body_sha256".to_owned(), Value::Fixed(32, envelope.body_sha256.to_vec())),
        ("body".to_owned(), Value::Bytes(envelope.body.to_vec())),
    ])
}

proptest! {
    #[test]
    fn the_avro_crate_writes_and_reads_the_same_bytes(envelope in samples::envelope()) {
        let ours = encode(&envelope, Frame::SingleObject);
        let writer = GenericDatumWriter::builder(envelope_schema()).build().unwrap();
        let theirs = writer.write_value_to_vec(as_avro(&envelope)).unwrap();
        prop_assert_eq!(&ours[FRAME..], theirs.as_slice());
        let reader = GenericDatumReader::builder(envelope_schema()).build().unwrap();
        let read = reader.read_value(&mut &ours[FRAME..]).unwrap();
        prop_assert_eq!(read, as_avro(&envelope));
    }

    #[test]
    fn what_is_encoded_is_decoded(envelope in samples::envelope()) {
        let bytes = Bytes::from(encode(&envelope, Frame::SingleObject));
        prop_assert_eq!(decode(&bytes), Ok(envelope));
    }

    #[test]
    fn a_cut_record_is_refused(envelope in samples::envelope(), cut in any::<prop::sample::Index>()) {
        let bytes = Bytes::from(encode(&envelope, Frame::SingleObject));
        let short = bytes.slice(..cut.index(bytes.len()));
        prop_assert!(decode(&short).is_err());
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let framed = [encode(&samples::full(), Frame::SingleObject)[..FRAME].to_vec(), noise.clone()].concat();
        let _ = decode(&Bytes::from(framed));
        let _ = decode(&Bytes::from(noise));
    }
}

#[test]
fn a_lying_length_is_refused_before_it_is_allocated() {
    let mut bytes = encode(&samples::full(), Frame::SingleObject);
    bytes.truncate(FRAME);
    bytes.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(decode(&Bytes::from(bytes)), Err(DecodeError::Avro(_))));
}

#[test]
fn bytes_after_the_record_are_refused() {
    let mut bytes = encode(&samples::full(), Frame::SingleObject);
    bytes.push(0);
    assert!(matches!(decode(&Bytes::from(bytes)), Err(DecodeError::Avro(_))));
}
