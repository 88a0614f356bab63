//! A record as it lies in the spool: everything the log needs, with its own number and checksum.
//!
//! ```text
//! version u8 · checksum u32 · number u64 · spooled i64 ms · timestamp i64 ms · source · key · headers (name · value)* · value
//! ```
//!
//! Numbers are little-endian; each text and each piece of bytes stands after its length (u32). The checksum (CRC-32C) covers all that
//! follows it, and the lane before it, so that a record that turns up in another's place is noticed.

use bytes::Bytes;
use hooklog_kafka::Outgoing;
use hooklog_schemas::{SourceName, Timestamp};

/// The only version there is.
const VERSION: u8 = 1;

/// Where the checksum lies, where what it covers begins, and where the number lies.
const CHECKSUM: std::ops::Range<usize> = 1..5;
const COVERED: usize = 5;
const NUMBER: std::ops::Range<usize> = 5..13;

/// A record out of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its place in its lane, counted from 0 for ever.
    pub number: u64,
    /// When it was spooled.
    pub spooled_at: Timestamp,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Whose it is.
    pub source: String,
    /// The key.
    pub key: Bytes,
    /// The headers, in order.
    pub headers: Vec<(String, Bytes)>,
    /// The value.
    pub value: Bytes,
    /// What it takes of the spool's limits, in bytes.
    pub size: usize,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// They are not those that were written.
    #[error("the checksum does not hold")]
    Checksum,
    /// A newer version wrote them.
    #[error("a newer version wrote it")]
    Version,
    /// The checksum holds, but they say nothing.
    #[error("the record ends early")]
    Truncated,
    /// It lies where another should.
    #[error("it carries another record's number")]
    OtherNumber,
}

/// A record's bytes, without its number and checksum, which it gets when its place is known.
#[must_use]
pub fn encode(record: &Outgoing<'_>, source: &SourceName, spooled_at: Timestamp) -> Vec<u8> {
    let key = record.key.unwrap_or_default();
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let mut bytes = Vec::with_capacity(64 + source.as_str().len() + key.len() + headers + record.value.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&[0; 12]);
    bytes.extend_from_slice(&spooled_at.0.to_le_bytes());
    bytes.extend_from_slice(&record.timestamp.unwrap_or(spooled_at).0.to_le_bytes());
    put(&mut bytes, source.as_str().as_bytes());
    put(&mut bytes, key);
    put_count(&mut bytes, record.headers.len());
    for (name, value) in record.headers {
        put(&mut bytes, name.as_bytes());
        put(&mut bytes, value);
    }
    put(&mut bytes, record.value);
    bytes
}

/// Gives encoded bytes their number in their lane, and the checksum of both. Panics where they are no encoded bytes.
pub fn number(bytes: &mut [u8], lane: &[u8], number: u64) {
    bytes[NUMBER].copy_from_slice(&number.to_le_bytes());
    let checksum = checksum(bytes, lane);
    bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the record that should be the `number`th of `lane`.
///
/// # Errors
/// [`Damage`], for whatever is not that record.
pub fn decode(bytes: &Bytes, lane: &[u8], number: u64) -> Result<Spooled, Damage> {
    if bytes.len() < COVERED {
        return Err(Damage::Truncated);
    }
    if checksum(bytes, lane).to_le_bytes() != bytes[CHECKSUM] {
        return Err(Damage::Checksum);
    }
    if bytes[0] != VERSION {
        return Err(Damage::Version);
    }
    let mut rest = Rest(bytes.slice(COVERED..));
    let written = u64::from_le_bytes(rest.array()?);
    if written != number {
        return Err(Damage::OtherNumber);
    }
    let spooled_at = Timestamp(i64::from_le_bytes(rest.array()?));
    let timestamp = Timestamp(i64::from_le_bytes(rest.array()?));
    let source = rest.text()?;
    let key = rest.piece()?;
    let count = rest.count()?;
    let mut headers = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        headers.push((rest.text()?, rest.piece()?));
    }
    let value = rest.piece()?;
    Ok(Spooled { number, spooled_at, timestamp, source, key, headers, value, size: bytes.len() })
}

fn checksum(bytes: &[u8], lane: &[u8]) -> u32 {
    let version = crc32c::crc32c_append(crc32c::crc32c(lane), &bytes[..1]);
    crc32c::crc32c_append(version, &bytes[COVERED..])
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&u32::try_from(count).expect("a record is shorter than 4 GiB").to_le_bytes());
}

fn put(bytes: &mut Vec<u8>, piece: &[u8]) {
    put_count(bytes, piece.len());
    bytes.extend_from_slice(piece);
}

/// What is left to read.
struct Rest(Bytes);

impl Rest {
    fn take(&mut self, length: usize) -> Result<Bytes, Damage> {
        if self.0.len() < length { Err(Damage::Truncated) } else { Ok(self.0.split_to(length)) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.take(N)?.as_ref().try_into().map_err(|_| Damage::Truncated)
    }

    fn count(&mut self) -> Result<usize, Damage> {
        usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| Damage::Truncated)
    }

    fn piece(&mut self) -> Result<Bytes, Damage> {
        let length = self.count()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, Damage> {
        String::from_utf8(self.piece()?.to_vec()).map_err(|_| Damage::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use hooklog_schemas::TopicName;
    use proptest::prelude::*;

    use super::*;

    fn sealed(key: &[u8], headers: &[(&str, &[u8])], value: &[u8], place: u64) -> Bytes {
        let topic = TopicName::parse("hooks.github").unwrap();
        let record =
            Outgoing { topic: &topic, partition: None, key: Some(key), value, headers, timestamp: Some(Timestamp(7)) };
        let mut bytes = encode(&record, &SourceName::parse("github").unwrap(), Timestamp(9));
        number(&mut bytes, b"lane", place);
        Bytes::from(bytes)
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(
            key: Vec<u8>, value: Vec<u8>, place: u64,
            headers in proptest::collection::vec((".{0,8}", proptest::collection::vec(any::<u8>(), 0..8)), 0..4),
        ) {
            let given: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
            let read = decode(&sealed(&key, &given, &value, place), b"lane", place).unwrap();
            prop_assert_eq!((&read.key[..], &read.value[..]), (&key[..], &value[..]));
            prop_assert_eq!((read.source.as_str(), read.timestamp, read.spooled_at), ("github", Timestamp(7), Timestamp(9)));
            let read: Vec<(&str, &[u8])> = read.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
            prop_assert_eq!(read, given);
        }

        #[test]
        fn one_flipped_bit_is_noticed(at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = sealed(b"key", &[("ce_id", b"1")], b"value", 3).to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(decode(&Bytes::from(bytes), b"lane", 3), Err(Damage::Checksum));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode(&Bytes::from(bytes), b"lane", 0);
        }
    }

    #[test]
    fn a_record_in_anothers_place_is_noticed() {
        let bytes = sealed(b"key", &[], b"value", 3);
        assert_eq!(decode(&bytes, b"lane", 4), Err(Damage::OtherNumber));
        assert_eq!(decode(&bytes, b"other lane", 3), Err(Damage::Checksum));
        assert_eq!(decode(&bytes.slice(..bytes.len() - 1), b"lane", 3), Err(Damage::Checksum));
    }
}
