//! Slow clients: each phase of a connection has a deadline of its own, and a client that keeps them all is served.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{github, is_closed, read_answer};
use crate::server::{Server, start};

const QUICK: &str = "[timeouts]\nfirst_byte = \"300ms\"\nheaders = \"300ms\"\nidle = \"300ms\"\nbody = \"2s\"\nbody_grace = \"300ms\"\nbody_rate = \"1KiB\"\nwrite = \"200ms\"";

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = start(QUICK).await;
    let mut stream = connect(&server).await;
    assert!(is_closed(&mut stream).await);
    assert_eq!((server.closed("first_byte"), server.outcomes()), (1, 0));
}

#[tokio::test]
async fn headers_that_do_not_end_are_cut_even_if_bytes_keep_coming() {
    let server = start(QUICK).await;
    let mut stream = connect(&server).await;
    let start = Instant::now();
    let mut sent = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while stream.write_all(b"P").await.is_ok() && sent < 200 {
        sent += 1;
        ticks.tick().await;
    }
    assert!(sent < 200, "the edge listened for {:?}", start.elapsed());
    assert_eq!(server.closed("headers"), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_last_answer() {
    let server = start(QUICK).await;
    let mut stream = connect(&server).await;
    stream.write_all(&github(b"{}")).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
    assert!(is_closed(&mut stream).await);
    assert_eq!(server.closed("idle"), 1);
}

#[tokio::test]
async fn a_body_that_stops_is_answered_with_408_and_closed() {
    let server = start(QUICK).await;
    let mut stream = connect(&server).await;
    let request = github(b"{\"never\":\"ends\"}");
    stream.write_all(&request[..request.len() - 5]).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 408);
    assert!(is_closed(&mut stream).await);
    assert_eq!((server.outcome("slow_client"), server.stored()), (1, 0));
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_and_one_that_flows_is_not() {
    let server = start(QUICK).await;
    let whole = github(&[b'x'; 4096]);
    let head = whole.len() - 4096;
    for (step, every, status) in [(1, 50, 408), (512, 100, 200)] {
        let mut stream = connect(&server).await;
        stream.write_all(&whole[..head]).await.unwrap();
        let mut ticks = tokio::time::interval(Duration::from_millis(every));
        for piece in whole[head..].chunks(step) {
            ticks.tick().await;
            if stream.write_all(piece).await.is_err() {
                break;
            }
            if server.outcomes() > 0 && status == 408 {
                break;
            }
        }
        assert_eq!(read_answer(&mut stream).await.unwrap().status, status, "{step} bytes every {every} ms");
    }
}

#[tokio::test]
async fn a_body_that_flows_for_too_long_is_cut() {
    let server = start("[timeouts]\nbody = \"600ms\"\nbody_grace = \"400ms\"\nbody_rate = \"1KiB\"").await;
    let whole = github(&[b'x'; 1 << 16]);
    let (mut stream, begun) = (connect(&server).await, Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    // 50 KiB a second: fifty times the lowest rate.
    for piece in whole.chunks(1024) {
        ticks.tick().await;
        if server.outcomes() > 0 || stream.write_all(piece).await.is_err() {
            break;
        }
    }
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 408);
    assert!(begun.elapsed() >= Duration::from_millis(600), "cut after {:?}", begun.elapsed());
    assert_eq!((server.outcome("slow_client"), server.stored()), (1, 0));
}

#[tokio::test]
async fn a_client_that_goes_away_amid_its_body_is_counted() {
    let server = start(QUICK).await;
    let mut stream = connect(&server).await;
    let request = github(b"{\"never\":\"ends\"}");
    stream.write_all(&request[..request.len() - 5]).await.unwrap();
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.outcome("client_gone") + server.outcome("slow_client") == 0 {
        assert!(Instant::now() < deadline, "the request never ended");
        tokio::task::yield_now().await;
    }
    assert_eq!(server.stored(), 0);
}

#[tokio::test]
async fn an_answer_that_is_not_read_closes_the_connection() {
    let server = start(QUICK).await;
    let stream = connect(&server).await;
    let (_unread, mut writer) = stream.into_split();
    let request = github(b"{}");
    let deadline = Instant::now() + Duration::from_secs(60);
    // Answers pile up in the sockets' buffers until the edge can't write any more.
    while server.closed("write") == 0 {
        assert!(Instant::now() < deadline, "the edge waits for ever with an unread answer");
        let sent = tokio::time::timeout(Duration::from_millis(100), writer.write_all(&request)).await;
        if matches!(sent, Ok(Err(_))) {
            break;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.closed("write") == 0 {
        assert!(Instant::now() < deadline, "closed, but not for the unread answer");
        tokio::task::yield_now().await;
    }
}
