//! One kept-alive HTTP/1.1 connection of a sender, and the answer as the ledger takes it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderMap;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::ledger::Outcome;
use crate::webhook::Webhook;

/// A provider's patience: GitHub gives 10 s.
const ANSWER: Duration = Duration::from_secs(10);

/// A sender's connection; opened when needed, closed on any error.
pub struct Connection {
    address: String,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// To `host:port`.
    #[must_use]
    pub fn to(address: &str) -> Self {
        Self { address: address.to_owned(), open: None }
    }

    /// Sends the webhook once to `path`. Whatever goes wrong is an outcome without status.
    pub async fn send(&mut self, path: &str, webhook: &Webhook) -> Outcome {
        let begun = Instant::now();
        let answer = tokio::time::timeout(ANSWER, self.exchange(path, webhook)).await;
        let latency_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Ok(Some((status, headers))) = answer else {
            self.open = None;
            let id = webhook.id.clone();
            return Outcome { id, status: None, retry_after: false, position: None, durability: None, latency_us };
        };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Outcome {
            id: webhook.id.clone(),
            status: Some(status),
            retry_after: text("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()),
            position: text("hooklog-position"),
            durability: text("hooklog-durability"),
            latency_us,
        }
    }

    async fn exchange(&mut self, path: &str, webhook: &Webhook) -> Option<(u16, HeaderMap)> {
        if self.open.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(&self.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            self.open = Some(sender);
        }
        let sender = self.open.as_mut()?;
        sender.ready().await.ok()?;
        let mut request = Request::post(path).header("host", &self.address);
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(webhook.body.clone()))).ok()?;
        let response = sender.send_request(request).await.ok()?;
        let (head, body) = response.into_parts();
        body.collect().await.ok()?;
        Some((head.status.as_u16(), head.headers))
    }
}
