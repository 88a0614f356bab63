//! The admin port: `/livez`, `/readyz`, `/metrics`, `/configz`. Not for the public; bound to loopback unless told otherwise.

use axum::extract::State;
use axum::http::{StatusCode, header};
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
}

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
