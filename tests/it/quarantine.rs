//! A secret is changed on one side: what was refused meanwhile is admitted once it is mended, each event once.

use std::process::Command;
use std::time::Duration;

use hooklog_tests::audit::audit;
use hooklog_tests::bins;
use hooklog_tests::edge::{Edge, Source, Tuning};
use hooklog_tests::http::Connection;
use hooklog_tests::kafka::Kafka;
use hooklog_tests::ledger::{Attempt, Expectation, Ledger};
use hooklog_tests::names::unique;
use hooklog_tests::webhook::{Provider, Webhook};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wrong_secret_refused_is_admitted_once_it_is_mended_and_only_once() {
    let kafka = Kafka::shared().await;
    let (source, topic) = (Source::new(&unique("github"), Provider::GitHub), unique("quarantine"));
    kafka.broker().create_topic(&source.topic(), 4).await;
    kafka.broker().create_topic(&topic, 1).await;
    let settings = format!("[quarantine]\ntopic = \"{topic}\"\nrate = 1000");
    let tuning = Tuning { settings: &settings, ..Tuning::default() };
    let mut edge = Edge::start_tuned(kafka.bootstrap(), std::slice::from_ref(&source), tuning).await;
    edge.set_secret("this is not what the provider has");
    assert!(edge.stop(Duration::from_secs(40)).await.success());
    edge.restart().await;

    let ledger = Ledger::default();
    for n in 1..=50 {
        // A refusal ends its connection.
        let mut connection = Connection::to(&edge.address());
        let webhook = Webhook::github(&format!("delivery-{n}"), "7", n, 100);
        ledger.attempt(Attempt {
            id: webhook.id.clone(),
            source: source.name.clone(),
            client: 0,
            key: webhook.key.clone(),
            seq: n,
            sha256: webhook.sha256(),
            expect: Expectation::Stored,
        });
        let outcome = connection.send(&format!("/in/{}", source.name), &webhook).await;
        assert_eq!(outcome.status, Some(401));
        // What is admitted later was promised to nobody: the judge is told of it as of a try without an answer.
        ledger.outcome(hooklog_tests::ledger::Outcome { status: None, retry_after: false, ..outcome });
    }
    assert!(edge.stop(Duration::from_secs(40)).await.success());

    let wrong = reverify(&edge, &source, &[]);
    assert_eq!(
        (&wrong["examined"], &wrong["admitted"], &wrong["unverified"]["mismatch"]),
        (&50.into(), &0.into(), &50.into())
    );
    edge.mend_secret();
    let dry = reverify(&edge, &source, &["--dry-run"]);
    assert_eq!((&dry["admitted"], &dry["dry_run"]), (&50.into(), &true.into()));
    let admitted = reverify(&edge, &source, &[]);
    assert_eq!((&admitted["admitted"], &admitted["admitted_before"]), (&50.into(), &0.into()));
    let again = reverify(&edge, &source, &[]);
    assert_eq!((&again["admitted"], &again["admitted_before"]), (&0.into(), &50.into()));
    let verdict = audit(kafka.bootstrap(), &[&source.topic()], &ledger);
    assert_eq!((verdict.duplicates, verdict.phantom.len(), verdict.mangled.len()), (0, 0, 0), "{verdict}");
    let ends: i64 = kafka.broker().ends(&source.topic()).await.iter().sum();
    assert_eq!(ends, 50, "each is there once");
}

/// Runs `hooklog quarantine reverify` for the last hour.
fn reverify(edge: &Edge, source: &Source, more: &[&str]) -> serde_json::Value {
    let mut command = Command::new(bins::path("hooklog"));
    command.args(["quarantine", "reverify", "--config"]).arg(edge.config());
    command.args(["--source", &source.name, "--from", "1h", "--json"]).args(more);
    let output = command.output().expect("the program can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}
