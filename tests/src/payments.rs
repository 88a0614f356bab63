//! A payment API as consumers meet it: it charges once per idempotency key, and it may fail before or after it has charged.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

const BODY_LIMIT: usize = 64 * 1024;
/// Longer than any client waits.
const FOREVER: Duration = Duration::from_secs(600);

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers 500 and charges nothing.
    Refuse,
    /// Charges, and never answers.
    ChargeAndHang,
    /// Charges, and closes the connection instead of an answer.
    ChargeAndDrop,
    /// Charges, and answers late.
    ChargeSlowly(Duration),
}

/// One call that came in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The idempotency key.
    pub key: String,
    /// What to charge.
    pub body: Value,
    /// How it went wrong, if it did.
    pub fault: Option<Fault>,
}

/// Says for the n-th call, counted from 1, how it goes wrong.
type Script = Box<dyn Fn(u64) -> Option<Fault> + Send + Sync>;

/// The server; it remembers every call for the test, in the test's memory, so that no crash of a product can change it.
pub struct Payments {
    url: String,
    state: Arc<State>,
    /// A runtime of its own, so that a test that blocks does not block it. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

struct State {
    script: Script,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    calls: Vec<Call>,
    charges: BTreeMap<String, Value>,
    conflicts: Vec<Call>,
}

impl Payments {
    /// Serves on a free port.
    ///
    /// # Panics
    /// When there is no port, or no thread.
    #[must_use]
    pub fn start(script: impl Fn(u64) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        let state = Arc::new(State { script: Box::new(script), book: Mutex::default() });
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.set_nonblocking(true).expect("a socket can be made not to block");
        let url = format!("http://{}", socket.local_addr().expect("a bound socket has an address"));
        let accepting = Arc::clone(&state);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(socket).expect("a listening socket");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&accepting)));
            }
        });
        Self { url, state, runtime: Some(runtime) }
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every call, in the order they came.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state.with(|book| book.calls.clone())
    }

    /// What was charged: for each idempotency key the body of its first charging call.
    #[must_use]
    pub fn charges(&self) -> BTreeMap<String, Value> {
        self.state.with(|book| book.charges.clone())
    }

    /// Calls that came with a known key and another body; there must be none.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Call> {
        self.state.with(|book| book.conflicts.clone())
    }
}

impl Drop for Payments {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime must not wait for its threads inside another one.
            runtime.shutdown_background();
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| answer(request, Arc::clone(&state)));
    // A connection that ends badly is the client's business, and often this server's intention.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The error makes hyper close the connection without a word.
async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST || head.uri.path() != "/v1/charges" {
        return Ok(reply(StatusCode::NOT_FOUND, &json!({"error": "POST /v1/charges"})));
    }
    let key = head.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let body = Limited::new(body, BODY_LIMIT).collect().await.ok().map(http_body_util::Collected::to_bytes);
    let body = body.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (Some(key), Some(body)) = (key, body) else {
        return Ok(reply(StatusCode::BAD_REQUEST, &json!({"error": "an Idempotency-Key and a JSON body"})));
    };
    let (fault, charged) = state.take(key, body);
    match fault {
        Some(Fault::Refuse) => return Ok(reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "try again"}))),
        Some(Fault::ChargeAndDrop) => return Err(Dropped),
        Some(Fault::ChargeAndHang) => tokio::time::sleep(FOREVER).await,
        Some(Fault::ChargeSlowly(delay)) => tokio::time::sleep(delay).await,
        None => {}
    }
    Ok(match charged {
        Ok(charge) => reply(StatusCode::OK, &charge),
        Err(Conflict) => reply(StatusCode::CONFLICT, &json!({"error": "this key was used with another body"})),
    })
}

/// Why no answer is given.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

struct Conflict;

impl State {
    fn with<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        change(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the call down, and charges unless it is refused.
    fn take(&self, key: String, body: Value) -> (Option<Fault>, Result<Value, Conflict>) {
        self.with(|book| {
            let fault = (self.script)(book.calls.len() as u64 + 1);
            let call = Call { key: key.clone(), body: body.clone(), fault };
            book.calls.push(call.clone());
            if fault == Some(Fault::Refuse) {
                return (fault, Ok(Value::Null));
            }
            let known = book.charges.entry(key.clone()).or_insert_with(|| body.clone());
            if *known != body {
                book.conflicts.push(call);
                return (fault, Err(Conflict));
            }
            (fault, Ok(json!({"id": format!("ch_{key}"), "charge": known})))
        })
    }
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", "application/json".parse::<hyper::header::HeaderValue>().expect("a header value"));
    response
}
