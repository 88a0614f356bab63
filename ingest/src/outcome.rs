//! Every way a request can end, and all that follows from it: status, label, log level, what the caller is told.

use hooklog_signatures::Rejection;
use http::StatusCode;
use tracing::Level;

use crate::validate::pointer::Pointer;

/// How a request ended. There is no other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The brokers acknowledged the record.
    Appended,
    /// The record is on this machine's disk, on its way to the log.
    Spooled,
    /// The event was stored before, and its source has copies answered without storing them again.
    Duplicate,
    /// A provider's handshake was answered.
    Handshake,
    /// The request is not HTTP.
    NotHttp,
    /// The signature did not hold, and why; the caller is never told why.
    Unverified(Rejection),
    /// The handshake tells another secret than the one that the source has.
    HandshakeRefused,
    /// The keys that would prove it can't be had now.
    KeysAway,
    /// The sender's address is not on the source's list.
    AddressRefused,
    /// No such source, or no such path.
    UnknownSource,
    /// A method that the source does not take.
    BadMethod,
    /// The client was too slow with its request.
    SlowClient,
    /// The client went away before its request was whole.
    ClientGone,
    /// The body is over the source's limit.
    BodyTooLarge,
    /// The request target is over the limit.
    UriTooLong,
    /// A media type that the source does not take.
    BadMediaType,
    /// The body says two things where the event's id, type or key stands.
    Ambiguous,
    /// The body differs from the source's schema.
    SchemaRefused,
    /// The source has had its share for now.
    RateLimited,
    /// The headers are over the limit.
    HeadersTooLarge,
    /// The edge has as much in hand as it may.
    Overloaded,
    /// The edge is shutting down.
    Draining,
    /// The brokers did not acknowledge in time, or can't.
    LogAway,
    /// The log is away, and the spool is as full as it may be.
    SpoolFull,
    /// The log is away, and the spool's disk has failed.
    SpoolFailed,
    /// The brokers refuse this record for good: it is larger than they take.
    LogRefused,
}

/// A request that ended without being stored, and what the caller may know beyond its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// How it ended.
    pub outcome: Outcome,
    /// Where its body differs from the schema, if that is why.
    pub pointer: Option<Pointer>,
}

impl From<Outcome> for Refused {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, pointer: None }
    }
}

/// Whether the connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It may serve another request.
    Kept,
    /// It is closed: part of the request may be unread.
    Closed,
}

impl Outcome {
    /// The word for metrics: one of a closed list.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::Spooled => "spooled",
            Self::Duplicate => "duplicate",
            Self::Handshake => "handshake",
            Self::NotHttp => "not_http",
            Self::Unverified(_) => "unverified",
            Self::HandshakeRefused => "handshake_refused",
            Self::KeysAway => "keys_away",
            Self::AddressRefused => "address_refused",
            Self::UnknownSource => "unknown_source",
            Self::BadMethod => "bad_method",
            Self::SlowClient => "slow_client",
            Self::ClientGone => "client_gone",
            Self::BodyTooLarge => "body_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::BadMediaType => "bad_media_type",
            Self::Ambiguous => "ambiguous",
            Self::SchemaRefused => "schema_refused",
            Self::RateLimited => "rate_limited",
            Self::HeadersTooLarge => "headers_too_large",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::LogAway => "log_away",
            Self::SpoolFull => "spool_full",
            Self::SpoolFailed => "spool_failed",
            Self::LogRefused => "log_refused",
        }
    }

    /// The closer reason for metrics and logs, where there is one. Never for the caller.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unverified(rejection) => rejection.label(),
            _ => "",
        }
    }

    /// The status. A 4xx says "not stored, do not retry"; 429 and 503 say "unknown or not stored, a retry is safe".
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Appended | Self::Duplicate | Self::Handshake => StatusCode::OK,
            Self::Spooled => StatusCode::ACCEPTED,
            Self::NotHttp | Self::ClientGone => StatusCode::BAD_REQUEST,
            Self::Unverified(_) => StatusCode::UNAUTHORIZED,
            Self::HandshakeRefused => StatusCode::CONFLICT,
            Self::AddressRefused => StatusCode::FORBIDDEN,
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::BadMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Ambiguous | Self::SchemaRefused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::KeysAway
            | Self::Overloaded
            | Self::Draining
            | Self::LogAway
            | Self::SpoolFull
            | Self::SpoolFailed
            | Self::LogRefused => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether only a verified event ends so, and no handshake.
    #[must_use]
    pub const fn is_of_an_event(self) -> bool {
        matches!(
            self,
            Self::Appended
                | Self::Spooled
                | Self::Duplicate
                | Self::Ambiguous
                | Self::SchemaRefused
                | Self::LogAway
                | Self::SpoolFull
                | Self::SpoolFailed
                | Self::LogRefused
        )
    }

    /// Whether the caller is told when to come again.
    #[must_use]
    pub fn asks_to_retry(self) -> bool {
        matches!(self.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    /// How loud the log line is: what an operator can mend is loud, what a stranger can cause at will is not.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Appended | Self::Duplicate => Level::DEBUG,
            Self::Handshake | Self::Spooled => Level::INFO,
            Self::Unverified(_)
            | Self::HandshakeRefused
            | Self::KeysAway
            | Self::Ambiguous
            | Self::SchemaRefused
            | Self::RateLimited
            | Self::AddressRefused => Level::WARN,
            Self::Overloaded | Self::LogAway | Self::SpoolFull | Self::SpoolFailed | Self::LogRefused => Level::ERROR,
            Self::Draining
            | Self::NotHttp
            | Self::UnknownSource
            | Self::BadMethod
            | Self::SlowClient
            | Self::ClientGone
            | Self::BodyTooLarge
            | Self::UriTooLong
            | Self::BadMediaType
            | Self::HeadersTooLarge => Level::INFO,
        }
    }

    /// What the caller is told. Not a word about why a signature failed.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Appended => "stored",
            Self::Spooled => "stored, on its way to the log",
            Self::Duplicate => "stored before",
            Self::Handshake => "handshake answered",
            Self::NotHttp => "the request is not HTTP/1.1",
            Self::Unverified(_) => "the request could not be verified",
            Self::HandshakeRefused => "this source takes no other secret",
            Self::KeysAway => "the keys to verify with are not at hand",
            Self::AddressRefused => "the sender's address is not allowed",
            Self::UnknownSource => "there is nothing here",
            Self::BadMethod => "this source takes POST",
            Self::SlowClient => "the request took too long",
            Self::ClientGone => "the request ended early",
            Self::BodyTooLarge => "the body is over this source's limit",
            Self::UriTooLong => "the request target is too long",
            Self::BadMediaType => "this source does not take that media type",
            Self::Ambiguous => "the body names the event twice",
            Self::SchemaRefused => "the body is not as this source's schema has it",
            Self::RateLimited => "too many requests for this source",
            Self::HeadersTooLarge => "the headers are over the limit",
            Self::Overloaded => "too much in hand",
            Self::Draining => "shutting down",
            Self::LogAway => "the log does not answer",
            Self::SpoolFull => "the log does not answer, and the spool is full",
            Self::SpoolFailed => "the log does not answer, and the spool has failed",
            Self::LogRefused => "the log does not take this record",
        }
    }

    /// What becomes of the connection. Whatever is answered before the whole request was read closes it: an unread
    /// body must never be taken for the next request.
    #[must_use]
    pub const fn connection(self) -> Connection {
        match self {
            Self::Appended
            | Self::Spooled
            | Self::Duplicate
            | Self::Handshake
            | Self::Ambiguous
            | Self::SchemaRefused
            | Self::LogAway
            | Self::SpoolFull
            | Self::SpoolFailed
            | Self::LogRefused => Connection::Kept,
            _ => Connection::Closed,
        }
    }

    /// One of each, for tables.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Appended, Self::Spooled, Self::Duplicate, Self::Handshake, Self::NotHttp];
        all.extend(Rejection::ALL.iter().copied().map(Self::Unverified));
        all.extend([
            Self::HandshakeRefused,
            Self::KeysAway,
            Self::AddressRefused,
            Self::UnknownSource,
            Self::BadMethod,
            Self::SlowClient,
            Self::ClientGone,
            Self::BodyTooLarge,
            Self::UriTooLong,
            Self::BadMediaType,
            Self::Ambiguous,
            Self::SchemaRefused,
            Self::RateLimited,
            Self::HeadersTooLarge,
            Self::Overloaded,
            Self::Draining,
            Self::LogAway,
            Self::SpoolFull,
            Self::SpoolFailed,
            Self::LogRefused,
        ]);
        all
    }
}
