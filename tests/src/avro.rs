//! The envelope as an outsider decodes it: Avro's own library, and the schema file as it lies in the repository.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

/// Avro single-object encoding begins with these, then the schema's fingerprint.
const MARKER: [u8; 2] = [0xC3, 0x01];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = std::fs::read_to_string(schema_file()).expect("the schema file is there");
    Schema::parse_str(&text).expect("the schema file is an Avro schema")
});

/// What the edge recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The event's id.
    pub id: String,
    /// The source that received it.
    pub source: String,
    /// The event's type.
    pub kind: String,
    /// What its order is kept for.
    pub key: String,
    /// Milliseconds since 1970.
    pub received_at: i64,
    /// How the sender was verified.
    pub scheme: String,
    /// The request's headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The request's media type.
    pub content_type: Option<String>,
    /// W3C trace context.
    pub trace: Option<String>,
    /// As the edge computed it.
    pub body_sha256: Vec<u8>,
    /// Byte for byte.
    pub body: Vec<u8>,
}

/// Decodes a record's value.
///
/// # Errors
/// What is wrong with it, in words.
pub fn decode(value: &[u8]) -> Result<Envelope, String> {
    let framed = value.strip_prefix(&MARKER).ok_or("not Avro single-object encoding")?;
    let (fingerprint, datum) = framed.split_at_checked(8).ok_or("too short for a fingerprint")?;
    let expected = SCHEMA.fingerprint::<Rabin>().bytes;
    if fingerprint != expected {
        return Err(format!(
            "fingerprint {} is not the schema file's, {}",
            hex::encode(fingerprint),
            hex::encode(expected)
        ));
    }
    read(datum)
}

/// Decodes a record's value that a schema registry numbers (`0x00 ‖ u32`, then the datum); the number's meaning is the caller's to check.
///
/// # Errors
/// What is wrong with it, in words.
pub fn decode_numbered(value: &[u8]) -> Result<(u32, Envelope), String> {
    let framed = value.strip_prefix(&[0]).ok_or("no registry's frame")?;
    let (number, datum) = framed.split_first_chunk::<4>().ok_or("too short for a number")?;
    Ok((u32::from_be_bytes(*number), read(datum)?))
}

/// The schema file, as JSON.
#[must_use]
pub fn schema() -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(schema_file()).expect("the schema file is there"))
        .expect("it is JSON")
}

fn schema_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/avro/envelope.v1.avsc")
}

fn read(mut datum: &[u8]) -> Result<Envelope, String> {
    let reader = GenericDatumReader::builder(&SCHEMA).build().map_err(|error| error.to_string())?;
    let record = reader.read_value(&mut datum).map_err(|error| error.to_string())?;
    if !datum.is_empty() {
        return Err(format!("{} bytes too many", datum.len()));
    }
    envelope(record)
}

fn envelope(record: Value) -> Result<Envelope, String> {
    let mut fields = Fields::of(record)?;
    Ok(Envelope {
        id: fields.text("id")?,
        source: fields.text("source")?,
        kind: fields.text("kind")?,
        key: fields.text("key")?,
        received_at: fields.millis("received_at")?,
        scheme: fields.text("scheme")?,
        headers: fields.headers()?,
        content_type: fields.optional("content_type")?,
        trace: fields.optional("trace")?,
        body_sha256: fields.bytes("body_sha256")?,
        body: fields.bytes("body")?,
    })
}

/// A record's fields, taken by name.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn of(value: Value) -> Result<Self, String> {
        if let Value::Record(fields) = value { Ok(Self(fields)) } else { Err(format!("{value:?} is no record")) }
    }

    fn take(&mut self, name: &str) -> Result<Value, String> {
        let at = self.0.iter().position(|(known, _)| known == name).ok_or_else(|| format!("no field {name}"))?;
        Ok(self.0.swap_remove(at).1)
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            other => Err(format!("{name} is {other:?}")),
        }
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, String> {
        match self.take(name)? {
            Value::Bytes(bytes) | Value::Fixed(_, bytes) => Ok(bytes),
            other => Err(format!("{name} is {other:?}")),
        }
    }

    fn millis(&mut self, name: &str) -> Result<i64, String> {
        match self.take(name)? {
            Value::TimestampMillis(millis) => Ok(millis),
            other => Err(format!("{name} is {other:?}")),
        }
    }

    fn optional(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name)? {
            Value::Union(_, value) => match *value {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text)),
                other => Err(format!("{name} is {other:?}")),
            },
            other => Err(format!("{name} is {other:?}")),
        }
    }

    fn headers(&mut self) -> Result<Vec<(String, Vec<u8>)>, String> {
        let Value::Array(headers) = self.take("headers")? else { return Err("headers is no array".to_owned()) };
        let header = |value| {
            let mut fields = Self::of(value)?;
            Ok((fields.text("name")?, fields.bytes("value")?))
        };
        headers.into_iter().map(header).collect()
    }
}

/// Encodes as [`decode`] reads; for events that a test puts into the log without the edge.
///
/// # Panics
/// When the schema file has a field that an [`Envelope`] lacks.
#[must_use]
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let text = |text: &str| Value::String(text.to_owned());
    let optional = |value: &Option<String>| match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(text(value))),
    };
    let header = |(name, value): &(String, Vec<u8>)| {
        Value::Record(vec![("name".to_owned(), text(name)), ("value".to_owned(), Value::Bytes(value.clone()))])
    };
    let fields = [
        ("id", text(&envelope.id)),
        ("source", text(&envelope.source)),
        ("kind", text(&envelope.kind)),
        ("key", text(&envelope.key)),
        ("received_at", Value::TimestampMillis(envelope.received_at)),
        ("scheme", text(&envelope.scheme)),
        ("headers", Value::Array(envelope.headers.iter().map(header).collect())),
        ("content_type", optional(&envelope.content_type)),
        ("trace", optional(&envelope.trace)),
        ("body_sha256", Value::Fixed(envelope.body_sha256.len(), envelope.body_sha256.clone())),
        ("body", Value::Bytes(envelope.body.clone())),
    ];
    let record = Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let writer = GenericDatumWriter::builder(&SCHEMA).build().expect("the schema is whole");
    let datum = writer.write_value_to_vec(record).expect("the envelope has the schema's fields");
    [&MARKER[..], &SCHEMA.fingerprint::<Rabin>().bytes, &datum].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Envelope {
        Envelope {
            id: "evt_1".into(),
            source: "github".into(),
            kind: "push".into(),
            key: "7".into(),
            received_at: 1_764_000_000_000,
            scheme: "github:a".into(),
            headers: vec![("x".into(), vec![0xff, 0])],
            content_type: Some("application/json".into()),
            trace: None,
            body_sha256: vec![7; 32],
            body: b"{}".to_vec(),
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(decode(&encode(&sample())), Ok(sample()));
    }

    #[test]
    fn any_cut_and_any_extra_byte_is_noticed() {
        let whole = encode(&sample());
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length} of {}", whole.len());
        }
        assert!(decode(&[whole, vec![0]].concat()).is_err());
    }
}
