//! The admin port from outside: what a probe and a scrape see.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use hooklog_process::admin::{Admin, Document, serve};
use hooklog_process::clock::Clock;
use hooklog_process::health::Health;
use hooklog_process::metrics::{Def, Kind, Registry, counter};
use hooklog_process::shown::Shown;
use hooklog_process::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn documents() -> Arc<[Document]> {
    Arc::new([Document { path: "/about", content_type: "text/html", body: "<p>a page</p>".into() }])
}

async fn ask(port: u16, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(port: u16, path: &str) -> (u16, String) {
    let answer = ask(port, "GET", path).await;
    let status = answer[9..12].parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn probes_and_scrapes_are_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (registry, health, shutdown) = (Registry::new(), Health::new(Clock::system()), Shutdown::new());
    let def = Def { name: "test_total", kind: Kind::Counter, labels: &[], help: "A test." };
    counter(&registry, &def).unwrap().with_label_values::<&str>(&[]).inc();
    let (kafka, shown) = (health.register("kafka"), Shown::new(serde_json::json!({"listen": "x"})));
    let admin = Admin { registry, health, config: shown.clone(), documents: documents() };
    let server = tokio::spawn(serve(listener, admin, shutdown.clone()));

    assert_eq!(get(port, "/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(get(port, "/readyz").await, (503, "kafka: starting\n".to_owned()));
    kafka.ready();
    assert_eq!(get(port, "/readyz").await.0, 200);
    assert!(get(port, "/metrics").await.1.contains("test_total 1"));
    assert_eq!(get(port, "/configz").await.1, "{\"listen\":\"x\"}");
    shown.set(serde_json::json!({"listen": "y"}));
    assert_eq!(get(port, "/configz").await.1, "{\"listen\":\"y\"}");
    assert_eq!(get(port, "/in/github").await.0, 404);
    assert_eq!(get(port, "/about").await, (200, "<p>a page</p>".to_owned()));
    assert_eq!(get(port, "/about/").await.0, 404);
    let head = ask(port, "GET", "/about").await.to_lowercase();
    for line in
        ["content-type: text/html", "content-security-policy: default-src 'none'", "x-content-type-options: nosniff"]
    {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert!(ask(port, "POST", "/about").await.starts_with("HTTP/1.1 405"));

    shutdown.request();
    server.await.unwrap().unwrap();
}
