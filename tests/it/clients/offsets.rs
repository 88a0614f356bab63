//! Offsets: by time, by number, beyond the ends.

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::FutureRecord;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{PATIENCE, admin, next, patient, producer, reader, topic};

/// The time of the first record; one more each second after it.
const FIRST: i64 = 1_700_000_000_000;

fn place(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut places = TopicPartitionList::new();
    places.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a place");
    places
}

/// A topic of two partitions with 100 records in the first. Never old, whatever the broker's clock says.
async fn hundred(bootstrap: &str) -> String {
    let topic = topic(bootstrap, 2, &[("retention.ms", "-1")]).await;
    let producer = producer(bootstrap, "none");
    let mut sending = Vec::new();
    for n in 0..100 {
        let record = FutureRecord::<(), _>::to(&topic).partition(0).payload("x").timestamp(FIRST + n * 1_000);
        sending.push(producer.send_result(record).map_err(|(error, _)| error).expect("there is room"));
    }
    for sent in sending {
        sent.await.expect("a report").expect("an acknowledgement");
    }
    topic
}

fn at(consumer: &BaseConsumer, topic: &str, partition: i32, time: i64) -> Offset {
    let found = consumer.offsets_for_times(place(topic, partition, time), PATIENCE).expect("an answer");
    found.elements()[0].offset()
}

pub(crate) async fn times_lead_to_offsets(bootstrap: &str) {
    let topic = hundred(bootstrap).await;
    let consumer = reader(bootstrap, "error");
    for (time, offset) in [
        (0, Offset::Offset(0)),
        (FIRST + 50_000, Offset::Offset(50)),
        (FIRST + 50_001, Offset::Offset(51)),
        (FIRST + 99_000, Offset::Offset(99)),
        (FIRST + 99_001, Offset::End),
    ] {
        assert_eq!(at(&consumer, &topic, 0, time), offset, "{time}");
    }
    assert_eq!(at(&consumer, &topic, 1, FIRST), Offset::End, "in an empty partition");
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE).expect("watermarks"), (0, 100));
}

pub(crate) async fn reading_begins_where_it_is_told(bootstrap: &str) {
    let topic = hundred(bootstrap).await;
    let consumer = reader(bootstrap, "error");
    consumer.assign(&place(&topic, 0, 42)).expect("it is assigned");
    for n in 42..100 {
        let message = next(&consumer).expect("a record");
        assert_eq!((message.offset(), message.timestamp().to_millis()), (n, Some(FIRST + n * 1_000)));
    }
}

pub(crate) async fn beyond_the_end_is_an_error(bootstrap: &str) {
    let topic = hundred(bootstrap).await;
    let consumer = reader(bootstrap, "error");
    consumer.assign(&place(&topic, 0, 500)).expect("it is assigned");
    let error = next(&consumer).unwrap_err();
    assert_eq!(error, KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset));
}

pub(crate) async fn deleted_records_are_gone(bootstrap: &str) {
    let topic = hundred(bootstrap).await;
    let deleted = admin(bootstrap).delete_records(&place(&topic, 0, 30), &patient()).await.expect("an answer");
    assert_eq!(deleted.elements()[0].offset(), Offset::Offset(30));
    let consumer = reader(bootstrap, "earliest");
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE).expect("watermarks"), (30, 100));
    assert_eq!(at(&consumer, &topic, 0, 0), Offset::Offset(30));
    consumer.assign(&place(&topic, 0, 3)).expect("it is assigned");
    assert_eq!(next(&consumer).expect("reset to the earliest").offset(), 30);
}
