//! When the log is away: no 2xx without an acknowledgement, an answer within the edge's own deadline, and work again when it is back.

use std::time::{Duration, Instant};

use hooklog_kafka::testing::{Fault, Gate, MemoryLog};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{exchange, github, read_answer};
use crate::server::{start, start_with};

const QUICK: &str = "[kafka]\nappend_deadline = \"200ms\"";

#[tokio::test]
async fn nothing_is_answered_before_the_acknowledgement() {
    let (log, gate) = (MemoryLog::new(), Gate::default());
    log.always(Some(Fault::Slow(gate.clone())));
    let server = start_with("[kafka]\nappend_deadline = \"15s\"", log).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&github(b"{}")).await.unwrap();
    while gate.held() == 0 {
        tokio::task::yield_now().await;
    }
    // Appended, not acknowledged: an answer now would be a promise nobody made.
    let early = tokio::time::timeout(Duration::from_millis(100), read_answer(&mut stream)).await;
    assert!(early.is_err(), "{early:?}");
    gate.open();
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
}

#[tokio::test]
async fn without_an_acknowledgement_the_answer_is_503_within_the_deadline() {
    let (log, gate) = (MemoryLog::new(), Gate::default());
    log.always(Some(Fault::Slow(gate.clone())));
    let server = start_with(QUICK, log.clone()).await;
    let start = Instant::now();
    let answer = exchange(&server, &github(b"{}")).await;
    let took = start.elapsed();
    assert_eq!((answer.status, server.outcome("log_away")), (503, 1));
    assert!(answer.header("retry-after").is_some() && answer.header("hooklog-position").is_none());
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(5), "{took:?}");
    // What is overdue tells that the log is away: the next need not wait to hear it too.
    let start = Instant::now();
    assert_eq!(exchange(&server, &github(b"{}")).await.status, 503);
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    log.always(None);
    gate.open();
    server.until(|answer| answer == 200, &github(b"{}")).await;
}

#[tokio::test]
async fn each_fault_of_the_log_has_its_outcome_and_none_is_2xx() {
    for (fault, outcome) in [
        (Fault::LostBeforeAppend, "log_away"),
        (Fault::AppendedButTimeout, "log_away"),
        (Fault::Full, "overloaded"),
        (Fault::TooLarge, "log_refused"),
        (Fault::Fatal, "log_away"),
    ] {
        let log = MemoryLog::new();
        log.script([fault.clone()]);
        let server = start_with(QUICK, log).await;
        let answer = exchange(&server, &github(b"{}")).await;
        assert_eq!((answer.status, server.outcome(outcome)), (503, 1), "{fault:?}");
        assert!(answer.header("retry-after").is_some(), "{fault:?}");
        assert_eq!(exchange(&server, &github(b"{}")).await.status, 200, "{fault:?} outlived its request");
    }
}

#[tokio::test]
async fn an_event_sent_again_after_503_has_the_same_dedupe_id() {
    let log = MemoryLog::new();
    log.script([Fault::AppendedButTimeout]);
    let server = start_with(QUICK, log).await;
    assert_eq!(exchange(&server, &github(b"{}")).await.status, 503);
    assert_eq!(exchange(&server, &github(b"{}")).await.status, 200);
    let records = server.records();
    let id = |n: usize| records[n].headers.get("hooklog-dedupe-id").map(<[u8]>::to_vec);
    assert_eq!(records.len(), 2);
    assert!(id(0).is_some() && id(0) == id(1));
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_nothing_behind_in_the_edge() {
    let log = MemoryLog::new();
    let gate = Gate::default();
    log.script([Fault::Slow(gate.clone())]);
    let server = start_with("[limits]\nrequests = 1\n[kafka]\nappend_deadline = \"300ms\"", log).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&github(b"{}")).await.unwrap();
    while !server.has_request_in_hand() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.has_request_in_hand() {
        assert!(Instant::now() < deadline, "the request's place was never given back");
        tokio::task::yield_now().await;
    }
    gate.open();
    server.until(|answer| answer == 200, &github(b"{}")).await;
}

#[tokio::test]
async fn many_at_once_are_each_answered_with_their_own_position() {
    let server = start("").await;
    let answers = futures_util::future::join_all((0..50).map(|n| {
        let (server, request) = (&server, github(format!("{{\"n\":{n}}}").as_bytes()));
        async move { exchange(server, &request).await }
    }))
    .await;
    let mut positions: Vec<_> = answers.iter().map(|answer| answer.header("hooklog-position").unwrap()).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!((positions.len(), server.stored()), (50, 50));
}
