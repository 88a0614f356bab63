//! The spool's records: any bytes are read or refused, and what was read is written and read again as the same.

use bytes::Bytes;
use hooklog_ingest::spool::record::{Spooled, decode, encode, number};
use hooklog_kafka::Outgoing;
use hooklog_schemas::{SourceName, Timestamp, TopicName};

const LANE: &[u8] = b"hooks.github/0";
const PLACE: u64 = 7;

/// Read as they are; then with number and checksum put right, so that what lies behind them is reached.
pub fn check(input: &[u8]) {
    let _refused = decode(&Bytes::copy_from_slice(input), LANE, PLACE);
    let mut bytes = input.to_vec();
    if bytes.len() < 13 {
        return;
    }
    number(&mut bytes, LANE, PLACE);
    let Ok(read) = decode(&Bytes::from(bytes), LANE, PLACE) else { return };
    if let Some(written) = written(&read) {
        let again = decode(&written, LANE, PLACE).unwrap_or_else(|damage| panic!("what was written: {damage}"));
        assert!(written.len() <= read.size, "a record grows by being read");
        assert_eq!(again, Spooled { size: written.len(), ..read });
    }
}

/// None where the source has no name that a source can have.
fn written(read: &Spooled) -> Option<Bytes> {
    let source = SourceName::parse(&read.source).ok()?;
    let topic = TopicName::of_source(&source);
    let headers: Vec<(&str, &[u8])> = read.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
    let record = Outgoing {
        topic: &topic,
        partition: None,
        key: Some(&read.key),
        value: &read.value,
        headers: &headers,
        timestamp: Some(read.timestamp),
    };
    let mut bytes = encode(&record, &source, read.spooled_at);
    number(&mut bytes, LANE, PLACE);
    Some(Bytes::from(bytes))
}

/// Records with and without headers.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |count: usize| {
        let headers = (0..count).map(|number| (format!("ce_{number}"), Bytes::from(vec![b'v'; number]))).collect();
        let (key, value) = (Bytes::from_static(b"186853002"), Bytes::from(vec![0xc3; count * 7]));
        let (spooled_at, timestamp) = (Timestamp(1_700_000_000_000), Timestamp(1_699_999_999_000));
        let source = "github".to_owned();
        written(&Spooled { number: PLACE, spooled_at, timestamp, source, key, headers, value, size: 0 })
    };
    [0, 1, 3, 9].into_iter().filter_map(of).map(|bytes| bytes.to_vec()).collect()
}
