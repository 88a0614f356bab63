//! The payments service: one call a charge, with an idempotency key.

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use hooklog_consumer::Fault;

use crate::charge::Order;

/// The header that carries the idempotency key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 64 << 10;

/// How much of an answer is told when it refuses, in bytes.
const TOLD_LIMIT: usize = 200;

/// A client of the payments service. The deadline of a call is the SDK's (`effects.deadline`).
#[derive(Debug)]
pub struct Payments {
    client: Client<HttpConnector, Full<Bytes>>,
    charges: Uri,
}

/// A service's address that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payments URL {url:?} can't be used: {reason}")]
pub struct UrlError {
    url: String,
    reason: String,
}

impl Payments {
    /// The service at `url`, `http://host:port` with an optional path.
    ///
    /// # Errors
    /// [`UrlError`] when it is no such address.
    pub fn at(url: &str) -> Result<Self, UrlError> {
        let refuse = |reason: &str| UrlError { url: url.to_owned(), reason: reason.to_owned() };
        let charges = format!("{}/v1/charges", url.trim_end_matches('/'));
        let charges: Uri = charges.parse().map_err(|_| refuse("write http://HOST:PORT"))?;
        match charges.scheme_str() {
            Some("http") if charges.host().is_some() => {}
            Some("https") => {
                return Err(refuse("this example speaks plain HTTP: put a TLS proxy in front of the service"));
            }
            _ => return Err(refuse("write http://HOST:PORT")),
        }
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), charges })
    }

    /// Has a charge made. The service makes it once for each key, however often it is asked.
    ///
    /// # Errors
    /// A transient [`Fault`] when it may work later (no connection, 408, 409, 425, 429, 5xx), a permanent one for any other refusal.
    pub async fn charge(&self, key: &str, order: &Order) -> Result<(), Fault> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.charges)
            .header(header::CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, key)
            .body(Full::from(serde_json::to_vec(order)?))
            .map_err(Fault::permanent)?;
        let answer = self.client.request(request).await.map_err(|error| Fault::transient(causes(&error)))?;
        let status = answer.status();
        // Read to the end, so that the connection can be used again.
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
        if status.is_success() {
            return Ok(());
        }
        let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
        let told = &text[..text.floor_char_boundary(TOLD_LIMIT.min(text.len()))];
        let message = format!("the payments service answered {status}: {told}");
        Err(if is_transient(status) { Fault::transient(message) } else { Fault::permanent(message) })
    }
}

const fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 425 | 429 | 500..=599)
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_addresses_are_taken() {
        assert!(Payments::at("http://127.0.0.1:9/").is_ok());
        assert!(Payments::at("https://pay.example").unwrap_err().to_string().contains("TLS proxy"));
        for bad in ["", "pay.example:80", "/v1", "ftp://x"] {
            assert!(Payments::at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_may_work_later_is_tried_again() {
        for status in [408, 409, 425, 429, 500, 503, 599] {
            assert!(is_transient(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [400, 401, 402, 404, 422, 301] {
            assert!(!is_transient(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
