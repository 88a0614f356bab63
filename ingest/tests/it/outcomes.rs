//! The table of outcomes: what each says to the caller, to the log and to the metrics. A change here is a change of contract.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use hooklog_ingest::outcome::{Connection, Outcome};
use hooklog_ingest::respond::{Patience, problem};
use hooklog_process::random::Random;
use http_body_util::BodyExt;

#[test]
fn golden_table_of_outcomes() {
    let mut table = String::from(
        "outcome            reason             status  retry-after  connection  log    the caller is told\n",
    );
    for outcome in Outcome::all() {
        let retry = if outcome.asks_to_retry() { "yes" } else { "-" };
        let connection = if outcome.connection() == Connection::Closed { "closed" } else { "kept" };
        writeln!(
            table,
            "{:<18} {:<18} {:<7} {:<12} {:<11} {:<6} {}",
            outcome.label(),
            outcome.reason(),
            outcome.status().as_u16(),
            retry,
            connection,
            outcome.level().to_string().to_lowercase(),
            outcome.title(),
        )
        .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/outcomes.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), table, "{}", path.display());
}

#[test]
fn the_contract_of_statuses_holds_for_every_outcome() {
    for outcome in Outcome::all() {
        let status = outcome.status().as_u16();
        assert_eq!(outcome.asks_to_retry(), status == 429 || status == 503, "{outcome:?}");
        let stored = matches!(outcome, Outcome::Appended | Outcome::Spooled | Outcome::Duplicate | Outcome::Handshake);
        assert_eq!(outcome.status().is_success(), stored, "{outcome:?}");
    }
    let labels: HashSet<&str> = Outcome::all().iter().map(|outcome| outcome.label()).collect();
    let rejections = Outcome::all().iter().filter(|outcome| outcome.label() == "unverified").count();
    assert_eq!(labels.len(), Outcome::all().len() - rejections + 1, "two outcomes share a label");
}

#[tokio::test]
async fn every_problem_is_a_problem_document_and_no_rejection_tells_why() {
    let mut unverified = HashSet::new();
    for outcome in Outcome::all().into_iter().filter(|outcome| !outcome.status().is_success()) {
        let response = problem(outcome, Patience { seconds: 2 }, &Random::seeded(3));
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        if let Some(wait) = response.headers().get("retry-after") {
            let wait: u64 = wait.to_str().unwrap().parse().unwrap();
            assert!((2..=4).contains(&wait), "{wait}");
        }
        let headers: Vec<String> =
            response.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["status"], outcome.status().as_u16());
        assert_eq!(document["title"], outcome.title());
        if matches!(outcome, Outcome::Unverified(_)) {
            unverified.insert(format!("{headers:?} {document}"));
        }
    }
    assert_eq!(unverified.len(), 1, "a caller can tell one rejection from another");
}
