//! The largest body a source may have goes all the way: through the log or the spool, to a consumer, byte for byte; one byte more is
//! refused.

use std::time::Duration;

use hooklog_tests::avro;
use hooklog_tests::consumer::{Consumer, Settings};
use hooklog_tests::edge::{Edge, Source, Tuning};
use hooklog_tests::http::Connection;
use hooklog_tests::java::{Isolation, read_back};
use hooklog_tests::kafka::{Kafka, NodeId};
use hooklog_tests::names::unique;
use hooklog_tests::webhook::{Provider, Webhook};

/// GitHub's own limit, and the largest that a source may set.
const LARGEST: usize = 25 * 1024 * 1024;

/// A push whose body has this many bytes.
fn push(id: &str, bytes: usize) -> Webhook {
    let frame = Webhook::github(id, "7", 1, 0).body.len();
    let webhook = Webhook::github(id, "7", 1, bytes - frame);
    assert_eq!(webhook.body.len(), bytes);
    webhook
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body_arrives_whole_by_the_log_and_by_the_spool_and_one_byte_more_is_refused() {
    let mut kafka = Kafka::one().await;
    let mut source = Source::new(&unique("github"), Provider::GitHub);
    source.settings = "max_body = \"25MiB\"".to_owned();
    // As `hooklog topics apply` makes it.
    kafka.broker().create_topic_with(&source.topic(), 1, &[("max.message.bytes", "27262976")]).await;
    // Longer than a busy machine's Kafka needs for 25 MiB.
    let tuning = Tuning { kafka: "append_deadline = \"9s\"", spool: "after = \"5s\"", ..Tuning::default() };
    let edge = Edge::start_tuned(kafka.bootstrap(), std::slice::from_ref(&source), tuning).await;
    let path = format!("/in/{}", source.name);
    let send = async |webhook: &Webhook| Connection::to(&edge.address()).send(&path, webhook).await;

    let (logged, spooled) = (push("through-the-log", LARGEST), push("through-the-spool", LARGEST));
    assert_eq!(send(&logged).await.status, Some(200));
    assert_eq!(send(&push("too-large", LARGEST + 1)).await.status, Some(413));
    kafka.pause(NodeId(1));
    let outcome = send(&spooled).await;
    assert_eq!((outcome.status, outcome.durability.as_deref()), (Some(202), Some("spool")));
    kafka.resume(NodeId(1));
    edge.drained(Duration::from_secs(60)).await;

    let records = read_back(kafka.bootstrap(), &[&source.topic()], Isolation::ReadUncommitted);
    let value = |at: usize| avro::decode(records[at].value.as_deref().expect("a value")).expect("an envelope");
    assert_eq!(records.len(), 2);
    assert!(
        value(0).body == logged.body && value(1).body == spooled.body,
        "the bodies are not the ones that were sent"
    );

    let group = unique("large");
    kafka.broker().create_topic(&format!("hooks.{group}.dlq"), 1).await;
    let mut tally = Consumer::new(Settings {
        binary: "tally",
        bootstrap: kafka.bootstrap().to_owned(),
        group: group.clone(),
        topic: source.topic(),
        arguments: Vec::new(),
        overrides: Vec::new(),
    });
    tally.start().await;
    kafka.broker().caught_up(&group, &source.topic(), Duration::from_secs(60)).await;
    assert!(tally.stop(Duration::from_secs(30)).await.success());
}
