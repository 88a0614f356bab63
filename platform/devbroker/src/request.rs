//! One request: its header, its body, and the bytes of its answer.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use tokio::sync::OwnedSemaphorePermit;

/// Why a connection is closed instead of answered, as Kafka does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Close {
    /// The bytes are no request.
    #[error("request cannot be decoded: {0}")]
    Malformed(String),
    /// Nobody advertised that.
    #[error("request {api} in version {version} is not offered")]
    NotOffered { api: i16, version: i16 },
    /// The answer does not fit the protocol.
    #[error("answer cannot be encoded: {0}")]
    Unencodable(String),
    /// Larger than allowed.
    #[error("request of {bytes} bytes is beyond the limit of {limit}")]
    TooLarge { bytes: i64, limit: usize },
    /// The client went or was too slow.
    #[error("connection ended: {0}")]
    Io(#[from] std::io::Error),
    /// Too slow, or silent for too long.
    #[error("{0}")]
    TimedOut(&'static str),
    /// The broker stops, or a thread of it died.
    #[error("the broker is stopping")]
    Stopping,
}

/// Who asks for what.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) client_id: String,
    pub(crate) peer: SocketAddr,
    /// The address at which the client reached this broker; it is told to come back there.
    pub(crate) local: SocketAddr,
    correlation: i32,
}

/// An answer ready to be sent, with the share of memory it occupies.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Bytes,
    pub(crate) share: Option<OwnedSemaphorePermit>,
}

impl Call {
    /// Reads the header off the front of a frame.
    pub(crate) fn parse(frame: &mut Bytes, peer: SocketAddr, local: SocketAddr) -> Result<Self, Close> {
        let [a, b, c, d] = *frame.first_chunk().ok_or_else(|| Close::Malformed("shorter than a header".into()))?;
        let (key, version) = (i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d]));
        let api = ApiKey::try_from(key).map_err(|()| Close::NotOffered { api: key, version })?;
        let header = RequestHeader::decode(frame, api.request_header_version(version));
        let header = header.map_err(|error| Close::Malformed(error.to_string()))?;
        let client_id = header.client_id.map(|id| id.to_string()).unwrap_or_default();
        Ok(Self { api, version, client_id, peer, local, correlation: header.correlation_id })
    }

    pub(crate) fn decode<R: Decodable>(&self, body: &mut Bytes) -> Result<R, Close> {
        R::decode(body, self.version).map_err(|error| Close::Malformed(error.to_string()))
    }

    pub(crate) fn encode<R: Encodable>(&self, response: &R) -> Result<Answer, Close> {
        self.encode_as(response, self.version)
    }

    /// The length, the header and the response in one frame.
    pub(crate) fn encode_as<R: Encodable>(&self, response: &R, version: i16) -> Result<Answer, Close> {
        let unencodable = |error: &dyn std::fmt::Display| Close::Unencodable(error.to_string());
        // The answer to ApiVersions must be readable by clients that do not know its version yet.
        let header_version =
            if self.api == ApiKey::ApiVersions { 0 } else { self.api.response_header_version(version) };
        let mut bytes = BytesMut::new();
        bytes.put_i32(0);
        let header = ResponseHeader::default().with_correlation_id(self.correlation);
        header.encode(&mut bytes, header_version).map_err(|error| unencodable(&error))?;
        response.encode(&mut bytes, version).map_err(|error| unencodable(&error))?;
        let len = i32::try_from(bytes.len() - 4).map_err(|error| unencodable(&error))?;
        bytes[..4].copy_from_slice(&len.to_be_bytes());
        Ok(Answer { bytes: bytes.freeze(), share: None })
    }
}

/// A text of the protocol.
pub(crate) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// 0, or the error's number.
pub(crate) fn code<T>(outcome: &Result<T, ResponseError>) -> i16 {
    outcome.as_ref().err().map_or(0, ResponseError::code)
}
