//! The spool: 202 only for what is on the disk, order across the fence, nothing twice without a fault, nothing lost with one.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hooklog_disk::{Batch, Direction, Disk, KeyRange, Sync};
use hooklog_kafka::testing::{Fault, Gate, MemoryLog};
use hooklog_schemas::TopicName;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::disk::TestDisk;
use crate::request::{exchange, signed};
use crate::server::{Server, start_spooling};

pub(crate) const QUICK: &str = "[spool]\nafter = \"50ms\"";

/// A log whose topic has four partitions and which answers nobody until the gate is opened.
pub(crate) fn away() -> (MemoryLog, Gate) {
    let topic = TopicName::parse("hooks.github").unwrap();
    let (log, gate) = (MemoryLog::new().with_topic(&topic, NonZeroU32::new(4).unwrap()), Gate::default());
    log.always(Some(Fault::Queued(gate.clone())));
    (log, gate)
}

pub(crate) fn comes_back(log: &MemoryLog, gate: &Gate) {
    log.always(None);
    gate.open();
}

/// The `n`th event of a repository, whose events keep their order.
pub(crate) fn event(repository: u32, n: u32) -> Vec<u8> {
    let body = format!("{{\"repository\":{{\"id\":{repository}}},\"n\":{n}}}");
    signed("github", "github", &format!("{repository}-{n}"), body.as_bytes())
}

/// The ids of a repository's events, as the log has them.
pub(crate) fn ids(server: &Server, repository: u32) -> Vec<String> {
    let of = |id: &str| id.starts_with(&format!("{repository}-"));
    let ids = server
        .records()
        .into_iter()
        .map(|record| String::from_utf8_lossy(record.headers.get("ce_id").unwrap()).into_owned());
    ids.filter(|id| of(id)).collect()
}

#[tokio::test]
async fn a_record_whose_log_is_away_is_spooled_and_reaches_it_once() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    let server = start_spooling(QUICK, log.clone(), disk.opener()).await;
    let start = Instant::now();
    let answer = exchange(&server, &event(1, 0)).await;
    assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
    assert_eq!((answer.status, answer.header("hooklog-durability")), (202, Some("spool")));
    assert_eq!((answer.header("hooklog-position"), server.outcome("spooled")), (None, 1));
    assert_eq!(
        (disk.store.synced_writes(), server.stored()),
        (disk.store.writes(), 0),
        "all that was written was synced"
    );
    comes_back(&log, &gate);
    let answer = server.until(|status| status == 200, &event(1, 1)).await;
    assert_eq!(answer.header("hooklog-durability"), Some("log"));
    assert_eq!(ids(&server, 1)[0], "1-0");
    assert_eq!(ids(&server, 1).iter().filter(|id| *id == "1-0").count(), 1, "the copy was passed over");
}

#[tokio::test]
async fn behind_a_spooled_record_all_of_its_partition_is_spooled_and_order_holds() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    let server = start_spooling(QUICK, log.clone(), disk.opener()).await;
    assert_eq!(exchange(&server, &event(1, 0)).await.status, 202);
    for n in 1..20 {
        let start = Instant::now();
        assert_eq!(exchange(&server, &event(1, n)).await.status, 202);
        assert!(start.elapsed() < Duration::from_millis(50), "behind the fence nobody waits for the log");
    }
    comes_back(&log, &gate);
    let mut next = 20;
    while exchange(&server, &event(1, next)).await.status != 200 {
        next += 1;
    }
    server.until_stored(usize::try_from(next).unwrap() + 1).await;
    let expected: Vec<String> = (0..=next).map(|n| format!("1-{n}")).collect();
    assert_eq!(ids(&server, 1), expected);
}

#[tokio::test]
async fn other_partitions_go_on() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    log.always(None);
    log.script([Fault::Queued(gate.clone())]);
    let server = start_spooling(QUICK, log.clone(), disk.opener()).await;
    assert_eq!(exchange(&server, &event(1, 0)).await.status, 202);
    let mut statuses: Vec<u16> = Vec::new();
    for repository in 2..20 {
        statuses.push(exchange(&server, &event(repository, 0)).await.status);
    }
    assert!(
        statuses.contains(&200) && statuses.contains(&202),
        "one partition of four is behind a fence: {statuses:?}"
    );
    gate.open();
    server.until_stored(19).await;
}

#[tokio::test]
async fn what_the_log_reports_as_failed_is_spooled_at_once_and_drained() {
    let ((log, _), disk) = (away(), TestDisk::new());
    log.always(Some(Fault::LostBeforeAppend));
    let server = start_spooling("[spool]\nafter = \"10s\"", log.clone(), disk.opener()).await;
    for n in 0..5 {
        assert_eq!(exchange(&server, &event(1, n)).await.status, 202);
    }
    assert_eq!(server.stored(), 0);
    log.always(None);
    server.until_stored(5).await;
    assert_eq!(ids(&server, 1), ["1-0", "1-1", "1-2", "1-3", "1-4"]);
}

#[tokio::test]
async fn a_source_that_would_rather_be_asked_again_is_not_spooled() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    let settings = "[kafka]\nappend_deadline = \"100ms\"\n[sources.github]\nprovider = \"github\"\nsecrets = [$SECRET]\nwhen_log_away = \"refuse\"";
    let server = start_spooling(settings, log.clone(), disk.opener()).await;
    assert_eq!(exchange(&server, &event(1, 0)).await.status, 503);
    assert_eq!((server.outcome("log_away"), disk.store.writes()), (1, 0));
    comes_back(&log, &gate);
    server.until(|status| status == 200, &event(1, 1)).await;
}

#[tokio::test]
async fn a_full_spool_says_so_and_keeps_what_it_has() {
    for (limit, reason) in [
        ("max_records = 3", "records"),
        ("max_bytes = \"4KiB\"", "bytes"),
        ("max_source_bytes = \"4KiB\"", "source_bytes"),
    ] {
        let ((log, gate), disk) = (away(), TestDisk::new());
        let server = start_spooling(&format!("{QUICK}\n{limit}"), log.clone(), disk.opener()).await;
        let mut taken = 0;
        let refused = loop {
            let answer = exchange(&server, &event(1, taken)).await;
            if answer.status != 202 {
                break answer;
            }
            taken += 1;
            assert!(taken < 1000, "{limit} is no limit");
        };
        assert_eq!((refused.status, server.outcome("spool_full")), (503, 1), "{limit}");
        assert!(refused.header("retry-after").is_some() && taken >= 2, "{limit}: {taken}");
        assert_eq!(server.spool_refused(reason), 1);
        comes_back(&log, &gate);
        server.until(|status| status == 200, &event(2, 0)).await;
        server.until_stored(usize::try_from(taken).unwrap() + 1).await;
        let expected: Vec<String> = (0..taken).map(|n| format!("1-{n}")).collect();
        assert_eq!(ids(&server, 1), expected, "{limit}");
    }
}

#[tokio::test]
async fn a_spool_whose_oldest_record_is_too_old_or_whose_device_is_too_full_takes_no_more() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    let server = start_spooling(&format!("{QUICK}\nmax_age = \"60s\""), log.clone(), disk.opener()).await;
    assert_eq!(exchange(&server, &event(1, 0)).await.status, 202);
    server.hand.advance_ms(61_000);
    let refused = server.until(|status| status == 503, &event(1, 1)).await;
    assert!(refused.header("retry-after").is_some() && server.spool_refused("age") > 0);
    comes_back(&log, &gate);
    server.until(|status| status == 200, &event(1, 2)).await;
    assert_eq!(ids(&server, 1)[0], "1-0", "what is too old is kept, and drained");

    let (log, disk) = (away().0, TestDisk::new());
    let server = start_spooling(&format!("{QUICK}\nreserve = \"1000000GiB\""), log, disk.opener()).await;
    assert_eq!(exchange(&server, &event(1, 0)).await.status, 503);
    assert_eq!((server.spool_refused("device"), disk.store.writes()), (1, 0), "nothing was written");
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_taken_until_all_was_read_again() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    let server = start_spooling(QUICK, log.clone(), disk.opener()).await;
    assert_eq!(exchange(&server, &event(1, 0)).await.status, 202);
    disk.breaks(true);
    let writes = disk.store.writes();
    for n in 1..4 {
        let answer = exchange(&server, &event(1, n)).await;
        assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    }
    assert_eq!((server.outcome("spool_failed"), disk.store.writes()), (3, writes));
    disk.breaks(false);
    server.until(|status| status == 202, &event(1, 4)).await;
    comes_back(&log, &gate);
    server.until(|status| status == 200, &event(1, 5)).await;
    let ids = ids(&server, 1);
    assert_eq!(ids[0], "1-0");
    assert!(ids.contains(&"1-4".to_owned()) && !ids.contains(&"1-1".to_owned()), "{ids:?}");
}

#[tokio::test]
async fn what_a_spool_was_left_with_is_drained_before_anything_new() {
    let ((log, _gate), disk) = (away(), TestDisk::new());
    let first = start_spooling(QUICK, log.clone(), disk.opener()).await;
    for n in 0..10 {
        assert_eq!(exchange(&first, &event(1, n)).await.status, 202);
    }
    // As after `kill -9`: what is with the first edge's client never arrives.
    let (log, gate) = away();
    let second = start_spooling(QUICK, log.clone(), disk.opener()).await;
    let start = Instant::now();
    assert_eq!(exchange(&second, &event(1, 10)).await.status, 202, "behind what was left");
    assert!(start.elapsed() < Duration::from_millis(50));
    comes_back(&log, &gate);
    second.until_stored(11).await;
    let expected: Vec<String> = (0..11).map(|n| format!("1-{n}")).collect();
    assert_eq!(ids(&second, 1), expected);
}

#[tokio::test]
async fn a_record_that_the_log_never_takes_holds_up_nobody() {
    let ((log, _), disk) = (away(), TestDisk::new());
    log.always(Some(Fault::LostBeforeAppend));
    let server = start_spooling(QUICK, log.clone(), disk.opener()).await;
    assert_eq!(exchange(&server, &event(1, 0)).await.status, 202);
    // The next that is handed over is the drain's.
    log.always(Some(Fault::TooLarge));
    server.until(|_| disk.count("aside") == 1, &event(2, 0)).await;
    log.always(None);
    assert_eq!(server.until(|status| status == 200, &event(1, 1)).await.status, 200);
    assert!(!ids(&server, 1).contains(&"1-0".to_owned()));
}

#[tokio::test]
async fn what_is_refused_for_another_is_handed_over_alone_and_stored() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    let server = start_spooling(QUICK, log.clone(), disk.opener()).await;
    for n in 0..4 {
        assert_eq!(exchange(&server, &event(1, n)).await.status, 202);
    }
    // The first reaches the log by itself. The three behind it are one window, which is refused for one of them.
    log.script([Fault::TooLarge, Fault::TooLarge, Fault::TooLarge, Fault::TooLarge]);
    comes_back(&log, &gate);
    server.until(|status| status == 200, &event(1, 4)).await;
    assert_eq!(disk.count("aside"), 1, "only the one that was refused alone");
    let stored: BTreeSet<String> = ids(&server, 1).into_iter().collect();
    assert_eq!(stored, ["1-0", "1-2", "1-3", "1-4"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_damaged_spool_is_reported_and_opened_only_when_that_is_accepted() {
    let ((log, _gate), disk) = (away(), TestDisk::new());
    let first = start_spooling(QUICK, log.clone(), disk.opener()).await;
    for n in 0..5 {
        assert_eq!(exchange(&first, &event(1, n)).await.status, 202);
    }
    disk.damage(1, |value| value.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1));
    disk.remove(3);
    let settings = crate::server::spool_settings();
    let refused = hooklog_ingest::spool::Opened::on(&settings, disk.opener()).err().unwrap().to_string();
    for words in ["1 damaged and 1 missing", "hooks.github/", " 1: the checksum", " 3: missing", "hooklog spool export"]
    {
        assert!(refused.contains(words), "{refused}");
    }
    let (log, gate) = away();
    comes_back(&log, &gate);
    let second = start_spooling(&format!("{QUICK}\naccept_damage = true"), log, disk.opener()).await;
    second.until_stored(3).await;
    assert_eq!(ids(&second, 1), ["1-0", "1-2", "1-4"]);
    second.until(|status| status == 200, &event(1, 5)).await;
    assert_eq!(disk.count("aside"), 1, "what is damaged is kept for a person");
}

#[tokio::test]
async fn a_client_that_gives_up_while_its_record_waits_leaves_the_fence_in_order() {
    let ((log, gate), disk) = (away(), TestDisk::new());
    let server = start_spooling("[spool]\nafter = \"30s\"", log.clone(), disk.opener()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&event(1, 0)).await.unwrap();
    while !server.has_request_in_hand() {
        tokio::task::yield_now().await;
    }
    while gate.held() == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while server.has_request_in_hand() {
        tokio::task::yield_now().await;
    }
    assert_eq!(exchange(&server, &event(1, 1)).await.status, 202, "one is overdue: the log is away");
    comes_back(&log, &gate);
    server.until_stored(2).await;
    assert_eq!(ids(&server, 1), ["1-0", "1-1"]);
}

#[tokio::test]
async fn a_topic_whose_partitions_are_not_known_keeps_its_order_in_one_lane() {
    let (log, disk) = (MemoryLog::new(), TestDisk::new());
    log.always(Some(Fault::LostBeforeAppend));
    let server = start_spooling(QUICK, log.clone().hiding_partitions(true), disk.opener()).await;
    for repository in 1..10 {
        assert_eq!(exchange(&server, &event(repository, 0)).await.status, 202);
    }
    for repository in 1..10 {
        assert_eq!(exchange(&server, &event(repository, 1)).await.status, 202, "all behind the one fence");
    }
    log.always(None);
    let _same = log.clone().hiding_partitions(false);
    server.until_stored(18).await;
    server.until(|status| status == 200, &event(1, 2)).await;
    for repository in 1..10 {
        assert_eq!(ids(&server, repository)[..2], [format!("{repository}-0"), format!("{repository}-1")]);
    }
}

impl TestDisk {
    /// Keys and values of a family.
    fn rows(&self, family: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let range = KeyRange::all();
        let visit = &mut |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        self.store.scan(family, &range, Direction::Forward, visit).unwrap();
        rows
    }

    fn count(&self, family: &str) -> usize {
        self.rows(family).len()
    }

    /// Changes the bytes of the `n`th record.
    fn damage(&self, n: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let (key, mut value) = self.rows("records").swap_remove(n);
        change(&mut value);
        let mut batch = Batch::new();
        batch.put("records", &key, &value);
        self.store.write(&batch, Sync::Synced).unwrap();
    }

    /// Removes the `n`th record.
    fn remove(&self, n: usize) {
        let (key, _) = self.rows("records").swap_remove(n);
        let mut batch = Batch::new();
        batch.delete("records", &key);
        self.store.write(&batch, Sync::Synced).unwrap();
    }
}
