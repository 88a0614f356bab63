//! Envelope ↔ bytes: an Avro datum behind a frame that names its schema.
//!
//! Two frames, told apart by the first byte: `0xC3 0x01 ‖ CRC-64-AVRO fingerprint, little-endian` (Avro single-object encoding)
//! where no registry is set, `0x00 ‖ schema id, u32 big-endian` (the schema registry's wire format) where one is.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use bytes::Bytes;

use crate::avro_bytes::{AvroError, Cursor, put_bytes, put_long, put_optional};
use crate::envelope::Envelope;
use crate::id::{EventId, EventType, NameError, OrderingKey, SourceName};
use crate::request_headers::RequestHeaders;
use crate::time::Timestamp;

/// The Avro schema of an [`Envelope`], as committed.
pub const ENVELOPE_SCHEMA: &str = include_str!("../avro/envelope.v1.avsc");

/// More headers than an envelope may hold; the edge admits fewer.
pub const HEADER_LIMIT: usize = 1024;

const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
const REGISTRY: u8 = 0x00;

/// A schema's number in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

/// What stands before the datum to name its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Avro single-object encoding: the schema's fingerprint.
    SingleObject,
    /// A schema registry's number.
    Registry(SchemaId),
}

/// Why bytes are not an envelope. None of these mends itself by trying again, but for [`DecodeError::UnknownSchemaId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short to hold a frame.
    #[error("the record has {length} bytes, too few for a frame")]
    TooShort {
        /// Its length in bytes.
        length: usize,
    },
    /// The first byte is of no frame we know.
    #[error("the record begins with 0x{first:02x}, neither Avro single-object (0xc3) nor registry (0x00) frame")]
    UnknownFrame {
        /// The first byte.
        first: u8,
    },
    /// A single-object frame with another schema's fingerprint.
    #[error("the record's schema fingerprint {fingerprint:016x} is not known to this version")]
    UnknownFingerprint {
        /// CRC-64-AVRO.
        fingerprint: u64,
    },
    /// A registry frame whose schema has not been fetched.
    #[error("schema id {} has not been fetched from the registry", id.0)]
    UnknownSchemaId {
        /// The id to fetch.
        id: SchemaId,
    },
    /// The datum is not of its schema.
    #[error("the record is not an envelope: {0}")]
    Avro(#[from] AvroError),
    /// A name in the record breaks its rule.
    #[error("the record has a bad name: {0}")]
    Name(#[from] NameError),
    /// More headers than [`HEADER_LIMIT`].
    #[error("the record has more than {HEADER_LIMIT} headers")]
    TooManyHeaders,
    /// The writer's schema does not resolve to ours.
    #[error("the record's schema does not resolve to the envelope: {0}")]
    Resolution(String),
}

/// The parsed schema of an [`Envelope`].
pub fn envelope_schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> =
        LazyLock::new(|| Schema::parse_str(ENVELOPE_SCHEMA).expect("the committed schema parses; a test holds it"));
    &SCHEMA
}

/// CRC-64-AVRO of the envelope's schema in Parsing Canonical Form, little-endian, as it stands in the frame.
pub fn envelope_fingerprint() -> [u8; 8] {
    static FINGERPRINT: LazyLock<[u8; 8]> = LazyLock::new(|| {
        let fingerprint = envelope_schema().fingerprint::<Rabin>();
        fingerprint.bytes.as_slice().try_into().expect("a Rabin fingerprint has 8 bytes")
    });
    *FINGERPRINT
}

/// An envelope that borrows all it says: what the edge encodes, so that nothing is copied but into the record itself.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// See [`Envelope::id`].
    pub id: &'a EventId,
    /// See [`Envelope::source`].
    pub source: &'a SourceName,
    /// See [`Envelope::kind`].
    pub kind: &'a EventType,
    /// See [`Envelope::key`].
    pub key: &'a OrderingKey,
    /// See [`Envelope::received_at`].
    pub received_at: Timestamp,
    /// See [`Envelope::scheme`].
    pub scheme: &'a str,
    /// See [`Envelope::headers`].
    pub headers: &'a [(&'a str, &'a [u8])],
    /// See [`Envelope::content_type`].
    pub content_type: Option<&'a str>,
    /// See [`Envelope::body`].
    pub body: &'a [u8],
    /// See [`Envelope::body_sha256`].
    pub body_sha256: [u8; 32],
    /// See [`Envelope::trace`].
    pub trace: Option<&'a str>,
}

impl<'a> Draft<'a> {
    /// An envelope's draft, with these headers.
    #[must_use]
    pub fn of(envelope: &'a Envelope, headers: &'a [(&'a str, &'a [u8])]) -> Self {
        Self {
            id: &envelope.id,
            source: &envelope.source,
            kind: &envelope.kind,
            key: &envelope.key,
            received_at: envelope.received_at,
            scheme: &envelope.scheme,
            headers,
            content_type: envelope.content_type.as_deref(),
            body: &envelope.body,
            body_sha256: envelope.body_sha256,
            trace: envelope.trace.as_deref(),
        }
    }
}

/// The record's value for a draft. One allocation: the body is the last field, so the size is known.
#[must_use]
pub fn encode_draft(draft: &Draft<'_>, frame: Frame) -> Vec<u8> {
    let headers: usize = draft.headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
    let names = draft.id.as_str().len() + draft.kind.as_str().len() + draft.key.as_str().len() + draft.scheme.len();
    let texts = draft.content_type.map_or(0, str::len) + draft.trace.map_or(0, str::len);
    let mut out = Vec::with_capacity(192 + headers + names + texts + draft.body.len());
    match frame {
        Frame::SingleObject => {
            out.extend_from_slice(&SINGLE_OBJECT);
            out.extend_from_slice(&envelope_fingerprint());
        }
        Frame::Registry(id) => {
            out.push(REGISTRY);
            out.extend_from_slice(&id.0.to_be_bytes());
        }
    }
    put_bytes(&mut out, draft.id.as_str().as_bytes());
    put_bytes(&mut out, draft.source.as_str().as_bytes());
    put_bytes(&mut out, draft.kind.as_str().as_bytes());
    put_bytes(&mut out, draft.key.as_str().as_bytes());
    put_long(&mut out, draft.received_at.0);
    put_bytes(&mut out, draft.scheme.as_bytes());
    if !draft.headers.is_empty() {
        put_long(&mut out, i64::try_from(draft.headers.len()).unwrap_or(i64::MAX));
        for (name, value) in draft.headers {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, value);
        }
    }
    put_long(&mut out, 0);
    put_optional(&mut out, draft.content_type);
    put_optional(&mut out, draft.trace);
    out.extend_from_slice(&draft.body_sha256);
    put_bytes(&mut out, draft.body);
    out
}

/// The record's value for an envelope.
#[must_use]
pub fn encode(envelope: &Envelope, frame: Frame) -> Vec<u8> {
    let headers: Vec<(&str, &[u8])> = envelope.headers.iter().collect();
    encode_draft(&Draft::of(envelope, &headers), frame)
}

/// The frame of a record's value and where its datum begins.
///
/// # Errors
/// [`DecodeError`] when there is no frame, or a single-object frame of another schema.
pub fn frame(value: &[u8]) -> Result<(Frame, usize), DecodeError> {
    let short = || DecodeError::TooShort { length: value.len() };
    match *value.first().ok_or_else(short)? {
        first if value.starts_with(&SINGLE_OBJECT) => {
            debug_assert_eq!(first, SINGLE_OBJECT[0]);
            let fingerprint: [u8; 8] = value.get(2..10).ok_or_else(short)?.try_into().map_err(|_| short())?;
            if fingerprint != envelope_fingerprint() {
                return Err(DecodeError::UnknownFingerprint { fingerprint: u64::from_le_bytes(fingerprint) });
            }
            Ok((Frame::SingleObject, 10))
        }
        REGISTRY => {
            let id: [u8; 4] = value.get(1..5).ok_or_else(short)?.try_into().map_err(|_| short())?;
            Ok((Frame::Registry(SchemaId(u32::from_be_bytes(id))), 5))
        }
        first => Err(DecodeError::UnknownFrame { first }),
    }
}

/// The envelope in a record's value with a single-object frame; headers and body are slices of it.
///
/// # Errors
/// [`DecodeError`]; a registry frame is [`DecodeError::UnknownSchemaId`] here, see [`crate::confluent::Schemas`].
pub fn decode(value: &Bytes) -> Result<Envelope, DecodeError> {
    match frame(value)? {
        (Frame::SingleObject, at) => decode_datum(value, at),
        (Frame::Registry(id), _) => Err(DecodeError::UnknownSchemaId { id }),
    }
}

/// The envelope in a datum of our own schema, from byte `at` on.
pub(crate) fn decode_datum(value: &Bytes, at: usize) -> Result<Envelope, DecodeError> {
    let mut cursor = Cursor::new(value, at);
    let id = EventId::parse(cursor.text()?)?;
    let source = SourceName::parse(cursor.text()?)?;
    let kind = EventType::parse(cursor.text()?)?;
    let key = OrderingKey::parse(cursor.text()?)?;
    let received_at = Timestamp(cursor.long()?);
    let scheme = cursor.text()?.to_owned();
    let headers = RequestHeaders::read(&mut cursor)?;
    let content_type = cursor.optional_text()?.map(str::to_owned);
    let trace = cursor.optional_text()?.map(str::to_owned);
    let body_sha256 = cursor.fixed()?;
    let body = cursor.bytes()?;
    cursor.end()?;
    Ok(Envelope { id, source, kind, key, received_at, scheme, headers, content_type, body, body_sha256, trace })
}
