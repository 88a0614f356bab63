//! The age of a connection: what has become old is closed by an answer that says so, and never without one.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{PATIENCE, github, is_closed, read_answer};
use crate::server::start;

#[tokio::test]
async fn an_old_connections_next_answer_is_its_last() {
    let age = Duration::from_millis(500);
    let server = start("[timeouts]\nage = \"500ms\"").await;
    let begun = Instant::now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answers = 0;
    loop {
        stream.write_all(&github(b"{}")).await.unwrap();
        let answer = read_answer(&mut stream).await.unwrap();
        assert_eq!(answer.status, 200);
        answers += 1;
        if answer.header("connection") == Some("close") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it never becomes old");
    }
    assert!(begun.elapsed() >= age * 9 / 10, "closed after {:?}", begun.elapsed());
    assert!(answers > 1, "closed with its first answer");
    assert!(is_closed(&mut stream).await);
    assert_eq!((server.closed("age"), server.stored()), (1, answers));
}

#[tokio::test]
async fn a_request_that_outlives_its_connections_age_is_answered() {
    let server = start("[timeouts]\nage = \"0s\"").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = github(b"{}");
    stream.write_all(&request[..request.len() - 1]).await.unwrap();
    while !server.has_request_in_hand() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"}").await.unwrap();
    let answer = read_answer(&mut stream).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
}
