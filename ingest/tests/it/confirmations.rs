//! Subscriptions that ask to be confirmed: by the edge itself, once the signature held and the topic is one that the source lists.

use std::time::Instant;

use crate::authority::LONG;
use crate::certificates::{HOST, TOPIC, certificate, sns_message};
use crate::publisher::{Page, Publisher};
use crate::request::{PATIENCE, exchange};
use crate::server::{Server, start};

const TARGET: &str = "/?Action=ConfirmSubscription&TopicArn=t&Token=canary";

fn confirmation(topic: &str, url: &str) -> Vec<u8> {
    let certificate = format!("https://{HOST}/a.pem");
    sns_message("SubscriptionConfirmation", topic, &certificate, &[("SubscribeURL", url), ("Token", "canary")])
}

async fn serving(publisher: &Publisher, scheme: &str) -> Server {
    publisher.show(certificate(publisher.authority(), "sns.amazonaws.com", LONG));
    start(&format!("{}[sources.sns]\nprovider = \"aws-sns\"\n{scheme}", publisher.settings("2s"))).await
}

fn listed() -> String {
    format!("scheme = {{ topics = [{TOPIC:?}] }}")
}

fn confirmations(server: &Server, result: &str) -> u64 {
    let text = format!("result=\"{result}\"");
    server.sum(&format!("{text},source=\"sns\",what=\"confirmation\""), "hooklog_ingest_fetches_total")
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_listed_topics_subscription_is_confirmed_and_again_if_that_fails() {
    let publisher = Publisher::at(HOST, Page::of("")).await;
    let server = serving(&publisher, &listed()).await;
    // The certificate is fetched with an event, so that the page can change.
    let event = sns_message("Notification", TOPIC, &format!("https://{HOST}/a.pem"), &[]);
    assert_eq!(exchange(&server, &event).await.status, 200);
    publisher.show(Page::status("500 Oops"));
    let answer = exchange(&server, &confirmation(TOPIC, &format!("https://{HOST}{TARGET}"))).await;
    assert_eq!((answer.status, server.outcome("handshake")), (200, 1));
    until("the first attempt fails", || confirmations(&server, "failed") == 1).await;
    publisher.show(Page::of("<ConfirmSubscriptionResponse/>"));
    until("it is confirmed", || confirmations(&server, "ok") == 1).await;
    assert_eq!(publisher.asked(), ["/a.pem", TARGET, TARGET]);
    assert_eq!(server.stored(), 1, "a handshake is no event");
}

#[tokio::test]
async fn nothing_is_confirmed_that_is_not_listed_signed_and_on_the_providers_host() {
    let publisher = Publisher::at(HOST, Page::of("")).await;
    let (good, other) = (format!("https://{HOST}{TARGET}"), "arn:aws:sns:eu-west-1:999999999999:evil");
    let server = serving(&publisher, &listed()).await;
    let forged = String::from_utf8(confirmation(TOPIC, &good)).unwrap().replace("hello", "HELLO");
    assert_eq!(exchange(&server, forged.as_bytes()).await.status, 401, "not signed");
    assert_eq!(exchange(&server, &confirmation(other, &good)).await.status, 401, "another's topic");
    let event = sns_message("Notification", other, &format!("https://{HOST}/a.pem"), &[]);
    assert_eq!(exchange(&server, &event).await.status, 401, "an event of another's topic");
    let elsewhere = format!("https://evil.example{TARGET}");
    // It is no handshake then, and signed: an event.
    assert_eq!(exchange(&server, &confirmation(TOPIC, &elsewhere)).await.status, 200);
    let unlisting = serving(&publisher, "").await;
    assert_eq!(exchange(&unlisting, &confirmation(TOPIC, &good)).await.status, 200, "answered, and not confirmed");
    // Whatever would be confirmed would be asked for before what is asked for now.
    let listing = serving(&publisher, &listed()).await;
    assert_eq!(exchange(&listing, &confirmation(TOPIC, &good)).await.status, 200);
    until("the listed one is confirmed", || confirmations(&listing, "ok") == 1).await;
    assert_eq!((confirmations(&server, ""), confirmations(&unlisting, "")), (0, 0));
    assert_eq!(publisher.asked().iter().filter(|asked| asked.contains("Confirm")).count(), 1);
}
