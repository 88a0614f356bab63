//! A 2xx means that the exact bytes are in Kafka: under load, with forgers and broken clients, over kills of the edge and of Kafka.

use std::sync::Arc;
use std::time::Duration;

use hooklog_tests::audit::audit;
use hooklog_tests::edge::{Edge, Source};
use hooklog_tests::kafka::{Kafka, NodeId};
use hooklog_tests::ledger::Ledger;
use hooklog_tests::load::Load;
use hooklog_tests::names::unique;
use hooklog_tests::rounds::rounds;
use hooklog_tests::webhook::Provider;
use rand::Rng;

use crate::hostile;

const PARTITIONS: i32 = 8;

/// How long a spool may take to be drained: what has gone there while brokers were away is read back only then.
const DRAIN: Duration = Duration::from_secs(60);

/// An edge with one GitHub source of its own, and its empty topic.
async fn edge_on(kafka: &Kafka) -> (Edge, Source) {
    let source = Source::new(&unique("github"), Provider::GitHub);
    kafka.broker().create_topic(&source.topic(), PARTITIONS).await;
    let edge = Edge::start(kafka.bootstrap(), std::slice::from_ref(&source), "").await;
    (edge, source)
}

async fn a_while(longest_ms: u64) {
    let pause = rand::rng().random_range(0..longest_ms);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_genuine_whole_stored_events_get_a_2xx() {
    let kafka = Kafka::shared().await;
    let (mut edge, source) = edge_on(kafka).await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    let hostile = hostile::attack(&edge.address(), &source.name, Duration::from_secs(u64::from(rounds(30, 600)))).await;
    load.stop().await;

    assert!(hostile.iter().all(|case| case.tried > 0), "{hostile:?}");
    let failed: Vec<_> = hostile.iter().filter(|case| !case.wrong.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let verdict = audit(kafka.bootstrap(), &[&source.topic()], &ledger);
    verdict.require_clean("genuine and forged events, hostile clients");
    // Without a fault of ours, nobody genuine is turned away, and what is sent once is stored once.
    let (attempts, outcomes) = ledger.read();
    let genuine = |id: &str| attempts.iter().any(|attempt| attempt.seq > 0 && attempt.id == id);
    let turned_away: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.status != Some(200) && outcome.status != Some(401)).collect();
    assert!(turned_away.iter().all(|outcome| !genuine(&outcome.id)), "{turned_away:?}");
    let second_sendings = outcomes.iter().filter(|outcome| outcome.acked()).count() - verdict.acked;
    assert_eq!(verdict.duplicates, second_sendings);
    assert!(edge.stop(Duration::from_secs(40)).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_is_killed_has_lost_nothing_it_acknowledged() {
    let kafka = Kafka::shared().await;
    let (mut edge, source) = edge_on(kafka).await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    for _ in 0..rounds(20, 1_000) {
        ledger.more_acked(50).await;
        a_while(300).await;
        edge.kill9();
        edge.restart().await;
    }
    load.stop().await;
    edge.drained(DRAIN).await;
    audit(kafka.bootstrap(), &[&source.topic()], &ledger).require_clean("edge killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_dies_at_any_step_has_lost_nothing_it_acknowledged() {
    let steps = ["verified", "sealed", "enqueued", "acked", "before-answer", "after-answer"];
    let kafka = Kafka::shared().await;
    let (mut edge, source) = edge_on(kafka).await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    for step in steps {
        for hit in (0..rounds(3, 20)).map(|round| 1 + round * round * 7) {
            edge.kill9();
            edge.launch(&format!("edge.{step}=kill@{hit}"));
            let died = edge.exited(Duration::from_secs(60)).await;
            assert!(!died.success(), "edge.{step}: {died}");
        }
        edge.restart().await;
        ledger.more_acked(50).await;
    }
    load.stop().await;
    edge.drained(DRAIN).await;
    audit(kafka.bootstrap(), &[&source.topic()], &ledger).require_clean("edge killed at its failpoints");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_edge_answers_what_it_has_taken() {
    let kafka = Kafka::shared().await;
    let (mut edge, source) = edge_on(kafka).await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    for _ in 0..rounds(3, 20) {
        ledger.more_acked(100).await;
        assert!(edge.stop(Duration::from_secs(40)).await.success());
        edge.restart().await;
    }
    load.stop().await;
    edge.drained(DRAIN).await;
    audit(kafka.bootstrap(), &[&source.topic()], &ledger).require_clean("edge stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_killed_and_started_again_has_kept_what_was_acknowledged() {
    let mut kafka = Kafka::one().await;
    let (edge, source) = edge_on(&kafka).await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    for _ in 0..rounds(3, 20) {
        ledger.more_acked(200).await;
        kafka.kill9(NodeId(1));
        a_while(3_000).await;
        kafka.start(NodeId(1)).await;
    }
    ledger.more_acked(200).await;
    load.stop().await;
    edge.drained(DRAIN).await;
    audit(kafka.bootstrap(), &[&source.topic()], &ledger).require_clean("one broker killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_brokers_keep_what_was_acknowledged_while_leaders_die() {
    let mut kafka = Kafka::three().await;
    let (edge, source) = edge_on(&kafka).await;
    let broker = kafka.broker();
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    for round in 0..rounds(2, 20) {
        broker.in_sync(&source.topic(), 3, Duration::from_secs(90)).await;
        ledger.more_acked(200).await;
        let leader = broker.leader(&source.topic(), 0).await;
        if round % 2 == 0 {
            kafka.kill9(leader);
            ledger.more_acked(200).await;
            kafka.start(leader).await;
        } else {
            // Alive and silent, longer than its session.
            kafka.pause(leader);
            ledger.more_acked(200).await;
            kafka.resume(leader);
        }
    }
    for node in kafka.nodes() {
        kafka.kill9(node);
    }
    kafka.start_all().await;
    ledger.more_acked(200).await;
    load.stop().await;
    edge.drained(DRAIN).await;
    audit(kafka.bootstrap(), &[&source.topic()], &ledger).require_clean("leaders and then all brokers killed");
}
