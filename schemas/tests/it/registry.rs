//! Records numbered by a schema registry: the same schema is read fast, another version is resolved.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use hooklog_schemas::codec::{ENVELOPE_SCHEMA, SchemaId, encode};
use hooklog_schemas::confluent::Schemas;
use hooklog_schemas::{DecodeError, Frame};

use crate::samples;

#[test]
fn a_registry_frame_is_read_once_its_id_is_learnt() {
    let bytes = Bytes::from(encode(&samples::full(), Frame::Registry(SchemaId(7))));
    assert_eq!(bytes[..5], [0, 0, 0, 0, 7]);
    let mut schemas = Schemas::default();
    assert_eq!(schemas.decode(&bytes), Err(DecodeError::UnknownSchemaId { id: SchemaId(7) }));
    schemas.learn(SchemaId(7), ENVELOPE_SCHEMA).unwrap();
    assert_eq!(schemas.decode(&bytes), Ok(samples::full()));
    assert_eq!(schemas.decode(&Bytes::from(encode(&samples::full(), Frame::SingleObject))), Ok(samples::full()));
}

#[test]
fn a_later_writer_with_another_field_is_resolved() {
    let added = ENVELOPE_SCHEMA.replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"region\", \"type\": \"string\", \"default\": \"eu\"},",
        1,
    );
    let writer = Schema::parse_str(&added).unwrap();
    let ours = encode(&samples::full(), Frame::Registry(SchemaId(8)));
    let mut datum = &ours[5..];
    let schema = Schema::parse_str(ENVELOPE_SCHEMA).unwrap();
    let read = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut datum).unwrap();
    let Value::Record(mut fields) = read else { panic!("an envelope is a record") };
    fields.insert(0, ("region".to_owned(), Value::String("us".to_owned())));
    let writer = GenericDatumWriter::builder(&writer).build().unwrap();
    let later = writer.write_value_to_vec(Value::Record(fields)).unwrap();
    let bytes = Bytes::from([&ours[..5], later.as_slice()].concat());
    let mut schemas = Schemas::default();
    schemas.learn(SchemaId(8), &added).unwrap();
    assert_eq!(schemas.decode(&bytes), Ok(samples::full()));
}

#[test]
fn what_is_no_record_is_named() {
    let schemas = Schemas::default();
    assert_eq!(schemas.decode(&Bytes::new()), Err(DecodeError::TooShort { length: 0 }));
    assert_eq!(schemas.decode(&Bytes::from_static(b"{}")), Err(DecodeError::UnknownFrame { first: b'{' }));
    assert!(matches!(
        schemas.decode(&Bytes::from_static(&[0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8])),
        Err(DecodeError::UnknownFingerprint { .. })
    ));
}
