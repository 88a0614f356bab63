//! With a schema registry: the edge's records carry its number, consumers and `hooklog tail` read them, and a registry that is away is
//! waited for.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hooklog_tests::edge::{Edge, Source};
use hooklog_tests::eventually::eventually;
use hooklog_tests::java::{Isolation, read_back};
use hooklog_tests::kafka::Kafka;
use hooklog_tests::ledger::Ledger;
use hooklog_tests::load::Load;
use hooklog_tests::names::unique;
use hooklog_tests::payments::Payments;
use hooklog_tests::registry::Registry;
use hooklog_tests::webhook::Provider;
use hooklog_tests::{avro, bins};

use crate::books::{self, Books};

const LONG: Duration = Duration::from_secs(90);

/// Sends until so many more events are acknowledged.
async fn send(edge: &Edge, source: &Source, events: usize) {
    let sent = Arc::new(Ledger::default());
    let mut load = Load::new(&edge.address(), &source.name, Provider::Stripe);
    load.clients = 4;
    let running = load.start(Arc::clone(&sent));
    eventually(LONG, "acknowledged events", async || if sent.acked() >= events { Ok(()) } else { Err(sent.acked()) })
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_records_are_charged_once_also_when_the_registry_was_away() {
    let (kafka, registry) = (Kafka::shared().await, Registry::start().await);
    let source = Source::new(&unique("stripe"), Provider::Stripe);
    let payments = Payments::start(|_| None);
    let mut group = books::ledger_group(kafka, &source, &payments).await;
    group.overrides.push(("KAFKA__REGISTRY", registry.url()));
    let topic = source.topic();
    let set = format!("registry = \"{}\"", registry.url());
    let edge = Edge::start_with(kafka.bootstrap(), std::slice::from_ref(&source), "", &set).await;
    let mut consumer = books::static_member(&group, "only");

    consumer.start().await;
    send(&edge, &source, 100).await;
    kafka.broker().caught_up(&group.group, &topic, LONG).await;

    // A consumer that starts while the registry is away knows no number: its partitions wait.
    assert!(consumer.stop(LONG).await.success());
    registry.pause();
    send(&edge, &source, 100).await;
    let committed = kafka.broker().committed(&group.group, &topic).await;
    consumer.launch("");
    consumer.logged("the registry does not help, the partition waits", LONG).await;
    assert_eq!(kafka.broker().committed(&group.group, &topic).await, committed);
    registry.resume();
    kafka.broker().caught_up(&group.group, &topic, LONG).await;

    let books = Books::of(kafka.bootstrap(), &topic);
    // Of two hundred acknowledged ones, some were sent twice.
    assert!(books.events() > 150, "{}", books.events());
    books.require_booked(&consumer).await;
    books.require_charged(&payments);
    let dead = read_back(kafka.bootstrap(), &[&format!("hooks.{}.dlq", group.group)], Isolation::ReadUncommitted);
    assert_eq!(dead, []);
    let records = read_back(kafka.bootstrap(), &[&topic], Isolation::ReadUncommitted);
    for record in &records {
        let (number, _) = avro::decode_numbered(record.value.as_deref().unwrap_or_default()).unwrap();
        assert_eq!(registry.schema(number), avro::schema());
    }
    require_tailed(kafka, &registry, &source, records.len());
    assert!(consumer.stop(LONG).await.success());
}

/// `hooklog tail` shows every event when it is told of the registry, and says what to do when it is not.
fn require_tailed(kafka: &Kafka, registry: &Registry, source: &Source, events: usize) {
    let tail = |further: &[&str]| {
        let mut tail = Command::new(bins::path("hooklog"));
        tail.args(["tail", &source.name, "--broker", kafka.bootstrap(), "--from-beginning", "--no-follow", "--json"]);
        let output = tail.args(further).output().expect("hooklog can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect::<Vec<serde_json::Value>>()
    };
    let told = tail(&["--registry", &registry.url()]);
    assert_eq!(told.len(), events);
    assert!(told.iter().all(|line| line["id"].is_string() && line["source"] == source.name.as_str()), "{told:?}");
    let untold = tail(&["--count", "1"]);
    assert!(untold[0]["error"].as_str().is_some_and(|error| error.contains("--registry")), "{untold:?}");
}
