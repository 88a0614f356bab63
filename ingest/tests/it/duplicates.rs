//! The window of duplicates and the answers of a source: a copy is told what the first was told, and is stored once.

use std::num::NonZeroU32;

use hooklog_kafka::testing::{Fault, Gate, MemoryLog};
use hooklog_schemas::TopicName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::disk::TestDisk;
use crate::request::{Answer, exchange, read_answer, signed, signed_with};
use crate::server::{Server, start, start_spooling, start_with};

const WINDOW: &str = "[sources.github]\nprovider = \"github\"\nsecrets = [$SECRET]\nduplicates = \"10m\"\n";

async fn send(server: &Server, id: &str) -> Answer {
    exchange(server, &signed("github", "github", id, b"{}")).await
}

#[tokio::test]
async fn a_copy_within_the_window_is_answered_like_the_first_and_not_stored() {
    let server = start(&format!("{WINDOW}scheme = {{ reply = {{ status = 201, body = \"ok\" }} }}")).await;
    let first = send(&server, "1").await;
    assert_eq!((first.status, first.header("hooklog-durability")), (201, Some("log")));
    for _ in 0..3 {
        let copy = send(&server, "1").await;
        assert_eq!((copy.status, copy.body.as_str()), (201, "ok"));
        assert_eq!((copy.header("hooklog-durability"), copy.header("hooklog-position")), (Some("duplicate"), None));
    }
    assert_eq!((server.stored(), server.outcome("appended"), server.outcome("duplicate")), (1, 1, 3));
    assert_eq!(send(&server, "2").await.header("hooklog-durability"), Some("log"));
}

#[tokio::test]
async fn a_copy_keeps_its_connection() {
    let server = start(WINDOW).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(&signed("github", "github", "1", b"{}")).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
    }
    assert_eq!(server.outcome("duplicate"), 2);
}

#[tokio::test]
async fn after_the_window_and_without_one_every_copy_is_stored() {
    let server = start(WINDOW).await;
    send(&server, "1").await;
    server.hand.advance_ms(600_000);
    assert_eq!(send(&server, "1").await.header("hooklog-durability"), Some("duplicate"), "the window has its end");
    server.hand.advance_ms(1);
    assert_eq!(send(&server, "1").await.header("hooklog-durability"), Some("log"));
    assert_eq!(send(&server, "1").await.header("hooklog-durability"), Some("duplicate"), "a new window began");
    let server = start("").await;
    send(&server, "1").await;
    send(&server, "1").await;
    assert_eq!((server.stored(), server.outcome("duplicate")), (2, 0), "it is off unless asked for");
}

#[tokio::test]
async fn one_sources_ids_are_not_anothers() {
    let other = WINDOW.replace("sources.github", "sources.other");
    let server = start(&format!("{WINDOW}{other}")).await;
    for source in ["github", "other", "github", "other"] {
        exchange(&server, &signed("github", source, "1", b"{}")).await;
    }
    assert_eq!((server.stored(), server.outcome("duplicate")), (2, 2));
}

#[tokio::test]
async fn no_more_ids_are_remembered_than_allowed_and_the_oldest_go_first() {
    let server = start(&format!("[limits]\nduplicate_ids = 3\n{WINDOW}")).await;
    for id in ["1", "2", "3", "4"] {
        send(&server, id).await;
    }
    let ids = |what: &str| server.sum(&format!("what=\"{what}\""), "hooklog_ingest_duplicate_ids{");
    assert_eq!((ids("held"), ids("limit")), (3, 3));
    assert_eq!(server.sum("", "hooklog_ingest_duplicate_ids_dropped_total"), 1);
    for (id, durability) in [("2", "duplicate"), ("3", "duplicate"), ("4", "duplicate"), ("1", "log")] {
        assert_eq!(send(&server, id).await.header("hooklog-durability"), Some(durability), "{id}");
    }
}

#[tokio::test]
async fn what_was_not_stored_or_not_verified_is_not_remembered() {
    let (log, gate) = (MemoryLog::new(), Gate::default());
    log.always(Some(Fault::Slow(gate.clone())));
    let server = start_with(&format!("[kafka]\nappend_deadline = \"100ms\"\n{WINDOW}"), log.clone()).await;
    assert_eq!(send(&server, "1").await.status, 503);
    log.always(None);
    gate.open();
    let forged = signed_with("a stranger's guess, long enough", "github", "github", "2", b"{}");
    assert_eq!(exchange(&server, &forged).await.status, 401);
    for id in ["1", "2"] {
        let answer = server.until(|status| status == 200, &signed("github", "github", id, b"{}")).await;
        assert_eq!(answer.header("hooklog-durability"), Some("log"), "{id}");
    }
    let known = signed_with("a stranger's guess, long enough", "github", "github", "1", b"{}");
    assert_eq!(exchange(&server, &known).await.status, 401, "what is known is told to whoever can prove himself");
}

#[tokio::test]
async fn first_copies_at_the_same_time_are_both_stored() {
    let (log, gate) = (MemoryLog::new(), Gate::default());
    log.always(Some(Fault::Slow(gate.clone())));
    let server = start_with(&format!("[kafka]\nappend_deadline = \"15s\"\n{WINDOW}"), log.clone()).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&signed("github", "github", "1", b"{}")).await.unwrap();
        streams.push(stream);
    }
    while gate.held() < 2 {
        tokio::task::yield_now().await;
    }
    gate.open();
    for mut stream in streams {
        let answer = read_answer(&mut stream).await.unwrap();
        assert_eq!((answer.status, answer.header("hooklog-durability")), (200, Some("log")));
    }
    assert_eq!(send(&server, "1").await.header("hooklog-durability"), Some("duplicate"));
}

fn away() -> MemoryLog {
    let log = MemoryLog::new().with_topic(&TopicName::parse("hooks.github").unwrap(), NonZeroU32::MIN);
    log.always(Some(Fault::Queued(Gate::default())));
    log
}

#[tokio::test]
async fn what_is_in_the_spool_is_stored() {
    let disk = TestDisk::new();
    let server = start_spooling(&format!("[spool]\nafter = \"50ms\"\n{WINDOW}"), away(), disk.opener()).await;
    assert_eq!(send(&server, "1").await.status, 202);
    let copy = send(&server, "1").await;
    assert_eq!((copy.status, copy.header("hooklog-durability")), (200, Some("duplicate")));
    assert_eq!((server.outcome("spooled"), server.outcome("duplicate")), (1, 1));
}

#[tokio::test]
async fn a_source_chooses_its_answer_and_202_stands_only_for_what_nobody_chose() {
    for (reply, by_log, by_spool, body, media) in [
        ("", 200, 202, "", None),
        ("status = 204", 204, 204, "", None),
        ("status = 200", 200, 200, "", None),
        ("body = \"[accepted]\"", 200, 202, "[accepted]", Some("text/plain; charset=utf-8")),
        (
            "status = 201, body = \"{\\\"ok\\\":true}\", content_type = \"application/json\"",
            201,
            201,
            "{\"ok\":true}",
            Some("application/json"),
        ),
    ] {
        let settings = format!(
            "[spool]\nafter = \"50ms\"\n[sources.github]\nprovider = \"github\"\nsecrets = [$SECRET]\nscheme = {{ reply = {{ {reply} }} }}"
        );
        for (log, status, durability) in [(MemoryLog::new(), by_log, "log"), (away(), by_spool, "spool")] {
            let server = start_spooling(&settings, log, TestDisk::new().opener()).await;
            let answer = send(&server, "1").await;
            assert_eq!((answer.status, answer.header("hooklog-durability")), (status, Some(durability)), "{reply}");
            assert_eq!((answer.body.as_str(), answer.header("content-type")), (body, media), "{reply}");
        }
    }
}

#[test]
fn an_answer_that_is_no_success_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for reply in ["status = 302", "status = 500", "status = 204, body = \"x\"", "content_type = \"a\\nb\""] {
        let source = format!("[sources.forms]\nprovider = \"none\"\nscheme = {{ reply = {{ {reply} }} }}");
        let config = crate::server::config(folder.path(), &source);
        let error = hooklog_ingest::source::Sources::build(&config).err().unwrap().to_string();
        assert!(error.contains("reply."), "{reply}: {error}");
    }
}
