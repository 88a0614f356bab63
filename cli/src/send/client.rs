//! One exchange with the edge: connections are kept alive, answers are read whole and bounded.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::failure::Failure;
use crate::send::plan::Shot;

/// How long an answer may take: longer than the edge lets anything take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(35);

/// The largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// The way to one URL.
#[derive(Clone)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    url: Uri,
}

/// What came of one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The edge answered.
    Status {
        /// The status.
        status: StatusCode,
        /// `hooklog-durability`: what a 2xx stands on.
        durability: Option<String>,
        /// `hooklog-position`: where the record lies.
        position: Option<String>,
    },
    /// No answer, and why.
    Failed(String),
}

impl Client {
    /// For one URL; no connection is made yet.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is not an `http` URL.
    pub(crate) fn new(url: &str, connections: u32) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::Usage(format!("{url:?} is no URL to send to: {why}"));
        let url: Uri = url.parse().map_err(|error: http::uri::InvalidUri| bad(&error.to_string()))?;
        if url.scheme_str() != Some("http") || url.host().is_none() {
            return Err(bad("write http://HOST:PORT; TLS ends before the edge, so send to the edge itself"));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(usize::try_from(connections).unwrap_or(usize::MAX))
            .build(connector);
        Ok(Self { pool, url })
    }

    /// Sends one event and waits for the answer.
    pub(crate) async fn send(&self, shot: &Shot) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri(self.url.clone());
        for (name, value) in &shot.headers {
            request = request.header(name, value);
        }
        let request = match request.body(Full::new(shot.body.clone())) {
            Ok(request) => request,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        match tokio::time::timeout(ANSWER_DEADLINE, self.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(cause)) => Answer::Failed(cause),
            Err(_) => Answer::Failed(format!("no answer within {} s", ANSWER_DEADLINE.as_secs())),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.pool.request(request).await.map_err(|error| root(&error))?;
        let (head, body) = response.into_parts();
        // Read to the end: only then is the connection free for the next.
        Limited::new(body, ANSWER_LIMIT).collect().await.map_err(|error| root(&*error))?;
        let text = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        Ok(Answer::Status {
            status: head.status,
            durability: text("hooklog-durability"),
            position: text("hooklog-position"),
        })
    }
}

/// The first cause: `connection refused` says more than `client error (Connect)`.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
