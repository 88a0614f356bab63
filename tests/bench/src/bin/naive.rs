//! The naive peer: what one writes in an afternoon with axum and rdkafka, and honestly: it verifies, and it awaits acks=all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Parser;
use hmac::{Hmac, KeyInit, Mac};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::Deserialize;
use sha2::Sha256;

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    #[arg(long, required_unless_present = "hmac_only", default_value = "")]
    broker: String,
    #[arg(long, default_value = "")]
    topic: String,
    #[arg(long)]
    secret: String,
    #[arg(long, default_value_t = 5)]
    linger_ms: u32,
    /// Verify and answer, nothing else.
    #[arg(long)]
    hmac_only: bool,
    #[arg(long)]
    ready_file: PathBuf,
}

struct App {
    producer: FutureProducer,
    topic: String,
    secret: Vec<u8>,
}

#[derive(Deserialize)]
struct Push {
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let secret = arguments.secret.clone().into_bytes();
    let routes = if arguments.hmac_only {
        Router::new().route("/in/github", post(verify_only)).with_state(Arc::new(secret))
    } else {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &arguments.broker)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", arguments.linger_ms.to_string())
            .create()?;
        let app = App { producer, topic: arguments.topic.clone(), secret };
        Router::new().route("/in/github", post(receive)).with_state(Arc::new(app))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let ready = serde_json::json!({ "ingest": format!("http://{}", listener.local_addr()?) });
    std::fs::write(&arguments.ready_file, ready.to_string())?;
    axum::serve(listener, routes).with_graceful_shutdown(asked_to_end()).await?;
    Ok(())
}

async fn receive(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !verified(&app.secret, &headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Some(delivery) = headers.get("x-github-delivery").and_then(|value| value.to_str().ok()) else {
        return StatusCode::BAD_REQUEST;
    };
    let Ok(push) = serde_json::from_slice::<Push>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let key = push.repository.id.to_string();
    let headers = OwnedHeaders::new().insert(Header { key: "delivery", value: Some(delivery) });
    let record = FutureRecord::to(&app.topic).key(&key).payload(&body[..]).headers(headers);
    match app.producer.send(record, Duration::from_secs(5)).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn verify_only(State(secret): State<Arc<Vec<u8>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if verified(&secret, &headers, &body) { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

fn verified(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let given = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("sha256=")).and_then(|value| hex::decode(value).ok());
    let (Some(given), Ok(mut mac)) = (given, Hmac::<Sha256>::new_from_slice(secret)) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(error) => eprintln!("naive: no signals: {error}"),
    }
}
