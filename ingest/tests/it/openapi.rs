//! The OpenAPI document says what the edge does: it is as committed, has every outcome, and its schema fits every problem that is sent.

use std::path::Path;

use hooklog_ingest::openapi::{document, served, text};
use hooklog_ingest::outcome::{Outcome, Refused};
use hooklog_ingest::respond::{Patience, problem};
use hooklog_ingest::validate::pointer::Pointer;
use hooklog_ingest::validate::schema::Schema;
use hooklog_process::random::Random;
use http_body_util::BodyExt;
use serde_json::Value;

fn read() -> Value {
    serde_json::from_str(&text(&document())).unwrap()
}

#[test]
fn the_document_is_as_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let text = text(&document());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
    assert_eq!(read()["openapi"], "3.1.0");
}

#[test]
fn every_outcome_is_described_with_its_headers() {
    let document = read();
    let responses = &document["paths"]["/in/{source}"]["post"]["responses"];
    for outcome in Outcome::all() {
        let response = &responses[outcome.status().as_str()];
        let line = format!("`{}`: {}", outcome.label(), outcome.title());
        assert!(response["description"].as_str().unwrap().contains(&line), "{outcome:?}");
        let has = |name: &str| response["headers"][name].is_object();
        assert_eq!(has("Retry-After"), outcome.asks_to_retry(), "{outcome:?}");
        assert_eq!(has("Allow"), outcome == Outcome::BadMethod, "{outcome:?}");
        assert_eq!(has("hooklog-position"), outcome.status() == 200, "{outcome:?}");
        assert_eq!(has("hooklog-durability"), outcome.status().is_success(), "{outcome:?}");
        let examples = &response["content"]["application/problem+json"]["examples"];
        assert_eq!(examples[outcome.label()].is_object(), !outcome.status().is_success(), "{outcome:?}");
    }
}

#[test]
fn handshakes_by_other_methods_are_described_and_store_nothing() {
    let document = read();
    for method in ["get", "options"] {
        let operation = &document["paths"]["/in/{source}"][method];
        assert!(operation["requestBody"].is_null(), "{method}");
        let responses = &operation["responses"];
        for outcome in Outcome::all() {
            let line = format!("`{}`: {}", outcome.label(), outcome.title());
            let said = responses[outcome.status().as_str()]["description"].as_str().unwrap_or_default();
            assert_eq!(said.contains(&line), !outcome.is_of_an_event(), "{method}: {outcome:?}");
        }
        assert!(responses["200"]["headers"]["hooklog-position"].is_null() && responses["202"].is_null(), "{method}");
    }
}

#[tokio::test]
async fn every_problem_that_is_sent_fits_the_documents_schema() {
    let document = read();
    let schema = Schema::compile(&document["components"]["schemas"]["Problem"]).unwrap();
    let mut sent: Vec<Refused> = Outcome::all().into_iter().map(Refused::from).collect();
    sent.retain(|refused| !refused.outcome.status().is_success());
    let pointer = Pointer::of(&format!("/\"quoted\\\u{7}/é{}", "x".repeat(Pointer::LIMIT)));
    sent.push(Refused { outcome: Outcome::SchemaRefused, pointer: Some(pointer.clone()) });
    for refused in sent {
        let told = refused.pointer.clone();
        let response = problem(refused, Patience { seconds: 2 }, &Random::seeded(3));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(schema.differs(&body), None, "{body}");
        assert_eq!(body.get("pointer").and_then(Value::as_str), told.as_ref().map(Pointer::as_str));
    }
    assert!(schema.differs(&serde_json::json!({ "type": "about:blank", "title": "x", "status": 400 })).is_some());
}

#[test]
fn the_page_shows_every_status_and_fetches_nothing() {
    let served = served();
    let paths: Vec<&str> = served.iter().map(|document| document.path).collect();
    assert_eq!(paths, ["/openapi.json", "/openapi"]);
    let page = std::str::from_utf8(&served[1].body).unwrap();
    for outcome in Outcome::all() {
        assert!(page.contains(&format!("<td>{}</td>", outcome.status().as_u16())), "{outcome:?}");
        assert!(page.contains(&format!("<code>{}</code>", outcome.label())), "{outcome:?}");
    }
    for word in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
}
