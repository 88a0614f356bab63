//! A payments service for trying things out: it makes each charge once for its key, and tells of every call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{DefaultBodyLimit, State};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use hooklog_process::shutdown::Shutdown;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;

use crate::charge::Order;
use crate::payments::IDEMPOTENCY_KEY;

/// Charges remembered; beyond it new keys are refused.
const CHARGES_LIMIT: usize = 100_000;

/// The largest request, in bytes.
const REQUEST_LIMIT: usize = 64 << 10;

/// The longest idempotency key, in bytes.
const KEY_LIMIT: usize = 255;

/// A charge that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// What was asked for.
    pub order: Order,
    /// How often it was asked for.
    pub calls: u64,
}

/// The service's books. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Sandbox(Arc<Mutex<BTreeMap<String, Made>>>);

impl Sandbox {
    /// Empty books.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The charges made, by idempotency key.
    #[must_use]
    pub fn charges(&self) -> BTreeMap<String, Made> {
        self.books().clone()
    }

    /// Serves `POST /v1/charges` and `GET /v1/charges` until `shutdown`.
    ///
    /// # Errors
    /// What the system says when the listener fails.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/v1/charges", post(charge).get(list))
            .layer(DefaultBodyLimit::max(REQUEST_LIMIT))
            .with_state(self);
        axum::serve(listener, routes).with_graceful_shutdown(async move { shutdown.requested().await }).await
    }

    fn books(&self) -> MutexGuard<'_, BTreeMap<String, Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(State(sandbox): State<Sandbox>) -> Json<BTreeMap<String, Made>> {
    Json(sandbox.charges())
}

async fn charge(State(sandbox): State<Sandbox>, headers: HeaderMap, Json(order): Json<Order>) -> impl IntoResponse {
    let refuse = |status, error: &str| (status, Json(json!({ "error": error })));
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).filter(|key| key.len() <= KEY_LIMIT);
    let Some(key) = key else {
        return refuse(StatusCode::BAD_REQUEST, "the header Idempotency-Key is missing or too long");
    };
    let mut books = sandbox.books();
    if let Some(made) = books.get_mut(key) {
        if made.order != order {
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, "the key was used for another charge");
        }
        made.calls += 1;
        tracing::info!(key, customer = order.customer, calls = made.calls, "charge was made before");
        return (StatusCode::OK, Json(json!({ "id": key, "made": false })));
    }
    if books.len() >= CHARGES_LIMIT {
        return refuse(StatusCode::INSUFFICIENT_STORAGE, "the sandbox remembers no more charges: start it anew");
    }
    tracing::info!(key, customer = order.customer, amount = order.amount, currency = order.currency, "charge made");
    books.insert(key.to_owned(), Made { order, calls: 1 });
    (StatusCode::CREATED, Json(json!({ "id": key, "made": true })))
}
