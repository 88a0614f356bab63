//! The headers of a received request, kept as they lie in the record and read on demand.

use std::fmt;

use bytes::Bytes;

use crate::avro_bytes::{AvroError, Cursor, put_bytes, put_long};
use crate::codec::{DecodeError, HEADER_LIMIT};

/// A request's headers in their order, names in lower case and possibly repeated; values need not be UTF-8.
///
/// They stay a slice of the record that they came in: most consumers look at none or one of twenty, and pay for no more.
#[derive(Clone, Default)]
pub struct RequestHeaders {
    /// An Avro array of records of a string and bytes, known to be whole; empty for no headers.
    array: Bytes,
    count: usize,
}

impl RequestHeaders {
    /// The value of the last header of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().filter(|(given, _)| *given == name).last().map(|(_, value)| value)
    }

    /// All headers in order.
    #[must_use]
    pub const fn iter(&self) -> Iter<'_> {
        Iter { cursor: Cursor::new(&self.array, 0), left_in_block: 0 }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Checks the array at the cursor and passes over it.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let start = cursor.at();
        let mut count = 0;
        loop {
            let block = cursor.block()?;
            if block == 0 {
                return Ok(Self { array: cursor.since(start), count });
            }
            count += block;
            if count > HEADER_LIMIT {
                return Err(DecodeError::TooManyHeaders);
            }
            for _ in 0..block {
                cursor.text()?;
                cursor.slice()?;
            }
        }
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for RequestHeaders {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut array = Vec::new();
        let mut count = 0;
        // A block for each: how many there are is not known before.
        for (name, value) in headers {
            put_long(&mut array, 1);
            put_bytes(&mut array, name.as_ref().as_bytes());
            put_bytes(&mut array, value.as_ref());
            count += 1;
        }
        put_long(&mut array, 0);
        Self { array: array.into(), count }
    }
}

impl<'a> IntoIterator for &'a RequestHeaders {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// See [`RequestHeaders::iter`].
pub struct Iter<'a> {
    cursor: Cursor<'a>,
    left_in_block: usize,
}

impl<'a> Iter<'a> {
    fn read(&mut self) -> Result<Option<(&'a str, &'a [u8])>, AvroError> {
        if self.left_in_block == 0 {
            self.left_in_block = self.cursor.block()?;
        }
        if self.left_in_block == 0 {
            return Ok(None);
        }
        self.left_in_block -= 1;
        Ok(Some((self.cursor.text()?, self.cursor.slice()?)))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // The array was checked when it was read; without headers there is none, which ends here too.
        self.read().ok().flatten()
    }
}

impl PartialEq for RequestHeaders {
    /// By content: one array can be written in several ways.
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other)
    }
}

impl Eq for RequestHeaders {}

impl fmt::Debug for RequestHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_repeated_name_counts() {
        let headers: RequestHeaders = [("a", "1"), ("b", ""), ("a", "2")].into_iter().collect();
        assert_eq!(headers.get("a"), Some(&b"2"[..]));
        assert_eq!(headers.get("b"), Some(&b""[..]));
        assert_eq!(headers.get("c"), None);
        assert_eq!((headers.len(), headers.iter().count()), (3, 3));
    }

    #[test]
    fn none_at_all_read_as_none() {
        let none = RequestHeaders::default();
        assert!(none.is_empty() && none.iter().next().is_none());
        assert_eq!(none, std::iter::empty::<(&str, &str)>().collect());
    }

    #[test]
    fn blocks_are_read_with_and_without_their_size() {
        // Two items in a block that tells its size of 8 bytes, one in a block that does not, the end.
        let array = Bytes::from_static(b"\x03\x10\x02a\x021\x02b\x022\x02\x02c\x023\x00rest");
        let mut cursor = Cursor::new(&array, 0);
        let headers = RequestHeaders::read(&mut cursor).unwrap();
        assert_eq!(cursor.at(), array.len() - "rest".len());
        assert_eq!(headers, [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect());
    }

    #[test]
    fn more_than_the_limit_are_refused() {
        let many: RequestHeaders = (0..=HEADER_LIMIT).map(|_| ("a", "1")).collect();
        let read = RequestHeaders::read(&mut Cursor::new(&many.array, 0));
        assert_eq!(read, Err(DecodeError::TooManyHeaders));
    }
}
