//! Reading records that a schema registry numbers: each id's writer schema is learnt once, and resolved to ours where it differs.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use bytes::Bytes;

use crate::codec::{DecodeError, Frame, SchemaId, decode_datum, envelope_schema, frame};
use crate::envelope::Envelope;
use crate::id::{EventId, EventType, OrderingKey, SourceName};
use crate::request_headers::RequestHeaders;
use crate::time::Timestamp;

/// How records of one registry id are read.
enum Writer {
    /// Written with our own schema: the fast path.
    Ours,
    /// Written with another version: resolved by Avro's rules.
    Other(Box<Schema>),
}

/// The writer schemas learnt so far. A registry's ids never change their meaning, so nothing here expires.
#[derive(Default)]
pub struct Schemas {
    by_id: HashMap<SchemaId, Writer>,
}

impl Schemas {
    /// Learns what a registry id means.
    ///
    /// # Errors
    /// [`DecodeError::Resolution`] when the text is no Avro schema.
    pub fn learn(&mut self, id: SchemaId, schema: &str) -> Result<(), DecodeError> {
        let schema = Schema::parse_str(schema).map_err(|error| DecodeError::Resolution(error.to_string()))?;
        let ours = schema.canonical_form() == envelope_schema().canonical_form();
        self.by_id.insert(id, if ours { Writer::Ours } else { Writer::Other(Box::new(schema)) });
        Ok(())
    }

    /// The envelope in a record's value, whichever frame it has.
    ///
    /// # Errors
    /// [`DecodeError::UnknownSchemaId`] asks the caller to fetch the id, to [`Schemas::learn`] it and to try again.
    pub fn decode(&self, value: &Bytes) -> Result<Envelope, DecodeError> {
        match frame(value)? {
            (Frame::SingleObject, at) => decode_datum(value, at),
            (Frame::Registry(id), at) => match self.by_id.get(&id) {
                None => Err(DecodeError::UnknownSchemaId { id }),
                Some(Writer::Ours) => decode_datum(value, at),
                Some(Writer::Other(schema)) => resolve(schema, &value[at..]),
            },
        }
    }
}

fn resolve(writer: &Schema, mut datum: &[u8]) -> Result<Envelope, DecodeError> {
    let mut read =
        || GenericDatumReader::builder(writer).reader_schema(envelope_schema()).build()?.read_value(&mut datum);
    let value = read().map_err(|error: apache_avro::Error| DecodeError::Resolution(error.to_string()))?;
    let Value::Record(fields) = value else {
        return Err(DecodeError::Resolution("the schema is no record".to_owned()));
    };
    let mut fields: HashMap<String, Value> = fields.into_iter().collect();
    let mut take = |name: &str| {
        fields.remove(name).ok_or_else(|| DecodeError::Resolution(format!("the record has no field {name}")))
    };
    Ok(Envelope {
        id: EventId::parse(&text(take("id")?)?)?,
        source: SourceName::parse(&text(take("source")?)?)?,
        kind: EventType::parse(&text(take("kind")?)?)?,
        key: OrderingKey::parse(&text(take("key")?)?)?,
        received_at: Timestamp(long(&take("received_at")?)?),
        scheme: text(take("scheme")?)?,
        headers: headers(take("headers")?)?,
        content_type: optional_text(take("content_type")?)?,
        trace: optional_text(take("trace")?)?,
        body_sha256: binary(take("body_sha256")?)?
            .as_ref()
            .try_into()
            .map_err(|_| DecodeError::Resolution("body_sha256 has not 32 bytes".to_owned()))?,
        body: binary(take("body")?)?,
    })
}

fn unexpected(what: &str, value: &Value) -> DecodeError {
    DecodeError::Resolution(format!("expected {what}, found {:?}", apache_avro::schema::SchemaKind::from(value)))
}

fn text(value: Value) -> Result<String, DecodeError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(unexpected("a string", &other)),
    }
}

fn optional_text(value: Value) -> Result<Option<String>, DecodeError> {
    match value {
        Value::Union(_, inner) => optional_text(*inner),
        Value::Null => Ok(None),
        other => text(other).map(Some),
    }
}

fn long(value: &Value) -> Result<i64, DecodeError> {
    match value {
        Value::Long(number) | Value::TimestampMillis(number) => Ok(*number),
        other => Err(unexpected("a long", other)),
    }
}

fn binary(value: Value) -> Result<Bytes, DecodeError> {
    match value {
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => Ok(Bytes::from(bytes)),
        other => Err(unexpected("bytes", &other)),
    }
}

fn headers(value: Value) -> Result<RequestHeaders, DecodeError> {
    let Value::Array(items) = value else { return Err(unexpected("an array", &value)) };
    let header = |item: Value| {
        let Value::Record(fields) = item else { return Err(unexpected("a header", &item)) };
        let mut fields = fields.into_iter();
        match (fields.next(), fields.next()) {
            (Some((_, name)), Some((_, value))) => Ok((text(name)?, binary(value)?)),
            _ => Err(DecodeError::Resolution("a header has not two fields".to_owned())),
        }
    };
    items.into_iter().map(header).collect()
}
