//! `hooklog spool` beside an edge's spool on a real disk: what it says, what it saves, what it finds.

use std::path::Path;

use hooklog_ingest::config::Config;
use hooklog_ingest::lane::LaneId;
use hooklog_ingest::spool::metrics::SpoolMetrics;
use hooklog_ingest::spool::shelf::{Entry, SetAside};
use hooklog_ingest::spool::{Opened, Spool, record};
use hooklog_kafka::Outgoing;
use hooklog_process::clock::Clock;
use hooklog_process::metrics::Registry;
use hooklog_schemas::{Partition, SourceName, Timestamp, TopicName};
use serde_json::Value;

use crate::program::hooklog;

/// An edge's spool in this folder, open.
fn open(folder: &Path) -> Spool {
    let mut config = Config::defaults().unwrap();
    config.spool.dir = folder.to_owned();
    let metrics = SpoolMetrics::register(&Registry::new()).unwrap();
    Opened::in_folder(&config.spool.settings().unwrap()).unwrap().start(Clock::system(), metrics, |_| {}).unwrap()
}

fn lane(partition: i32) -> LaneId {
    LaneId { topic: TopicName::parse("hooks.github").unwrap(), partition: Some(Partition(partition)) }
}

fn bytes(n: u32) -> Vec<u8> {
    let (topic, id) = (TopicName::parse("hooks.github").unwrap(), format!("delivery-{n}"));
    let headers: &[(&str, &[u8])] = &[("ce_id", id.as_bytes())];
    let record = Outgoing {
        topic: &topic,
        partition: None,
        key: Some(b"acme/widget"),
        value: b"an envelope",
        headers,
        timestamp: Some(Timestamp(5)),
    };
    record::encode(&record, &SourceName::parse("github").unwrap(), Timestamp(1_700_000_000_000))
}

/// The `n`th record, for this partition.
fn entry(partition: i32, n: u32) -> Entry {
    Entry { lane: lane(partition), count: None, bytes: bytes(n) }
}

/// Three records in one partition, one in another, and one set aside; then the edge is stopped.
async fn filled(folder: &Path) {
    let spool = open(folder);
    for n in 0..4 {
        spool.put(entry(0, n)).await.unwrap();
    }
    spool.put(entry(5, 4)).await.unwrap();
    let aside = vec![SetAside { number: 0, reason: "too large".to_owned() }];
    spool.trim(lane(0), 1, aside).await.unwrap();
    spool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_lane_by_lane_also_while_an_edge_has_it() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let spool = open(folder.path());
    let dir = folder.path().to_str().unwrap();
    let said = hooklog(["spool", "status", "--dir", dir]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.starts_with("4 records, ") && said.out.contains("1 set aside, 0 damaged, 0 missing"),
        "{}",
        said.out
    );
    let status: Value = serde_json::from_str(&hooklog(["spool", "status", "--dir", dir, "--json"]).out).unwrap();
    assert_eq!((&status["records"], &status["aside"]), (&4.into(), &1.into()));
    assert_eq!((&status["lanes"][0]["records"], &status["lanes"][1]["partition"]), (&3.into(), &5.into()));
    let refused = hooklog(["spool", "discard", "--dir", dir, "--aside"]);
    assert!(refused.code == 1 && refused.err.contains("in use"), "{}", refused.err);
    spool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_exported_with_its_place_and_why_it_was_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let (dir, file) = (folder.path().to_str().unwrap(), folder.path().join("out.jsonl"));
    let said = hooklog(["spool", "export", "--dir", dir, "--to", file.to_str().unwrap()]);
    assert_eq!((said.code, said.err.trim()), (0, "5 records exported, 0 could not be read"));
    let lines: Vec<Value> =
        std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = lines.iter().map(|line| line["headers"][0][1].as_str().unwrap()).collect();
    assert_eq!(ids, ["delivery-1", "delivery-2", "delivery-3", "delivery-4", "delivery-0"]);
    assert_eq!(
        (&lines[0]["number"], &lines[0]["key"], &lines[0]["source"]),
        (&1.into(), &"acme/widget".into(), &"github".into())
    );
    assert_eq!((&lines[4]["aside"], &lines[4]["timestamp_ms"]), (&"too large".into(), &5.into()));
    let again = hooklog(["spool", "export", "--dir", dir, "--to", file.to_str().unwrap()]);
    assert!(again.code == 74 && again.err.contains("exists"), "{}", again.err);
    let removed = hooklog(["spool", "discard", "--dir", dir, "--aside"]);
    assert_eq!((removed.code, removed.out.trim()), (0, "1 records removed"));
    let status: Value = serde_json::from_str(&hooklog(["spool", "status", "--dir", dir, "--json"]).out).unwrap();
    assert_eq!((&status["records"], &status["aside"]), (&4.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_spool_verifies_and_none_is_told_from_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let dir = folder.path().to_str().unwrap();
    let said = hooklog(["spool", "verify", "--dir", dir]);
    assert_eq!((said.code, said.out.trim()), (0, "4 records, all of them whole"));
    let nothing = hooklog(["spool", "status", "--dir", "/nonexistent/spool"]);
    assert!(nothing.code == 1 && nothing.err.contains("--dir"), "{}", nothing.err);
}
