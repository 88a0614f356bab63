//! Shutdown: what was begun is finished, what is idle is closed, nothing new is begun.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{PATIENCE, github, is_closed, read_answer};
use crate::server::start;

#[tokio::test]
async fn a_request_in_flight_is_finished_and_idle_connections_are_closed() {
    let mut server = start("").await;
    let request = github(b"{}");
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(&request).await.unwrap();
    assert_eq!(read_answer(&mut idle).await.unwrap().status, 200);
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(&request[..request.len() - 1]).await.unwrap();
    while server.outcomes() == 0 || !server.has_request_in_hand() {
        tokio::task::yield_now().await;
    }

    server.shutdown.request();
    assert!(is_closed(&mut idle).await);
    busy.write_all(b"}").await.unwrap();
    let answer = read_answer(&mut busy).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "work that was let in was dropped");
    assert!(is_closed(&mut busy).await);
    drop(busy);
    tokio::time::timeout(PATIENCE, &mut server.served).await.expect("the edge did not end").unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "the edge still listens");
    assert_eq!(server.records().len(), 2);
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let mut server = start("drain = \"200ms\"").await;
    let request = github(b"{}");
    let mut stuck = TcpStream::connect(server.address).await.unwrap();
    stuck.write_all(&request[..request.len() - 1]).await.unwrap();
    while !server.has_request_in_hand() {
        tokio::task::yield_now().await;
    }
    server.shutdown.request();
    tokio::time::timeout(PATIENCE, &mut server.served)
        .await
        .expect("one stuck client kept the edge alive")
        .unwrap()
        .unwrap();
}
