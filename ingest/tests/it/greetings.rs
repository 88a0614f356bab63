//! Handshakes that come by other methods than POST, through the running edge.

use crate::request::{exchange, github};
use crate::server::start;

const SOURCES: &str = r#"
[sources.meta]
provider = "meta"
secrets = [$SECRET]
scheme = { params = { verify_token = "a token of the app" } }

[sources.events]
provider = "cloudevents"
secrets = [$SECRET]
scheme = { unsigned_handshakes = true }

[sources.silent]
provider = "cloudevents"
secrets = [$SECRET]

[sources.github]
provider = "github"
secrets = [$SECRET]
"#;

fn get(token: &str) -> Vec<u8> {
    let query = format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
    format!("GET /in/meta?{query} HTTP/1.1\r\nhost: edge\r\n\r\n").into_bytes()
}

fn options(source: &str) -> Vec<u8> {
    let origin = "webhook-request-origin: eventemitter.example.com\r\nwebhook-request-rate: 120\r\n";
    format!("OPTIONS /in/{source} HTTP/1.1\r\nhost: edge\r\n{origin}\r\n").into_bytes()
}

#[tokio::test]
async fn metas_challenge_comes_back_to_who_knows_the_token() {
    let server = start(SOURCES).await;
    let answer = exchange(&server, &get("a+token+of+the%20app")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1158201444"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let stranger = exchange(&server, &get("another")).await;
    assert_eq!(stranger.status, 401);
    assert!(!stranger.body.contains("1158201444"));
    assert_eq!((server.outcome("handshake"), server.outcome("unverified"), server.stored()), (1, 1, 0));
}

#[tokio::test]
async fn a_cloudevents_sender_is_let_in_where_the_source_says_so() {
    let server = start(SOURCES).await;
    let answer = exchange(&server, &options("events")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("webhook-allowed-origin"), Some("eventemitter.example.com"));
    assert_eq!(answer.header("webhook-allowed-rate"), Some("*"));
    let silent = exchange(&server, &options("silent")).await;
    assert_eq!((silent.status, silent.header("webhook-allowed-origin")), (401, None));
    let unasked = exchange(&server, &options("github")).await;
    assert_eq!((unasked.status, unasked.header("allow")), (405, Some("POST")));
    assert_eq!(exchange(&server, &github(b"{}")).await.status, 200);
    assert_eq!((server.outcome("handshake"), server.stored()), (1, 1));
}
