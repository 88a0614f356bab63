//! Certificates that requests name: fetched from their provider's hosts alone, checked, kept, and never waited for too long.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hooklog_schemas::codec::decode;
use rcgen::{KeyPair, SigningKey as _};

use crate::authority::{Authority, LONG, Years};
use crate::publisher::{Page, Publisher};
use crate::request::{PATIENCE, exchange, post};
use crate::server::{Server, start};

pub(crate) const HOST: &str = "sns.eu-west-1.amazonaws.com";

pub(crate) const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:orders";

/// RSA keys take seconds to make: this one is for tests alone.
const RSA: &str = include_str!("rsa.pem");

fn key() -> KeyPair {
    KeyPair::from_pem(RSA).unwrap()
}

/// A certificate for the key that signs, for this name.
pub(crate) fn certificate(authority: &Authority, name: &str, years: Years) -> Page {
    Page::of(authority.issue_for(name, years, key()).certificate)
}

/// What SNS sends of a kind of message, with these further fields.
pub(crate) fn sns_message(kind: &str, topic: &str, certificate: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![
        ("Message", "hello"),
        ("MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"),
        ("Timestamp", "2023-11-14T22:13:20.000Z"),
        ("TopicArn", topic),
        ("Type", kind),
    ];
    fields.extend(more);
    fields.sort_unstable();
    let text: String = fields.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
    let signature = STANDARD.encode(key().sign(text.as_bytes()).unwrap());
    let beside = [("SignatureVersion", "2"), ("Signature", &signature), ("SigningCertURL", certificate)];
    let all = fields.iter().copied().chain(beside).map(|(name, value)| (name, value.to_owned()));
    let body = serde_json::Value::from_iter(all).to_string();
    post("sns", "content-type: text/plain; charset=UTF-8\r\n", body.as_bytes())
}

fn notification(certificate: &str) -> Vec<u8> {
    sns_message("Notification", TOPIC, certificate, &[])
}

fn pem(name: &str) -> String {
    format!("https://{HOST}/{name}.pem")
}

fn sns(publisher: &Publisher, deadline: &str) -> String {
    format!("{}[sources.sns]\nprovider = \"aws-sns\"\n", publisher.settings(deadline))
}

async fn until_in_hand(server: &Server, requests: usize) {
    let deadline = Instant::now() + PATIENCE;
    while server.edge.requests_in_hand() < requests {
        assert!(Instant::now() < deadline, "{} requests are in hand", server.edge.requests_in_hand());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_certificate_is_fetched_once_for_all_who_wait_and_then_kept() {
    let publisher = Publisher::at(HOST, Page::of("")).await;
    let page = certificate(publisher.authority(), "sns.amazonaws.com", LONG);
    publisher.show(page.clone().hanging());
    let server = Arc::new(start(&sns(&publisher, "20s")).await);
    let sent: Vec<_> = (0..50)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { exchange(&server, &notification(&pem("a"))).await })
        })
        .collect();
    until_in_hand(&server, 50).await;
    publisher.show(page);
    for one in sent {
        assert_eq!(one.await.unwrap().status, 200);
    }
    assert_eq!(exchange(&server, &notification(&pem("a"))).await.status, 200);
    assert_eq!(publisher.asked(), ["/a.pem"]);
    let record = server.records().pop().unwrap();
    let scheme = decode(record.value.as_ref().unwrap()).unwrap().scheme;
    assert!(scheme.starts_with("aws-sns:certificate-"), "{scheme}");
    let forged = String::from_utf8(notification(&pem("a"))).unwrap().replace("hello", "HELLO");
    assert_eq!(exchange(&server, forged.as_bytes()).await.status, 401);
    assert_eq!(publisher.asked().len(), 1);
}

#[tokio::test]
async fn a_certificate_elsewhere_is_never_asked_for() {
    let publisher = Publisher::at(HOST, Page::of("")).await;
    publisher.show(certificate(publisher.authority(), "sns.amazonaws.com", LONG));
    let server = start(&sns(&publisher, "2s")).await;
    for url in [
        "https://evil.example/a.pem",
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
    ] {
        assert_eq!(exchange(&server, &notification(url)).await.status, 401, "{url}");
    }
    assert_eq!((publisher.asked().len(), server.value("hooklog_ingest_fetches_total")), (0, 0));
}

#[tokio::test]
async fn a_certificate_of_any_region_is_believed_a_bad_one_401_and_one_that_is_not_there_503() {
    let publisher = Publisher::at(HOST, Page::of("")).await;
    let server = start(&sns(&publisher, "300ms")).await;
    let good = certificate(publisher.authority(), "sns.amazonaws.com", LONG);
    let moved = Page { headers: format!("location: https://{HOST}/b.pem\r\n"), ..Page::status("301 Moved") };
    for (name, page, status) in [
        ("opt-in", certificate(publisher.authority(), "sns-signing.me-south-1.amazonaws.com", LONG), 200),
        ("elsewhere", certificate(publisher.authority(), "sns-signing.amazonaws.com.example.com", LONG), 401),
        ("ended", certificate(publisher.authority(), "sns.amazonaws.com", (2020, 2023)), 401),
        ("early", certificate(publisher.authority(), "sns.amazonaws.com", (2024, 2090)), 401),
        ("of-another", certificate(publisher.authority(), "evil.example", LONG), 401),
        ("no-certificate", Page::of("<html>"), 401),
        ("missing", Page::status("404 Not Found"), 503),
        ("moved", moved, 503),
        ("slow", good.clone().hanging(), 503),
        ("large", Page::of(format!("{}{}", good.body, "x".repeat(17_000))), 503),
    ] {
        publisher.show(page);
        let answer = exchange(&server, &notification(&pem(name))).await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503, "{name}");
    }
    assert_eq!((server.stored(), publisher.asked().len()), (1, 10), "each was asked for, and nothing was followed");
    publisher.show(good);
    assert_eq!(exchange(&server, &notification(&pem("missing"))).await.status, 503, "it was just asked for");
    server.hand.advance_ms(hooklog_ingest::fetch::kept::RETRY_MS);
    assert_eq!(exchange(&server, &notification(&pem("missing"))).await.status, 200);
}

#[tokio::test]
async fn what_anybody_names_does_not_push_out_what_is_in_use() {
    let publisher = Publisher::at(HOST, Page::of("")).await;
    publisher.show(certificate(publisher.authority(), "sns.amazonaws.com", LONG));
    let server = start(&sns(&publisher, "2s")).await;
    assert_eq!(exchange(&server, &notification(&pem("good"))).await.status, 200);
    publisher.show(Page::of("made up"));
    for number in 0..40 {
        assert_eq!(exchange(&server, &notification(&pem(&format!("made-up-{number}")))).await.status, 401);
    }
    assert_eq!(exchange(&server, &notification(&pem("good"))).await.status, 200);
    assert_eq!(publisher.asked().len(), 41);
}

/// What PayPal sends of an empty object.
fn paypal() -> Vec<u8> {
    // The CRC-32 of `{}`.
    let text = format!("transmission|2023-11-14T22:13:20Z|WH-1|{}", 2_745_614_147_u32);
    let signature = STANDARD.encode(key().sign(text.as_bytes()).unwrap());
    let headers = format!(
        "paypal-transmission-id: transmission\r\npaypal-transmission-time: 2023-11-14T22:13:20Z\r\n\
         paypal-transmission-sig: {signature}\r\npaypal-auth-algo: SHA256withRSA\r\n\
         paypal-cert-url: https://api.paypal.com/v1/notifications/certs/CERT-1\r\n"
    );
    post("paypal", &headers, b"{}")
}

#[tokio::test]
async fn where_a_provider_shows_its_authority_it_must_be_one_that_is_believed() {
    let name = "messageverificationcerts.paypal.com";
    for (what, is_own, name, status) in [
        ("its own authority", true, name, 200),
        ("a stranger's authority", false, name, 401),
        ("another name", true, "api.paypal.com", 401),
    ] {
        let publisher = Publisher::at("api.paypal.com", Page::of("")).await;
        let stranger = Authority::new();
        let authority = if is_own { publisher.authority() } else { &stranger };
        publisher.show(certificate(authority, name, LONG));
        let source = "[sources.paypal]\nprovider = \"paypal\"\nscheme = { params = { webhook_id = \"WH-1\" } }";
        let server = start(&format!("{}{source}", publisher.settings("2s"))).await;
        assert_eq!(exchange(&server, &paypal()).await.status, status, "{what}");
        assert_eq!(publisher.asked(), ["/v1/notifications/certs/CERT-1"]);
    }
}
