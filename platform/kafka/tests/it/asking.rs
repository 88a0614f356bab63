//! Admin and tail: questions have deadlines, and their errors say what to do.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use hooklog_kafka::tail::{From, Seen};
use hooklog_kafka::{Admin, AdminError, Connection, Tail};
use hooklog_schemas::{NextOffset, Partition, TopicName};

use crate::mock::{Mock, PATIENCE, eventually};
use crate::owner::values;

#[test]
fn nobody_at_the_address_is_said_within_the_deadline_and_with_the_mend() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bootstrap = format!("127.0.0.1:{port}");
    let admin = Admin::new(&Connection::plain(&bootstrap, "test")).unwrap();
    let begun = Instant::now();
    let error = admin.topics(Duration::from_secs(1)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let shown = error.to_string();
    assert!(matches!(error, AdminError::Unreachable { .. }), "{shown}");
    assert!(shown.contains(&bootstrap) && shown.contains("is it running?"), "{shown}");
    assert!(admin.cluster_id(Duration::from_millis(300)).is_err());
}

#[test]
fn topics_bounds_and_the_cluster_are_told() {
    let mock = Mock::with_partitions(3);
    mock.fill(Partition(1), 0..20);
    let admin = Admin::new(&mock.connection()).unwrap();
    let topic = admin.topic(&mock.topic, PATIENCE).unwrap();
    assert_eq!((topic.partitions.len(), topic.replicas, topic.leaderless.len()), (3, 1, 0));
    let bounds = admin.watermarks(&mock.topic, Partition(1), PATIENCE).unwrap();
    assert_eq!((bounds.start, bounds.end), (NextOffset(0), NextOffset(20)));
    assert!(!admin.cluster_id(PATIENCE).unwrap().is_empty());
    assert_eq!(admin.brokers(PATIENCE).unwrap().len(), 1);
    let committed = admin.committed("nobody", &mock.topic, PATIENCE).unwrap();
    assert_eq!(committed.iter().filter(|(_, committed)| committed.is_some()).count(), 0);
    let missing = TopicName::parse("hooks.missing").unwrap();
    mock.cluster
        .topic_error("hooks.missing", rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        .unwrap();
    let error = admin.topic(&missing, PATIENCE).unwrap_err();
    assert!(matches!(error, AdminError::UnknownTopic { .. }), "{error}");
}

#[test]
fn a_tail_reads_from_where_it_is_told_and_says_when_it_has_caught_up() {
    let mock = Mock::with_partitions(2);
    mock.fill(Partition(0), 0..30);
    mock.fill(Partition(1), 0..10);
    let read = |from| {
        let mut tail = Tail::open(&mock.connection(), std::slice::from_ref(&mock.topic), from, PATIENCE).unwrap();
        let mut records = Vec::new();
        eventually("the end", || match tail.next(Duration::from_millis(100)).unwrap() {
            Seen::Record(record) => {
                records.push(record);
                None
            }
            Seen::Idle => None,
            Seen::CaughtUp => Some(()),
        });
        let of = |number| records.iter().filter(move |record| record.position.partition == Partition(number)).cloned();
        (values(&of(0).collect::<Vec<_>>()), values(&of(1).collect::<Vec<_>>()))
    };
    assert_eq!(read(From::Beginning), ((0..30).collect(), (0..10).collect()));
    assert_eq!(read(From::Offset(NextOffset(8))), ((8..30).collect(), (8..10).collect()));
    assert_eq!(read(From::Last(3)), ((27..30).collect(), (7..10).collect()));
    assert_eq!(read(From::End), (vec![], vec![]));
}
