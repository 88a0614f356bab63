//! The admin port: `/livez`, `/readyz`, `/metrics`, `/configz`, and documents that a process hands to it. Not for the public; bound to loopback unless told otherwise.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::Registry;
use tokio::net::TcpListener;

use crate::health::{Health, Report};
use crate::metrics;
use crate::shown::Shown;
use crate::shutdown::Shutdown;

/// What the admin port shows.
#[derive(Clone)]
pub struct Admin {
    /// The process's metrics.
    pub registry: Registry,
    /// The process's health.
    pub health: Health,
    /// The effective configuration, without secrets.
    pub config: Shown,
    /// What the process tells of itself.
    pub documents: Arc<[Document]>,
}

/// A document that stays the same while the process lives.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it is served: `/openapi.json`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Bytes,
}

/// What a document may do in a browser: show itself, with its own style. It runs nothing and fetches nothing.
const SHOWN_ALONE: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");

/// Serves the admin port until shutdown.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, admin: Admin, shutdown: Shutdown) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(all_metrics))
        .route("/configz", get(config))
        .fallback(document)
        .with_state(admin);
    axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.requested().await }).await
}

async fn live(State(admin): State<Admin>) -> Response {
    answer(&admin.health.liveness())
}

async fn ready(State(admin): State<Admin>) -> Response {
    answer(&admin.health.readiness())
}

fn answer(report: &Report) -> Response {
    if report.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    let lines: String = report.iter().map(|(part, reason)| format!("{part}: {reason}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
}

async fn all_metrics(State(admin): State<Admin>) -> Response {
    match metrics::text(&admin.registry) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn config(State(admin): State<Admin>) -> Json<serde_json::Value> {
    Json(admin.config.get())
}

async fn document(State(admin): State<Admin>, method: Method, uri: Uri) -> Response {
    let Some(document) = admin.documents.iter().find(|document| document.path == uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(document.content_type)),
        (header::CONTENT_SECURITY_POLICY, SHOWN_ALONE),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, document.body.clone()).into_response()
}
