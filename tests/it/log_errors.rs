//! What real Kafka says when it can't or won't take a record: what may mend itself goes through the spool and arrives in order, what
//! never will is refused, and neither holds up the others.

use std::sync::Arc;
use std::time::Duration;

use hooklog_tests::audit::audit;
use hooklog_tests::edge::{Edge, Source, Tuning};
use hooklog_tests::eventually::eventually;
use hooklog_tests::http::Connection;
use hooklog_tests::kafka::{Kafka, NodeId};
use hooklog_tests::ledger::{Ledger, Outcome};
use hooklog_tests::load::Load;
use hooklog_tests::names::unique;
use hooklog_tests::rounds::rounds;
use hooklog_tests::webhook::{Provider, Webhook};

const DRAIN: Duration = Duration::from_secs(120);

/// Longer than a busy machine's Kafka needs for its first records: what goes to the spool goes there for what the test did.
const PATIENT: Tuning<'_> = Tuning { settings: "", kafka: "", spool: "after = \"1500ms\"" };

/// `NOT_ENOUGH_REPLICAS`: the leader is there and answers, and does not take it.
#[tokio::test(flavor = "multi_thread")]
async fn too_few_replicas_send_records_through_the_spool_until_there_are_enough() {
    let mut kafka = Kafka::three().await;
    let source = Source::new(&unique("github"), Provider::GitHub);
    kafka.broker().create_topic_with(&source.topic(), 4, &[("min.insync.replicas", "3")]).await;
    let edge = Edge::start(kafka.bootstrap(), std::slice::from_ref(&source), "").await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::new(&edge.address(), &source.name, Provider::GitHub).start(Arc::clone(&ledger));
    for _ in 0..rounds(1, 5) {
        ledger.more_acked(200).await;
        kafka.kill9(NodeId(3));
        edge.spools(100.0).await;
        kafka.start(NodeId(3)).await;
        kafka.broker().in_sync(&source.topic(), 3, Duration::from_secs(90)).await;
        edge.drained(DRAIN).await;
    }
    ledger.more_acked(100).await;
    load.stop().await;
    edge.drained(DRAIN).await;
    audit(kafka.bootstrap(), &[&source.topic()], &ledger).require_clean("too few replicas in sync");
    let (_, outcomes) = ledger.read();
    let refused: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.status == Some(503)).collect();
    assert!(refused.is_empty(), "nobody was turned away: {refused:?}");
}

/// `UNKNOWN_TOPIC_OR_PARTITION`: somebody deleted it while the edge serves, and made it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_and_made_again_takes_what_came_meanwhile() {
    let kafka = Kafka::one().await;
    let source = Source::new(&unique("github"), Provider::GitHub);
    kafka.broker().create_topic(&source.topic(), 4).await;
    let edge = Edge::start_tuned(kafka.bootstrap(), std::slice::from_ref(&source), PATIENT).await;
    let mut connection = Connection::to(&edge.address());
    let path = format!("/in/{}", source.name);
    let mut send = async |n: u64| connection.send(&path, &Webhook::github(&format!("d-{n}"), "7", n, 10)).await;
    assert_eq!(send(1).await.status, Some(200));
    kafka.broker().delete_topic(&source.topic()).await;
    // The client may still believe in it for a moment; whatever it is told, a 2xx stands for what is kept.
    let meanwhile: Vec<Outcome> = [send(2).await, send(3).await, send(4).await].into();
    kafka.broker().create_topic(&source.topic(), 4).await;
    edge.drained(DRAIN).await;
    assert_eq!(send(5).await.status, Some(200));
    let promised = meanwhile.iter().filter(|outcome| outcome.acked()).count();
    eprintln!("while the topic was away: {:?}", meanwhile.iter().map(|outcome| outcome.status).collect::<Vec<_>>());
    assert!(promised > 0, "the spool takes what a topic that may come back can't: {meanwhile:?}");
    let ends: i64 = kafka.broker().ends(&source.topic()).await.iter().sum();
    assert!(ends > i64::try_from(promised).unwrap(), "{ends} records, {promised} promised");
}

/// `MESSAGE_TOO_LARGE`: the topic takes less than the source.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_topic_never_takes_is_refused_or_set_aside_and_holds_up_nobody() {
    let mut kafka = Kafka::one().await;
    let source = Source::new(&unique("github"), Provider::GitHub);
    kafka.broker().create_topic_with(&source.topic(), 1, &[("max.message.bytes", "20000")]).await;
    let edge = Edge::start_tuned(kafka.bootstrap(), std::slice::from_ref(&source), PATIENT).await;
    let path = format!("/in/{}", source.name);
    let send = async |id: &str, padding: usize| {
        Connection::to(&edge.address()).send(&path, &Webhook::github(id, "7", 1, padding)).await.status
    };
    assert_eq!(send("small-1", 10).await, Some(200));
    let refused = send("large-1", 40_000).await;
    assert!(refused.is_some_and(|status| !(200..300).contains(&status)), "{refused:?}");
    assert_eq!(send("small-2", 10).await, Some(200), "the next is taken");
    // Behind a log that is away nobody can know it: it is taken, set aside when the log refuses it, and what is behind it goes on.
    kafka.pause(NodeId(1));
    assert_eq!((send("large-2", 40_000).await, send("small-3", 10).await), (Some(202), Some(202)));
    kafka.resume(NodeId(1));
    eventually(DRAIN, "the one behind it", async || match kafka.broker().ends(&source.topic()).await[..] {
        [3] => Ok(()),
        ref other => Err(other.to_vec()),
    })
    .await;
    let aside = edge.metric("hooklog_ingest_spool_aside_total", "").await;
    assert_eq!(aside, Ok(1.0), "what was set aside is kept and counted");
}
