//! Whole runs against a broker: everything once, over duplicates, restarts, changes of the group and poison.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hooklog_kafka::{Admin, Connection};
use hooklog_process::metrics;

use crate::broker::{Log, eventually, expected};

type Made = Arc<Mutex<Vec<(String, String)>>>;

fn distinct(made: &Made) -> (usize, usize) {
    let made = made.lock().unwrap();
    let ids: BTreeSet<_> = made.iter().map(|(id, _)| id).collect();
    let events: BTreeSet<_> = made.iter().map(|(_, event)| event).collect();
    (ids.len(), events.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_counts_once_and_the_offset_is_committed_after_it() {
    let log = Log::start("once").await;
    let (data, made) = (tempfile::tempdir().unwrap(), Made::default());
    log.append((0..500).chain(0..250)).await;
    let mut bank = log.run(data.path(), &made);
    bank.ready().await;
    log.append((500..800).chain(400..600)).await;
    eventually("all events counted", || async { log.counts(data.path()) == expected(0..800) }).await;
    eventually("all offsets committed", || async { log.committed().await == 1250 }).await;
    eventually("ready", || async { bank.health.readiness().is_empty() }).await;
    assert_eq!(distinct(&made), (800, 800));
    let shown = metrics::text(&bank.registry).unwrap();
    let sum_of = |name: &str| -> f64 {
        let lines = shown.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let duplicates = shown.lines().filter(|line| line.contains("outcome=\"duplicate\""));
    let duplicates: u64 = duplicates.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(duplicates, 450);
    assert!((sum_of("hooklog_consumer_records_total") - 1250.0).abs() < 0.5, "outcomes add up to what was read");
    bank.stop().await.unwrap();
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_where_it_was() {
    let log = Log::start("restart").await;
    let (data, made) = (tempfile::tempdir().unwrap(), Made::default());
    for round in 0..3u32 {
        let mut bank = log.run(data.path(), &made);
        bank.ready().await;
        log.append(round * 100..round * 100 + 150).await;
        eventually("events counted", || async { log.counts(data.path()) == expected(0..round * 100 + 150) }).await;
        let all = usize::try_from(round).unwrap() * 100 + 150;
        eventually("effects made", || async { distinct(&made).1 == all }).await;
        bank.stop().await.unwrap();
    }
    assert_eq!(log.committed().await, 450, "stopping commits");
    assert_eq!(distinct(&made), (350, 350), "an effect was made under two ids");
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_between_members_without_loss_or_double_effects() {
    let log = Log::start("move").await;
    let (first_data, second_data, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Made::default());
    let mut first = log.run(first_data.path(), &made);
    first.ready().await;
    log.append(0..300).await;
    eventually("first counts", || async { log.counts(first_data.path()) == expected(0..300) }).await;
    let mut second = log.run(second_data.path(), &made);
    second.ready().await;
    log.append(300..600).await;
    eventually("effects made by both", || async { distinct(&made).1 == 600 }).await;
    first.stop().await.unwrap();
    log.append(600..900).await;
    // The second owns all partitions now. It rebuilt what the first had done from the log, without its effects.
    eventually("second counts", || async { log.counts(second_data.path()) == expected(0..900) }).await;
    eventually("effects", || async { distinct(&made).1 == 900 }).await;
    assert_eq!(distinct(&made), (900, 900), "an effect was made under two ids");
    assert_eq!(made.lock().unwrap().len(), 900, "an orderly move repeats no effect");
    second.stop().await.unwrap();
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_set_aside_and_the_rest_goes_on() {
    let log = Log::start("poison").await;
    let (data, made) = (tempfile::tempdir().unwrap(), Made::default());
    log.append(0..20).await;
    for poison in [&b"junk"[..], b"", b"\xC3\x01short"] {
        log.append_raw(Some(b"k1"), poison).await.unwrap();
    }
    log.append(20..40).await;
    let mut bank = log.run(data.path(), &made);
    bank.ready().await;
    eventually("the rest is counted", || async { log.counts(data.path()) == expected(0..40) }).await;
    eventually("all committed", || async { log.committed().await == 43 }).await;
    bank.stop().await.unwrap();
    let admin = Admin::new(&Connection::plain(&log.bootstrap, "test")).unwrap();
    let dead = hooklog_schemas::TopicName::dead_letters_of(&log.group).unwrap();
    let within = std::time::Duration::from_secs(10);
    let bounds =
        tokio::task::spawn_blocking(move || admin.watermarks(&dead, hooklog_schemas::Partition(0), within)).await;
    assert_eq!(bounds.unwrap().unwrap().end.0, 3);
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_of_another_log_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let made = Made::default();
    let log = Log::start("first").await;
    log.append(0..10).await;
    let mut bank = log.run(data.path(), &made);
    bank.ready().await;
    eventually("counted", || async { log.counts(data.path()) == expected(0..10) }).await;
    bank.stop().await.unwrap();
    // The same names on a log that has none of those records.
    let mut other = Log::start("second").await;
    if other.bootstrap == log.bootstrap {
        return;
    }
    other.impersonate(&log).await;
    let error = other.run(data.path(), &made).ended().await.unwrap_err();
    assert!(error.to_string().contains("hooklog dev --reset"), "{error}");
    log.stop().await;
    other.stop().await;
}
