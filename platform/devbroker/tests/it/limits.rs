//! Every limit: reached, refused beyond, and the broker goes on.

use std::time::Duration;

use hooklog_devbroker::Limits;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{FetchRequest, GroupId, ListGroupsRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::client::{Client, batch, fetching, plain, producing, text};
use crate::grouping::{commit, committing, joining};
use crate::running::{PATIENCE, start_with};

/// Whether the broker ends the connection (and nothing comes before that).
async fn is_closed(client: &mut Client) -> bool {
    let mut byte = [0];
    matches!(timeout(PATIENCE, client.stream.read(&mut byte)).await.expect("it is closed in time"), Ok(0) | Err(_))
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_closed_one_makes_room() {
    let broker = start_with(Limits { connections: 2, ..Limits::default() });
    let mut first = broker.client().await;
    let mut second = broker.client().await;
    first.call(&ListGroupsRequest::default(), 4).await;
    second.call(&ListGroupsRequest::default(), 4).await;
    assert!(is_closed(&mut broker.client().await).await);
    drop(second);
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let mut next = broker.client().await;
        let correlation = next.send(&ListGroupsRequest::default(), 4).await;
        if next.try_receive::<ListGroupsRequest>(correlation, 4).await.is_ok() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no room was made");
    }
    first.call(&ListGroupsRequest::default(), 4).await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_before_it_is_read() {
    let broker = start_with(Limits { request_bytes: 1_000, ..Limits::default() });
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(client.produce("t", plain(500)).await.error_code, 0);
    // Only the length is sent.
    client.stream.write_all(&1_001i32.to_be_bytes()).await.unwrap();
    assert!(is_closed(&mut client).await);
    let mut negative = broker.client().await;
    negative.stream.write_all(&(-1i32).to_be_bytes()).await.unwrap();
    assert!(is_closed(&mut negative).await);
}

#[tokio::test]
async fn a_silent_connection_and_an_endless_request_are_closed() {
    let brief = Duration::from_millis(200);
    let broker = start_with(Limits { idle: brief, request_read: brief, ..Limits::default() });
    assert!(is_closed(&mut broker.client().await).await);
    let mut endless = broker.client().await;
    endless.stream.write_all(&100i32.to_be_bytes()).await.unwrap();
    endless.stream.write_all(b"only the beginning").await.unwrap();
    assert!(is_closed(&mut endless).await);
}

#[tokio::test]
async fn many_requests_wait_their_turn_within_small_memory() {
    let limits = Limits {
        requests_per_connection: 2,
        request_bytes: 4_000,
        request_bytes_in_flight: 4_000,
        fetch_bytes_in_flight: 1_000,
        ..Limits::default()
    };
    let broker = start_with(limits);
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    let mut sent = Vec::new();
    for _ in 0..20 {
        sent.push(client.send(&producing("t", plain(3_000)), 9).await);
    }
    for correlation in sent {
        client.receive::<kafka_protocol::messages::ProduceRequest>(correlation, 9).await;
    }
    // Each answer alone is larger than what all together may take: one after another they come all the same.
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = broker.client().await;
        let correlation = reader.send(&fetching("t", 0, 1_000_000, 0), 12).await;
        readers.push((reader, correlation));
    }
    for (mut reader, correlation) in readers {
        let fetched = reader.receive::<FetchRequest>(correlation, 12).await;
        assert_eq!(fetched.responses[0].partitions[0].records.as_ref().unwrap().len(), plain(3_000).len() * 20);
    }
}

#[tokio::test]
async fn a_fetch_holds_back_the_next_one_until_it_is_taken() {
    let broker = start_with(Limits { fetch_bytes_in_flight: 20_000_000, ..Limits::default() });
    let mut client = broker.client().await;
    client.create("t", 1, &[("max.message.bytes", "30000000")]).await;
    client.produce("t", plain(20_000_000)).await;
    let mut lazy = broker.client().await;
    let first = lazy.send(&fetching("t", 0, 30_000_000, 0), 12).await;
    let mut byte = [0];
    lazy.stream.peek(&mut byte).await.unwrap();
    let mut next = broker.client().await;
    let second = next.send(&fetching("t", 0, 30_000_000, 0), 12).await;
    let early = timeout(Duration::from_millis(300), next.stream.peek(&mut byte)).await;
    assert!(early.is_err(), "the memory is taken by the answer nobody reads");
    lazy.receive::<FetchRequest>(first, 12).await;
    next.receive::<FetchRequest>(second, 12).await;
}

#[tokio::test]
async fn topics_and_partitions_are_counted() {
    let broker = start_with(Limits { topics: 2, partitions: 5, ..Limits::default() });
    let mut client = broker.client().await;
    let beyond = ResponseError::PolicyViolation.code();
    assert_eq!(client.create("a", 6, &[]).await, beyond);
    assert_eq!(client.create("a", 4, &[]).await, 0);
    assert_eq!(client.create("b", 2, &[]).await, beyond);
    assert_eq!(client.create("b", 1, &[]).await, 0);
    assert_eq!(client.create("c", 1, &[]).await, beyond);
}

#[tokio::test]
async fn groups_and_members_are_counted() {
    let broker = start_with(Limits { groups: 2, members_per_group: 2, ..Limits::default() });
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(commit(&mut client, &committing("a", None, 1)).await, 0);
    assert_eq!(client.call(&joining("b", ""), 3).await.error_code, 0);
    let beyond = ResponseError::PolicyViolation.code();
    assert_eq!(client.call(&joining("c", ""), 3).await.error_code, beyond);
    assert_eq!(commit(&mut client, &committing("c", None, 1)).await, beyond);
    assert_eq!(client.call(&joining("a", ""), 3).await.error_code, 0, "it is counted already");
    // The second one only gets an id, but it counts.
    assert_eq!(client.call(&joining("b", ""), 4).await.error_code, ResponseError::MemberIdRequired.code());
    assert_eq!(client.call(&joining("b", ""), 4).await.error_code, ResponseError::GroupMaxSizeReached.code());
}

#[tokio::test]
async fn sessions_ids_and_notes_have_bounds() {
    let broker = start_with(Limits { commit_metadata_bytes: 10, ..Limits::default() });
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    for ms in [5_999, 1_800_001] {
        let asked = joining("g", "").with_session_timeout_ms(ms);
        assert_eq!(client.call(&asked, 3).await.error_code, ResponseError::InvalidSessionTimeout.code());
    }
    let mut noted = committing("g", None, 1);
    noted.topics[0].partitions[0].committed_metadata = Some(text("ten bytes."));
    assert_eq!(commit(&mut client, &noted).await, 0);
    noted.topics[0].partitions[0].committed_metadata = Some(text("eleven byte"));
    assert_eq!(commit(&mut client, &noted).await, ResponseError::OffsetMetadataTooLarge.code());
    let mut long = joining("g", "");
    for id in [String::new(), "x".repeat(1_025)] {
        long.group_id = GroupId(text(&id));
        assert_eq!(client.call(&long, 3).await.error_code, ResponseError::InvalidGroupId.code());
    }
}

#[tokio::test]
async fn the_longest_silent_producer_is_forgotten_beyond_the_limit() {
    let broker = start_with(Limits { producers_per_partition: 2, ..Limits::default() });
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    for id in 1..=3 {
        client.produce("t", batch(id, 0, 0, 10)).await;
    }
    assert_eq!(client.produce("t", batch(3, 0, 0, 10)).await.base_offset, 2, "a repeat");
    assert_eq!(client.produce("t", batch(1, 0, 0, 10)).await.base_offset, 3, "forgotten, so it is new");
}

#[tokio::test]
async fn no_fetch_waits_longer_than_the_broker_allows() {
    let broker = start_with(Limits { fetch_wait: Duration::from_millis(200), ..Limits::default() });
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    let started = std::time::Instant::now();
    client.call(&fetching("t", 0, 1_000, i32::MAX), 12).await;
    assert!(started.elapsed() < Duration::from_secs(10));
}
