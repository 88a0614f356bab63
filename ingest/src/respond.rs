//! An outcome as an answer: status, headers, and a problem document (RFC 9457) where something went wrong.

use axum::body::Body;
use axum::response::Response;
use hooklog_process::random::Random;
use hooklog_signatures::Reply;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::durable::Durable;
use crate::outcome::{Connection, Outcome};

/// Where the record lies: `topic/partition/offset`.
pub const POSITION: HeaderName = HeaderName::from_static("hooklog-position");

/// What the 2xx stands on: `log` or `spool`.
pub const DURABILITY: HeaderName = HeaderName::from_static("hooklog-durability");

/// How long callers are told to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// At least, in whole seconds from 1.
    pub seconds: u64,
}

/// The answer for a stored record, as the provider wants to hear it.
#[must_use]
pub fn stored(durable: &Durable, reply: &Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body.clone()));
    *response.status_mut() = reply.status;
    if !reply.body.is_empty()
        && let Ok(value) = HeaderValue::from_str(&reply.content_type)
    {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    match durable {
        Durable::Log(position) => {
            if let Ok(value) = HeaderValue::try_from(position.to_string()) {
                response.headers_mut().insert(POSITION, value);
            }
        }
        // A provider that wants another success than 200 gets it, wherever the record is.
        Durable::Spool if reply.status == StatusCode::OK => *response.status_mut() = StatusCode::ACCEPTED,
        Durable::Spool => {}
    }
    response.headers_mut().insert(DURABILITY, HeaderValue::from_static(durable.label()));
    response
}

/// The answer to a handshake.
#[must_use]
pub fn handshake(content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // A reflected value must not be taken for a page.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer for everything else.
#[must_use]
pub fn problem(outcome: Outcome, patience: Patience, random: &Random) -> Response {
    let status = outcome.status();
    let mut response = Response::new(Body::from(document(outcome, status)));
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

fn document(outcome: Outcome, status: StatusCode) -> String {
    // Titles hold no character that JSON escapes; a test reads every document.
    format!("{{\"type\":\"about:blank\",\"title\":\"{}\",\"status\":{}}}\n", outcome.title(), status.as_u16())
}
