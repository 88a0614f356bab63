//! Of 10,000 records, 100 can't be handled: exactly these are set aside, byte for byte and with their origin; all others are handled.

use std::collections::BTreeMap;
use std::time::Duration;

use hooklog_tests::avro::{self, Envelope};
use hooklog_tests::broker::RawRecord;
use hooklog_tests::edge::Source;
use hooklog_tests::java::{Isolation, Record, read_back};
use hooklog_tests::kafka::Kafka;
use hooklog_tests::names::unique;
use hooklog_tests::payments::Payments;
use hooklog_tests::webhook::Provider;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::books::{self, Books};

const RECORDS: usize = 10_000;
const POISON: usize = 100;

/// A charge, as the edge would have recorded it.
fn envelope(n: usize, body: &str) -> Envelope {
    Envelope {
        id: format!("evt_{n}"),
        source: "stripe".to_owned(),
        kind: "charge.succeeded".to_owned(),
        key: format!("cus_{}", n % 50),
        received_at: 1_764_000_000_000,
        scheme: "stripe:test".to_owned(),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        content_type: Some("application/json".to_owned()),
        trace: None,
        body_sha256: Sha256::digest(body).to_vec(),
        body: body.as_bytes().to_vec(),
    }
}

fn charge(n: usize) -> String {
    let charge = json!({"amount": n + 1, "currency": "eur", "customer": format!("cus_{}", n % 50)});
    json!({"type": "charge.succeeded", "data": {"object": charge}}).to_string()
}

/// The n-th record's value: every hundredth is poison, of ten kinds in turn. With it, the class under which it must be set aside.
fn value(n: usize) -> (Option<Vec<u8>>, Option<&'static str>) {
    let good = avro::encode(&envelope(n, &charge(n)));
    let body = |body: &str| Some(avro::encode(&envelope(n, body)));
    let step = RECORDS / POISON;
    if n % step != step / 2 {
        return (Some(good), None);
    }
    let (undecodable, permanent) = (Some("undecodable"), Some("permanent"));
    match n / step % 10 {
        0 => (None, undecodable),
        1 => (Some(Vec::new()), undecodable),
        2 => (Some(b"{\"not\": \"avro\"}".to_vec()), undecodable),
        3 => (Some(good[..good.len() / 2].to_vec()), undecodable),
        4 => (Some([&good[..], b"more"].concat()), undecodable),
        5 => (Some([&[0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8], &good[10..]].concat()), undecodable),
        6 => (body("{\"data\": "), permanent),
        7 => (body(&"[".repeat(100_000)), permanent),
        8 => (body("{\"data\": {\"object\": {\"amount\": 5, \"currency\": \"eur\", \"customer\": null}}}"), permanent),
        _ => (
            body("{\"data\": {\"object\": {\"amount\": -5, \"currency\": \"eur\", \"customer\": \"cus_1\"}}}"),
            permanent,
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_poison_is_set_aside() {
    let kafka = Kafka::shared().await;
    let source = Source::new(&unique("stripe"), Provider::Stripe);
    let payments = Payments::start(|_| None);
    let settings = books::ledger_group(kafka, &source, &payments).await;
    let (group, topic) = (settings.group.clone(), source.topic());
    let records: Vec<RawRecord> = (0..RECORDS)
        .map(|n| RawRecord { partition: None, key: Some(format!("cus_{}", n % 50).into()), value: value(n).0 })
        .collect();
    kafka.broker().append(&topic, &records).await;

    let mut consumer = books::static_member(&settings, "only");
    consumer.start().await;
    kafka.broker().caught_up(&group, &topic, Duration::from_secs(120)).await;

    let books = Books::of(kafka.bootstrap(), &topic);
    assert_eq!(books.events(), RECORDS - POISON);
    books.require_booked(&consumer).await;
    books.require_charged(&payments);
    require_set_aside(kafka, &topic, &group);
    assert!(consumer.stop(Duration::from_secs(40)).await.success());
}

/// Every poisonous record of the topic lies in the group's dead-letter topic once, as it was, and says where it came from.
fn require_set_aside(kafka: &Kafka, topic: &str, group: &str) {
    let dead_topic = format!("hooks.{group}.dlq");
    let all = read_back(kafka.bootstrap(), &[topic], Isolation::ReadUncommitted);
    let dead = read_back(kafka.bootstrap(), &[&dead_topic], Isolation::ReadUncommitted);
    assert_eq!(dead.len(), POISON);
    let origin =
        |record: &Record| Some((record.header("hooklog-dlq-partition")?, record.header("hooklog-dlq-offset")?));
    let dead: BTreeMap<_, &Record> = dead.iter().map(|record| (origin(record).expect("an origin"), record)).collect();
    let mut classes = BTreeMap::new();
    for n in 0..RECORDS {
        if let (value, Some(class)) = value(n) {
            classes.insert((Some(format!("cus_{}", n % 50).into_bytes()), value), class);
        }
    }
    let mut found = 0;
    for record in all {
        let Some(class) = classes.get(&(record.key.clone(), record.value.clone())) else { continue };
        found += 1;
        let at = (record.partition.to_string(), record.offset.to_string());
        let dead = dead.get(&at).unwrap_or_else(|| panic!("{at:?}, {class}, was not set aside"));
        // The log takes no record without a value from us: that one lies there empty, and its message says so.
        let value = record.value.clone().or(Some(Vec::new()));
        assert_eq!((&dead.key, &dead.value), (&record.key, &value), "{at:?}");
        let header =
            |name: &str| dead.header(&format!("hooklog-dlq-{name}")).unwrap_or_else(|| panic!("{at:?}: no {name}"));
        assert_eq!((header("topic").as_str(), header("group").as_str()), (topic, group));
        assert_eq!((header("class").as_str(), header("attempts").as_str()), (*class, "1"), "{at:?}");
        assert_eq!(header("message") == "the record has no value", record.value.is_none(), "{at:?}");
        assert!(!header("message").is_empty() && header("generation").parse::<u32>().is_ok());
        let millis = |name| header(name).parse::<i64>().expect("milliseconds");
        assert!(millis("first-failure-ms") <= millis("failed-ms") && millis("first-failure-ms") > 1_700_000_000_000);
    }
    assert_eq!(found, POISON);
}
