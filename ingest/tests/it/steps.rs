//! A request's steps: what is taken, what is not, and what the caller hears.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{exchange, github, post, read_answer, signed};
use crate::server::{NOW, start};

const SOURCES: &str = r#"
[sources.github]
provider = "github"
secrets = [$SECRET]

[sources.stripe]
provider = "stripe"
secrets = [$SECRET]

[sources.slack]
provider = "slack"
secrets = [$SECRET]

[sources.anybody]
provider = "none"

[sources.odd]
provider = "hmac"
secrets = [$SECRET]
topic = "elsewhere"
scheme = { reply = { status = 204 } }
"#;

#[tokio::test]
async fn a_signed_request_is_stored_and_told_where() {
    let server = start(SOURCES).await;
    let answer = exchange(&server, &github(br#"{"repository":{"id":7}}"#)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("hooklog-position"), Some("hooks.github/0/0"));
    assert_eq!(answer.header("hooklog-durability"), Some("log"));
    assert_eq!((server.stored(), server.outcome("appended")), (1, 1));
}

#[tokio::test]
async fn a_source_may_want_another_topic_and_status() {
    let server = start(SOURCES).await;
    let answer = exchange(&server, &signed("hmac", "odd", "1", b"{}")).await;
    assert_eq!((answer.status, answer.header("hooklog-position")), (204, Some("elsewhere/0/0")));
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start(SOURCES).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for offset in 0..20 {
        stream.write_all(&github(format!("{{\"n\":{offset}}}").as_bytes())).await.unwrap();
        let answer = read_answer(&mut stream).await.unwrap();
        assert_eq!(answer.header("hooklog-position"), Some(format!("hooks.github/0/{offset}").as_str()));
    }
}

#[tokio::test]
async fn what_is_not_verified_is_not_stored_and_all_hear_the_same() {
    let server = start(SOURCES).await;
    let honest = github(b"{}");
    let text = String::from_utf8(honest.clone()).unwrap();
    let stale = String::from_utf8(signed("stripe", "stripe", "evt_1", b"{}")).unwrap();
    let stale = stale.replace(&format!("t={NOW}"), &format!("t={}", NOW - 301));
    let cases = [
        text.replace("sha256=", "sha1="),
        text.replace("{}", "[]"),
        text.replace("x-hub-signature-256", "x-hub-signature"),
        text.replace("/in/github", "/in/stripe"),
        post("github", "", b"{}").iter().map(|&byte| char::from(byte)).collect(),
        stale,
    ];
    let mut heard = std::collections::HashSet::new();
    for case in &cases {
        let answer = exchange(&server, case.as_bytes()).await;
        assert_eq!(answer.status, 401, "{case}");
        heard.insert(format!("{} {:?}", answer.body, answer.header("retry-after")));
    }
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!((server.stored(), server.outcome("unverified")), (0, cases.len() as u64));
}

#[tokio::test]
async fn a_replayed_request_is_refused_once_its_time_is_over() {
    let server = start(SOURCES).await;
    let request = signed("stripe", "stripe", "evt_1", br#"{"id":"evt_1"}"#);
    assert_eq!(exchange(&server, &request).await.status, 200);
    server.hand.advance_ms(299_000);
    assert_eq!(
        exchange(&server, &request).await.status,
        200,
        "within the tolerance it is stored again, under one dedupe id"
    );
    server.hand.advance_ms(2_000);
    assert_eq!(exchange(&server, &request).await.status, 401);
    assert_eq!(server.stored(), 2);
}

#[tokio::test]
async fn slacks_challenge_is_answered_only_if_signed_and_not_stored() {
    let server = start(SOURCES).await;
    let body = br#"{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}"#;
    let answer = exchange(&server, &signed("slack", "slack", "1", body)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"), "{}", answer.body);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(exchange(&server, &post("slack", "", body)).await.status, 401);
    assert_eq!((server.stored(), server.outcome("handshake")), (0, 1));
}

#[tokio::test]
async fn an_open_source_takes_anything_from_anybody() {
    let server = start(SOURCES).await;
    assert_eq!(exchange(&server, &post("anybody", "", b"anything")).await.status, 200);
}

#[tokio::test]
async fn only_the_exact_name_finds_a_source() {
    let server = start(SOURCES).await;
    for path in [
        "/in/GitHub",
        "/in/git%68ub",
        "/in/github/",
        "//in/github",
        "/in/../in/github",
        "/in/github;x",
        "/in/",
        "/",
        "/metrics",
    ] {
        let request = String::from_utf8(github(b"{}")).unwrap().replace("/in/github", path);
        assert_eq!(exchange(&server, request.as_bytes()).await.status, 404, "{path}");
    }
    assert_eq!((server.stored(), server.outcome("unknown_source")), (0, 9));
}

#[tokio::test]
async fn a_source_takes_post_only() {
    let server = start(SOURCES).await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} /in/github HTTP/1.1\r\nhost: edge\r\n\r\n");
        let answer = exchange(&server, request.as_bytes()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
}

#[tokio::test]
async fn a_body_that_names_the_event_twice_is_refused() {
    let server = start(SOURCES).await;
    let body = br#"{"id":"evt_1","id":"evt_2","type":"charge.succeeded"}"#;
    let answer = exchange(&server, &signed("stripe", "stripe", "evt_1", body)).await;
    assert_eq!((answer.status, server.outcome("ambiguous"), server.stored()), (422, 1, 0));
}

const GREETED: &str = r#"
[sources.acme]
provider = "hmac"
secrets = [$SECRET]

[sources.slack]
provider = "slack"
secrets = [$SECRET]
"#;

#[tokio::test]
async fn a_method_without_a_handshake_is_refused_and_a_signed_challenge_is_answered() {
    let server = start(GREETED).await;
    let get = exchange(&server, b"GET /in/acme?hub.challenge=1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    let challenge = signed("slack", "slack", "1", br#"{"type":"url_verification","challenge":"abc"}"#);
    let answer = exchange(&server, &challenge).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"challenge":"abc"}"#));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!((server.stored(), server.outcome("handshake")), (0, 1));
}
