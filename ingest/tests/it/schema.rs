//! Schemas: what differs is refused with its place or stored with a mark, what has none passes, and what can't be used is refused at the
//! start.

use std::path::Path;

use hooklog_ingest::source::Sources;
use hooklog_ingest::validate::folder::COUNT_LIMIT;
use hooklog_kafka::testing::{Fault, Gate, MemoryLog};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::disk::TestDisk;
use crate::request::{Answer, exchange, read_answer, signed};
use crate::server::{self, Server, start, start_spooling};

/// A charge has an amount; every other type is an object with an id.
const SCHEMAS: &[(&str, &str)] = &[
    ("charge.succeeded.json", r#"{"required":["data"],"properties":{"data":{"$ref":"parts/money.json"}}}"#),
    ("parts/money.json", r#"{"required":["amount"],"properties":{"amount":{"type":"integer","minimum":1}}}"#),
    ("a%2Fb.json", r#"{"properties":{"n":{"const":1}}}"#),
    ("notes.txt", "no schema"),
];

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn source(schemas: &Path, more: &str) -> String {
    let dir = schemas.display().to_string();
    format!("[sources.stripe]\nprovider = \"stripe\"\nsecrets = [$SECRET]\nschema = {{ dir = {dir:?}, {more} }}")
}

fn event(kind: &str, rest: &str) -> String {
    format!("{{\"id\":\"evt_1\",\"type\":\"{kind}\"{rest}}}")
}

async fn send(server: &Server, body: &str) -> Answer {
    exchange(server, &signed("stripe", "stripe", "evt_1", body.as_bytes())).await
}

fn counted(server: &Server) -> [u64; 3] {
    ["valid", "invalid", "skipped"].map(|result| server.schema(result))
}

#[tokio::test]
async fn enforced_schemas_refuse_what_differs_with_its_place_and_keep_the_connection() {
    let schemas = folder(SCHEMAS);
    let server = start(&source(schemas.path(), "mode = \"enforce\"")).await;
    assert_eq!(counted(&server), [0, 0, 0]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let long = format!(r#","data":{{"amount":"{}"}}"#, "canary".repeat(100));
    for (body, pointer) in [
        (event("charge.succeeded", r#","data":{"amount":7}"#), None),
        (event("charge.succeeded", r#","data":{"amount":0}"#), Some("/data/amount")),
        (event("charge.succeeded", &long), Some("/data/amount")),
        (event("charge.succeeded", r#","data":{}"#), Some("/data")),
        (event("charge.succeeded", ""), Some("")),
        (event("a/b", r#","n":2"#), Some("/n")),
        (event("refund.created", ""), None),
    ] {
        stream.write_all(&signed("stripe", "stripe", "evt_1", body.as_bytes())).await.unwrap();
        let answer = read_answer(&mut stream).await.expect("the connection is kept");
        let Some(pointer) = pointer else {
            assert_eq!(answer.status, 200, "{body}");
            continue;
        };
        assert_eq!((answer.status, answer.header("content-type")), (422, Some("application/problem+json")), "{body}");
        assert_eq!((answer.header("connection"), answer.header("hooklog-position")), (None, None));
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&problem["pointer"], &problem["status"]), (&pointer.into(), &422.into()), "{body}");
        assert!(!answer.body.contains("canary") && answer.body.len() < 512, "{}", answer.body);
    }
    assert_eq!((server.stored(), server.outcome("schema_refused")), (2, 5));
    assert_eq!(counted(&server), [1, 5, 1]);
}

#[tokio::test]
async fn a_body_that_is_no_json_differs() {
    let schemas = folder(&[("default.json", "true")]);
    let server = start(&source(schemas.path(), "mode = \"enforce\"")).await;
    for body in ["", "payload=%7B%7D", "{\"id\":1", "\u{feff}{}", "{}x"] {
        let answer = send(&server, body).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.body.contains("\"pointer\":\"\""), "{}", answer.body);
    }
    assert_eq!((server.stored(), counted(&server)), (0, [0, 5, 0]));
}

#[tokio::test]
async fn observed_schemas_store_what_differs_with_a_mark_and_good_records_without() {
    let schemas = folder(SCHEMAS);
    let server = start(&source(schemas.path(), "mode = \"observe\"")).await;
    let bodies = [
        (event("charge.succeeded", r#","data":{"amount":7}"#), None),
        (event("charge.succeeded", r#","data":{"amount":"7"}"#), Some(&b"invalid"[..])),
        ("no JSON".to_owned(), None),
    ];
    for (body, _) in &bodies {
        assert_eq!(send(&server, body).await.status, 200, "{body}");
    }
    let records = server.records();
    assert_eq!(records.len(), bodies.len());
    for (record, (body, mark)) in records.iter().zip(&bodies) {
        assert_eq!(record.headers.get("hooklog-schema").map(AsRef::as_ref), *mark, "{body}");
        let value = record.value.as_ref().unwrap();
        assert!(value.windows(body.len()).any(|piece| piece == body.as_bytes()), "the body is stored as it came");
    }
    assert_eq!(counted(&server), [1, 1, 1]);
}

#[tokio::test]
async fn a_mark_outlasts_the_spool() {
    let schemas = folder(&[("default.json", "false")]);
    let (log, gate, disk) = (MemoryLog::new(), Gate::default(), TestDisk::new());
    log.always(Some(Fault::Queued(gate.clone())));
    let spooling = format!("{}\nwhen_log_away = \"spool\"", source(schemas.path(), "mode = \"observe\""));
    let server = start_spooling(&format!("[spool]\nafter = \"50ms\"\n{spooling}"), log.clone(), disk.opener()).await;
    assert_eq!(send(&server, &event("x", "")).await.status, 202);
    log.always(None);
    gate.open();
    server.until_stored(1).await;
    assert_eq!(server.records()[0].headers.get("hooklog-schema").map(AsRef::as_ref), Some(&b"invalid"[..]));
}

#[tokio::test]
async fn what_is_too_large_for_a_look_is_stored_and_counted() {
    let schemas = folder(&[("default.json", "false")]);
    let limited = source(schemas.path(), "mode = \"enforce\", max_bytes = \"64B\"");
    let server = start(&format!("[limits]\nschema_bytes = \"1B\"\n{limited}")).await;
    let fits = event("x", &" ".repeat(64 - event("x", "").len()));
    assert_eq!(send(&server, &fits).await.status, 422);
    assert_eq!(send(&server, &format!("{fits} ")).await.status, 200);
    assert_eq!(counted(&server), [0, 1, 1]);
}

#[tokio::test]
async fn a_limit_of_all_sources_holds_for_those_that_set_none() {
    let schemas = folder(&[("default.json", "false")]);
    let server =
        start(&format!("[limits]\nschema_bytes = \"1B\"\n{}", source(schemas.path(), "mode = \"enforce\""))).await;
    assert_eq!(send(&server, "{}").await.status, 200);
    assert_eq!(counted(&server), [0, 0, 1]);
}

#[tokio::test]
async fn nothing_unverified_is_looked_at() {
    let schemas = folder(&[("default.json", "false")]);
    let server = start(&source(schemas.path(), "mode = \"enforce\"")).await;
    let forged = String::from_utf8(signed("stripe", "stripe", "evt_1", b"{}")).unwrap().replace("{}", "[]");
    assert_eq!(exchange(&server, forged.as_bytes()).await.status, 401);
    assert_eq!(counted(&server), [0, 0, 0]);
}

fn refused(files: &[(&str, &str)]) -> String {
    let schemas = folder(files);
    std::os::unix::fs::symlink("/etc/hostname", schemas.path().join("outside")).unwrap();
    let config = server::config(schemas.path(), &source(schemas.path(), "mode = \"observe\""));
    Sources::build(&config).map(drop).unwrap_err().to_string()
}

#[test]
fn a_folder_that_can_not_be_used_is_refused_with_file_and_mend() {
    let many: Vec<(String, &str)> = (0..=COUNT_LIMIT).map(|n| (format!("{n}.json"), "{}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    for (files, words) in [
        (&[][..], &["holds no schema", "default.json"][..]),
        (&many, &["more than 1024", "default.json"]),
        (&[("a.json", &large)], &["a.json", "more than 1048576 bytes"]),
        (&[("a.json", "{")], &["a.json", "no JSON", "line 1"]),
        (&[("a.json", r#"{"type":"obejct"}"#)], &["a.json", "/type", "obejct"]),
        (&[("p%75sh.json", "{}")], &["p%75sh.json", "push.json"]),
        (
            &[("a.json", r#"{"$ref":"http://example.com/b.json"}"#)],
            &["a.json", "http://example.com/b.json", "put a copy there"],
        ),
        (&[("a.json", r#"{"items":{"$ref":"b.json"}}"#)], &["a.json", "b.json", "No such file"]),
        (&[("a.json", r#"{"$ref":"outside"}"#)], &["a.json", "outside", "put a copy there"]),
        (&[("a.json", r#"{"$ref":"../../../../etc/hostname"}"#)], &["a.json", "etc/hostname", "No such file"]),
    ] {
        let error = refused(files);
        assert!(error.starts_with("source \"stripe\": the schema"), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} are not all in: {error}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let config = server::config(home.path(), &source(Path::new("/nonexistent/schemas"), "mode = \"observe\""));
    let error = Sources::build(&config).map(drop).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/schemas can't be read") && error.contains("started in"), "{error}");
}
