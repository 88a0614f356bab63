//! The outbox: effects written down together with the state that asked for them, kept until they were made.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hooklog_schemas::Offset;

/// Which effect of which record. Its bytes sort in log order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// The record.
    pub offset: Offset,
    /// The effect's number within the record, from 0.
    pub ordinal: u16,
}

/// An effect to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub id: EntryId,
    /// The event's key: effects of one key are made one after the other, in log order.
    pub lane: String,
    /// What the handler wrote down.
    pub payload: Bytes,
    /// The record's key, kept for a dead letter.
    pub record_key: Option<Bytes>,
    /// The record's value, kept for a dead letter.
    pub record_value: Bytes,
}

/// How an entry is encoded: the first byte of its value.
const VERSION: u8 = 1;

impl EntryId {
    /// The key it is stored under.
    #[must_use]
    pub fn key(self) -> [u8; 10] {
        let mut key = [0; 10];
        key[..8].copy_from_slice(&self.offset.0.to_be_bytes());
        key[8..].copy_from_slice(&self.ordinal.to_be_bytes());
        key
    }

    /// Reads a stored key; none when it is not one.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let (offset, ordinal) = key.split_first_chunk::<8>()?;
        let ordinal: [u8; 2] = ordinal.try_into().ok()?;
        Some(Self { offset: Offset(i64::from_be_bytes(*offset)), ordinal: u16::from_be_bytes(ordinal) })
    }
}

impl Entry {
    /// The stored value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = BytesMut::with_capacity(16 + self.lane.len() + self.payload.len() + self.record_value.len());
        out.put_u8(VERSION);
        for part in [self.lane.as_bytes(), &self.payload, &self.record_value] {
            out.put_u32(u32::try_from(part.len()).expect("a record is shorter than 4 GiB"));
            out.put_slice(part);
        }
        if let Some(key) = &self.record_key {
            out.put_slice(b"k");
            out.put_slice(key);
        }
        out.into()
    }

    /// Reads a stored entry; none when the bytes are not one.
    #[must_use]
    pub fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let id = EntryId::of_key(key)?;
        let mut rest = Bytes::copy_from_slice(value);
        if rest.try_get_u8().ok()? != VERSION {
            return None;
        }
        let mut part = || {
            let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
            (rest.len() >= length).then(|| rest.split_to(length))
        };
        let (lane, payload, record_value) = (part()?, part()?, part()?);
        let record_key = match rest.first() {
            None => None,
            Some(b'k') => Some(rest.slice(1..)),
            Some(_) => return None,
        };
        Some(Self { id, lane: String::from_utf8(lane.to_vec()).ok()?, payload, record_key, record_value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_is_read_back(
            (offset, ordinal) in (0..i64::MAX, any::<u16>()),
            lane: String,
            (payload, value) in (any::<Vec<u8>>(), any::<Vec<u8>>()),
            key: Option<Vec<u8>>,
        ) {
            let entry = Entry {
                id: EntryId { offset: Offset(offset), ordinal },
                lane,
                payload: payload.into(),
                record_key: key.map(Bytes::from),
                record_value: value.into(),
            };
            prop_assert_eq!(Entry::decode(&entry.id.key(), &entry.encode()), Some(entry));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Entry::decode(&EntryId { offset: Offset(0), ordinal: 0 }.key(), &bytes);
        }
    }
}
