//! Fetch: waiting, cutting, refusing.

use std::time::{Duration, Instant};

use hooklog_devbroker::{Settings, Sync};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{DeleteTopicsRequest, FetchRequest};

use crate::client::{fetching, plain, topic};
use crate::running::{PATIENCE, any_port, run, start};

#[tokio::test]
async fn a_fetch_waits_for_its_time_and_no_longer() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    let started = Instant::now();
    let empty = client.call(&fetching("t", 0, 1_000, 300), 12).await;
    assert!(empty.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
    assert!((Duration::from_millis(300)..Duration::from_secs(5)).contains(&started.elapsed()));
    let started = Instant::now();
    let error = client.call(&fetching("t", 7, 1_000, 10_000), 12).await;
    assert_eq!(error.responses[0].partitions[0].error_code, ResponseError::OffsetOutOfRange.code());
    assert!(started.elapsed() < Duration::from_secs(5), "an error is told at once");
}

#[tokio::test]
async fn a_record_written_on_another_connection_ends_the_wait() {
    let broker = start();
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    writer.create("t", 1, &[]).await;
    let started = Instant::now();
    let fetch = reader.send(&fetching("t", 0, 1_000, 15_000), 12).await;
    writer.produce("t", plain(10)).await;
    let fetched = reader.receive::<FetchRequest>(fetch, 12).await;
    assert_eq!(fetched.responses[0].partitions[0].high_watermark, 1);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_deleted_topic_ends_the_wait() {
    let broker = start();
    let (mut reader, mut other) = (broker.client().await, broker.client().await);
    other.create("t", 1, &[]).await;
    let fetch = reader.send(&fetching("t", 0, 1_000, 15_000), 12).await;
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![topic("t")]);
    assert_eq!(other.call(&delete, 5).await.responses[0].error_code, 0);
    let told = reader.receive::<FetchRequest>(fetch, 12).await;
    assert_eq!(told.responses[0].partitions[0].error_code, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn the_answer_is_cut_to_whole_batches_and_at_least_one() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    for _ in 0..5 {
        client.produce("t", plain(1_000)).await;
    }
    let len = i32::try_from(plain(1_000).len()).unwrap();
    for (max, batches) in [(10, 1), (len * 2 + 10, 2), (len * 10, 5)] {
        let fetched = client.fetch("t", 0, max).await;
        let records = fetched.responses[0].partitions[0].records.as_ref().unwrap();
        assert_eq!(i32::try_from(records.len()).unwrap(), batches * len, "{max}");
    }
}

#[tokio::test]
async fn sessions_are_not_known() {
    let broker = start();
    let mut client = broker.client().await;
    let asked = FetchRequest::default().with_session_id(5);
    assert_eq!(client.call(&asked, 12).await.error_code, ResponseError::FetchSessionIdNotFound.code());
}

/// The records of these tests are of 2023; this clock says that they are a minute old.
fn a_minute_later() -> i64 {
    1_700_000_060_000
}

#[tokio::test]
async fn records_leave_when_they_are_old_by_the_brokers_clock() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::new(dir.path().into(), any_port());
    let broker = run(dir, Settings { sync: Sync::Never, clock: a_minute_later, ..settings });
    let mut client = broker.client().await;
    let small = ("segment.bytes", "1048576");
    client.create("stay", 1, &[small, ("retention.ms", "60000")]).await;
    client.create("go", 1, &[small, ("retention.ms", "59999")]).await;
    for name in ["stay", "go"] {
        for _ in 0..5 {
            assert_eq!(client.produce(name, plain(600_000)).await.error_code, 0);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    // Each segment holds one record; the newest stays.
    while client.fetch("go", 5, 1).await.responses[0].partitions[0].log_start_offset != 4 {
        assert!(Instant::now() < deadline, "they never leave");
    }
    assert_eq!(client.fetch("stay", 5, 1).await.responses[0].partitions[0].log_start_offset, 0);
}
