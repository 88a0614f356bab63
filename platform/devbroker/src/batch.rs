//! Record batches, as far as a broker must look inside: the header, the checksum, and single records by time.

/// Bytes of a batch before its records.
pub(crate) const HEADER: usize = 61;
/// Bytes before the length counts: base offset and the length itself.
const PREFIX: usize = 12;
/// Where the part covered by the checksum begins.
const CHECKED: usize = 21;
/// The only format since Kafka 0.11.
const MAGIC: u8 = 2;

const COMPRESSION: i16 = 0b111;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// What the header of a batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) base_offset: i64,
    /// Bytes of the whole batch.
    pub(crate) len: usize,
    pub(crate) leader_epoch: i32,
    attributes: i16,
    /// Offset of the last record minus that of the first.
    pub(crate) last_delta: i32,
    pub(crate) first_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) first_sequence: i32,
    count: i32,
}

impl Head {
    /// Reads a header; the fault says why there is none at the front of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() < HEADER {
            return Err("shorter than a batch header");
        }
        if bytes[16] != MAGIC {
            return Err("not a batch of format 2");
        }
        let len = PREFIX + usize::try_from(i32_at(bytes, 8)).map_err(|_| "negative length")?;
        let head = Self {
            base_offset: i64_at(bytes, 0),
            len,
            leader_epoch: i32_at(bytes, 12),
            attributes: i16_at(bytes, 21),
            last_delta: i32_at(bytes, 23),
            first_timestamp: i64_at(bytes, 27),
            max_timestamp: i64_at(bytes, 35),
            producer_id: i64_at(bytes, 43),
            producer_epoch: i16_at(bytes, 51),
            first_sequence: i32_at(bytes, 53),
            count: i32_at(bytes, 57),
        };
        if len <= HEADER || head.count < 1 || head.last_delta != head.count - 1 {
            return Err("length and record count do not fit a batch");
        }
        Ok(head)
    }

    /// The same batch at another place of the log.
    pub(crate) fn at(self, base_offset: i64) -> Self {
        Self { base_offset, ..self }
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_delta)
    }

    /// The sequence of the last record; sequences go round after `i32::MAX`.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.first_sequence.wrapping_add(self.last_delta) & i32::MAX
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    fn is_compressed(&self) -> bool {
        self.attributes & COMPRESSION != 0
    }
}

/// The header of a batch whose checksum holds; `bytes` may go on behind it.
pub(crate) fn check(bytes: &[u8]) -> Result<Head, &'static str> {
    let head = Head::parse(bytes)?;
    let batch = bytes.get(..head.len).ok_or("cut short")?;
    if crc32c::crc32c(&batch[CHECKED..]) != u32::from_be_bytes(array(batch, 17)) {
        return Err("checksum does not hold");
    }
    Ok(head)
}

/// Appends the batch to `out` with its place in the log; both fields lie outside the checksum.
pub(crate) fn place(batch: &[u8], base_offset: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&base_offset.to_be_bytes());
    out.extend_from_slice(&batch[8..12]);
    out.extend_from_slice(&LEADER_EPOCH.to_be_bytes());
    out.extend_from_slice(&batch[16..]);
}

/// There was never another leader.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// A record found by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

/// The first record at or after both `timestamp` and `from`. In a compressed batch of several records, which is not
/// unpacked, the earliest that could be it.
pub(crate) fn first_at_or_after(batch: &[u8], timestamp: i64, from: i64) -> Option<Found> {
    let head = Head::parse(batch).ok()?;
    if head.max_timestamp < timestamp || head.last_offset() < from {
        return None;
    }
    if head.is_compressed() && head.count > 1 {
        return Some(Found { offset: head.base_offset.max(from), timestamp: head.first_timestamp.max(timestamp) });
    }
    records(batch, &head).find(|record| record.timestamp >= timestamp && record.offset >= from)
}

/// The first record with the greatest timestamp of the batch; the last record of a compressed batch.
pub(crate) fn latest(batch: &[u8]) -> Option<Found> {
    let head = Head::parse(batch).ok()?;
    if head.is_compressed() {
        return Some(Found { offset: head.last_offset(), timestamp: head.max_timestamp });
    }
    records(batch, &head).find(|record| record.timestamp == head.max_timestamp)
}

/// Offset and time of each record of a batch; of a compressed one with a single record, that one.
fn records(batch: &[u8], head: &Head) -> impl Iterator<Item = Found> {
    let (base, first) = (head.base_offset, head.first_timestamp);
    let mut rest = if head.is_compressed() { &[] } else { &batch[HEADER..head.len] };
    let mut only = head.is_compressed().then_some(Found { offset: base, timestamp: head.max_timestamp });
    std::iter::from_fn(move || {
        if only.is_some() {
            return only.take();
        }
        let len = usize::try_from(varint(&mut rest)?).ok()?;
        let mut record = rest.get(1..len)?; // behind the attributes
        rest = &rest[len..];
        let timestamp = first.checked_add(varint(&mut record)?)?;
        let offset = base.checked_add(varint(&mut record)?)?;
        Some(Found { offset, timestamp })
    })
}

/// A zigzag-coded number, taken off the front.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the range is as long as the array")
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array(bytes, at))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array(bytes, at))
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(array(bytes, at))
}

/// Batches for tests, made by the protocol crate's encoder.
#[cfg(test)]
pub(crate) mod sample {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

    /// An uncompressed batch of records with these timestamps.
    pub(crate) fn batch(producer_id: i64, epoch: i16, sequence: i32, timestamps: &[i64]) -> Bytes {
        let record = |(n, timestamp): (usize, &i64)| Record {
            transactional: false,
            control: false,
            partition_leader_epoch: -1,
            producer_id,
            producer_epoch: epoch,
            timestamp_type: TimestampType::Creation,
            offset: i64::try_from(n).unwrap(),
            sequence: sequence + i32::try_from(n).unwrap(),
            timestamp: *timestamp,
            key: None,
            value: Some(Bytes::from(format!("value {n}"))),
            headers: Default::default(),
            delete_horizon: false,
        };
        let records: Vec<_> = timestamps.iter().enumerate().map(record).collect();
        let mut out = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut out, &records, &options).unwrap();
        out.freeze()
    }

    /// One record of a producer that is not idempotent.
    pub(crate) fn plain(timestamp: i64) -> Bytes {
        batch(-1, -1, -1, &[timestamp])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_header_says_what_the_encoder_put_in() {
        let batch = sample::batch(7, 2, 40, &[100, 90, 300]);
        let head = check(&batch).unwrap();
        assert_eq!((head.producer_id, head.producer_epoch, head.first_sequence, head.last_sequence()), (7, 2, 40, 42));
        assert_eq!((head.len, head.last_delta, head.max_timestamp), (batch.len(), 2, 300));
        let mut placed = Vec::new();
        place(&batch, 1_000, &mut placed);
        let placed = check(&placed).unwrap();
        assert_eq!((placed.base_offset, placed.last_offset(), placed.leader_epoch), (1_000, 1_002, 0));
    }

    #[test]
    fn records_are_found_by_time_and_offset() {
        let batch = sample::batch(-1, -1, -1, &[100, 90, 300, 200, 300]);
        let at = |timestamp, from| first_at_or_after(&batch, timestamp, from).map(|found| found.offset);
        assert_eq!(
            [at(0, 0), at(95, 0), at(95, 1), at(150, 0), at(300, 3), at(301, 0)],
            [Some(0), Some(0), Some(2), Some(2), Some(4), None]
        );
        assert_eq!(latest(&batch), Some(Found { offset: 2, timestamp: 300 }));
    }

    #[test]
    fn sequences_go_round() {
        let mut head = check(&sample::batch(7, 0, 0, &[1, 1, 1])).unwrap();
        head.first_sequence = i32::MAX;
        assert_eq!(head.last_sequence(), 1);
    }

    proptest! {
        #[test]
        fn one_changed_byte_under_the_checksum_is_seen(at in CHECKED..200usize, flip in 1u8..) {
            let mut batch = sample::batch(7, 0, 0, &[1; 20]).to_vec();
            prop_assume!(at < batch.len());
            batch[at] ^= flip;
            prop_assert!(check(&batch).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), time in any::<i64>()) {
            let mut bytes = bytes;
            let _ = check(&bytes);
            if bytes.len() > HEADER {
                bytes[16] = MAGIC;
                let len = i32::try_from(bytes.len() - PREFIX).unwrap();
                bytes[8..12].copy_from_slice(&len.to_be_bytes());
                bytes[23..27].copy_from_slice(&0i32.to_be_bytes());
                bytes[57..61].copy_from_slice(&1i32.to_be_bytes());
                bytes[0..8].copy_from_slice(&5i64.to_be_bytes());
                let _ = first_at_or_after(&bytes, time, 0);
                let _ = latest(&bytes);
            }
        }
    }
}
