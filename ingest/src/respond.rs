//! An outcome as an answer: status, headers, and a problem document (RFC 9457) where something went wrong.

use axum::body::Body;
use axum::response::Response;
use hooklog_process::random::Random;
use hooklog_signatures::{HandshakeAnswer, Reply};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::durable::Durable;
use crate::outcome::{Connection, Refused};
use crate::source::Source;

/// Where the record lies: `topic/partition/offset`.
pub const POSITION: HeaderName = HeaderName::from_static("hooklog-position");

/// What the 2xx stands on: `log`, `spool`, or `duplicate` for a copy of what was stored before.
pub const DURABILITY: HeaderName = HeaderName::from_static("hooklog-durability");

/// How long callers are told to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// At least, in whole seconds from 1.
    pub seconds: u64,
}

/// The answer for a stored record, as the provider wants to hear it.
#[must_use]
pub fn stored(durable: &Durable, source: &Source) -> Response {
    let mut response = reply(&source.scheme.reply);
    match durable {
        Durable::Log(position) => {
            if let Ok(value) = HeaderValue::try_from(position.to_string()) {
                response.headers_mut().insert(POSITION, value);
            }
        }
        Durable::Spool => *response.status_mut() = source.spooled,
    }
    response.headers_mut().insert(DURABILITY, HeaderValue::from_static(durable.label()));
    response
}

/// The answer for a copy of what was stored before: what the first was told, but where it lies.
#[must_use]
pub fn duplicate(told: &Reply) -> Response {
    let mut response = reply(told);
    response.headers_mut().insert(DURABILITY, HeaderValue::from_static("duplicate"));
    response
}

fn reply(reply: &Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body.clone()));
    *response.status_mut() = reply.status;
    if !reply.body.is_empty()
        && let Ok(value) = HeaderValue::from_str(&reply.content_type)
    {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// The answer to a handshake.
#[must_use]
pub fn handshake(answer: HandshakeAnswer) -> Response {
    let is_empty = answer.body.is_empty();
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.extend(answer.headers);
    if !is_empty {
        headers.insert(header::CONTENT_TYPE, answer.content_type);
    }
    // A reflected value must not be taken for a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer for everything else.
#[must_use]
pub fn problem(refused: impl Into<Refused>, patience: Patience, random: &Random) -> Response {
    let refused = refused.into();
    let (outcome, status) = (refused.outcome, refused.outcome.status());
    let mut response = Response::new(Body::from(document(&refused)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if outcome.asks_to_retry() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after(patience, random)));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    if outcome.connection() == Connection::Closed {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Seconds to wait: at least the setting, at most twice that, so that those who were refused together do not return together.
pub(crate) fn retry_after(patience: Patience, random: &Random) -> u64 {
    patience.seconds + random.below(patience.seconds + 1)
}

/// The problem document.
pub(crate) fn document(refused: &Refused) -> String {
    // A pointer is made of the caller's own names, and is escaped.
    let pointer =
        refused.pointer.as_ref().map(|pointer| format!(",\"pointer\":{}", serde_json::json!(pointer.as_str())));
    // Titles hold no character that JSON escapes; a test reads every document.
    let (title, status) = (refused.outcome.title(), refused.outcome.status().as_u16());
    let pointer = pointer.unwrap_or_default();
    format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status}{pointer}}}\n")
}
