//! A record on its way into the log and out of it.

use bytes::{BufMut, Bytes, BytesMut};
use hooklog_schemas::{Position, Timestamp, TopicName};
use rdkafka::message::{BorrowedMessage, Headers as _, Message};

/// A record to be appended. Everything is borrowed: the writer copies it once, into the client's queue.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The topic; it must exist, nothing creates it by accident.
    pub topic: &'a TopicName,
    /// The partition, or none to have it chosen by the key (see [`crate::partitioner`]).
    pub partition: Option<hooklog_schemas::Partition>,
    /// The key. None spreads records over the partitions and gives up order.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: &'a [u8],
    /// Headers, in this order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// When it happened; none is the moment of the append.
    pub timestamp: Option<Timestamp>,
}

/// A record read from the log. It owns its bytes; cloning it copies none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Where it lies.
    pub position: Position,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
    /// The record's time as the topic keeps it (its creation or its append); −1 when it has none.
    pub timestamp: Timestamp,
}

/// The headers of a record, in the order they were written, names possibly repeated. They stay in one piece of memory and are
/// read on demand, since most readers look at two of twenty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Bytes);

impl Headers {
    /// The value of the last header of this name (as Kafka's own client reads repeated names).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().filter(|(given, _)| *given == name).last().map(|(_, value)| value)
    }

    /// All headers in order. A header without a value reads as an empty one.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let name = take_counted(&mut rest)?;
            let value = take_counted(&mut rest)?;
            Some((std::str::from_utf8(name).unwrap_or_default(), value))
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut bytes = BytesMut::new();
        for (name, value) in headers {
            put_header(&mut bytes, name.as_ref(), value.as_ref());
        }
        Self(bytes.freeze())
    }
}

fn put_header(bytes: &mut BytesMut, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), value] {
        bytes.put_u32_le(u32::try_from(part.len()).expect("a part of a record is shorter than 2 GiB"));
        bytes.put_slice(part);
    }
}

fn take_counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (count, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

/// Where records are copied to when they leave the client's buffers: pieces of [`Arena::CHUNK_BYTES`] which many records share, so that
/// a record costs no allocation of its own. A piece is freed when the last of its records is dropped.
#[derive(Debug, Default)]
pub(crate) struct Arena(BytesMut);

impl Arena {
    /// Bytes asked for at once. What one forgotten record can keep alive is at most this and its own size.
    const CHUNK_BYTES: usize = 64 * 1024;

    /// Copies a record out of the client's buffers.
    pub(crate) fn copy(&mut self, topic: &TopicName, message: &BorrowedMessage<'_>) -> Incoming {
        let key = message.key().map(|key| self.take(key));
        let value = message.payload().map(|value| self.take(value));
        let position = Position {
            topic: topic.clone(),
            partition: hooklog_schemas::Partition(message.partition()),
            offset: hooklog_schemas::Offset(message.offset()),
        };
        let timestamp = Timestamp(message.timestamp().to_millis().unwrap_or(-1));
        Incoming { position, key, value, headers: self.headers(message), timestamp }
    }

    fn take(&mut self, bytes: &[u8]) -> Bytes {
        self.room(bytes.len());
        self.0.put_slice(bytes);
        self.0.split().freeze()
    }

    fn headers(&mut self, message: &BorrowedMessage<'_>) -> Headers {
        let Some(headers) = message.headers() else { return Headers::default() };
        for at in 0..headers.count() {
            // The client library panics at a name that is no UTF-8; whoever wrote such a header must not stop a reader.
            let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| headers.try_get(at)));
            let Ok(Some(header)) = read else { continue };
            let value = header.value.unwrap_or_default();
            self.room(8 + header.key.len() + value.len());
            put_header(&mut self.0, header.key, value);
        }
        Headers(self.0.split().freeze())
    }

    fn room(&mut self, bytes: usize) {
        if self.0.capacity() - self.0.len() < bytes {
            self.0.reserve(bytes.max(Self::CHUNK_BYTES));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_of_a_repeated_name_counts() {
        let headers: Headers = [("a", "1"), ("b", ""), ("a", "2")].into_iter().collect();
        assert_eq!(headers.get("a"), Some(&b"2"[..]));
        assert_eq!(headers.get("b"), Some(&b""[..]));
        assert_eq!(headers.get("c"), None);
        assert_eq!(headers.len(), 3);
        assert!(Headers::default().is_empty());
    }

    proptest! {
        #[test]
        fn headers_read_as_they_were_written(written: Vec<(String, Vec<u8>)>) {
            let headers: Headers = written.iter().map(|(name, value)| (name, value)).collect();
            let read: Vec<_> = headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
            prop_assert_eq!(read, written);
        }
    }
}
