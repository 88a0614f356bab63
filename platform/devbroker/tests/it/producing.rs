//! Produce: pipelined, repeated, refused.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, TransactionalId};

use crate::client::{batch, fetching, plain, producing, text};
use crate::running::start;

#[tokio::test]
async fn requests_of_one_connection_are_answered_in_order_and_a_waiting_fetch_is_woken() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    let started = std::time::Instant::now();
    let fetch = client.send(&fetching("t", 0, 1_000, 15_000), 12).await;
    let mut produces = Vec::new();
    for _ in 0..10 {
        produces.push(client.send(&producing("t", plain(10)), 9).await);
    }
    let fetched = client.receive::<kafka_protocol::messages::FetchRequest>(fetch, 12).await;
    assert!(!fetched.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
    for (n, produce) in produces.into_iter().enumerate() {
        let answer = client.receive::<ProduceRequest>(produce, 9).await;
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, i64::try_from(n).unwrap());
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "woken, not timed out");
}

#[tokio::test]
async fn a_repeat_is_acknowledged_at_its_place_a_gap_and_an_old_epoch_are_refused() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    let new = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).await;
    let id = new.producer_id.0;
    for n in 0..3 {
        assert_eq!(client.produce("t", batch(id, 1, n, 10)).await.base_offset, i64::from(n));
    }
    let repeat = client.produce("t", batch(id, 1, 1, 10)).await;
    assert_eq!((repeat.error_code, repeat.base_offset), (0, 1));
    assert_eq!(client.produce("t", batch(id, 1, 5, 10)).await.error_code, 45);
    assert_eq!(client.produce("t", batch(id, 0, 3, 10)).await.error_code, 47);
    assert_eq!(client.produce("t", batch(id, 1, 3, 10)).await.base_offset, 3);
    let other = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).await;
    assert_ne!(other.producer_id.0, id);
}

#[tokio::test]
async fn what_is_no_batch_or_not_for_here_is_refused() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[("max.message.bytes", "1000")]).await;
    let code = |error: ResponseError| error.code();
    let mut damaged = plain(10).to_vec();
    damaged[50] ^= 1;
    let two = [plain(10), plain(10)].concat();
    let mut transactional = plain(10).to_vec();
    transactional[22] |= 0x10;
    let checksum = crc32c::crc32c(&transactional[21..]);
    transactional[17..21].copy_from_slice(&checksum.to_be_bytes());
    for (records, error) in [
        (Bytes::new(), ResponseError::CorruptMessage),
        (Bytes::from(damaged), ResponseError::CorruptMessage),
        (Bytes::from(two), ResponseError::InvalidRecord),
        (Bytes::from(transactional), ResponseError::ClusterAuthorizationFailed),
        (plain(1_000), ResponseError::MessageTooLarge),
    ] {
        assert_eq!(client.produce("t", records).await.error_code, code(error), "{error}");
    }
    assert_eq!(client.produce("unknown", plain(10)).await.error_code, code(ResponseError::UnknownTopicOrPartition));
    let strange = producing("t", plain(10)).with_acks(2);
    let answer = client.call(&strange, 9).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, code(ResponseError::InvalidRequiredAcks));
    assert_eq!(client.produce("t", plain(10)).await.base_offset, 0, "none of them was appended");
}

#[tokio::test]
async fn without_acks_there_is_no_answer_but_a_record() {
    let broker = start();
    let mut client = broker.client().await;
    client.create("t", 1, &[]).await;
    client.send(&producing("t", plain(10)).with_acks(0), 9).await;
    assert_eq!(client.produce("t", plain(10)).await.base_offset, 1);
}

#[tokio::test]
async fn a_transactional_id_gets_no_producer_id() {
    let broker = start();
    let mut client = broker.client().await;
    let asked = InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text("tx"))));
    let refused = client.call(&asked, 4).await;
    assert_eq!((refused.error_code, refused.producer_id.0), (ResponseError::ClusterAuthorizationFailed.code(), -1));
}
