//! Avro's binary primitives (specification 1.12, "Binary Encoding"): zigzag varint longs, length-prefixed bytes and strings.
//!
//! Written by hand for the one record that every request and every consumer pays for; tests hold it against the `apache-avro` crate.

use bytes::Bytes;

/// Why bytes are not the Avro value expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AvroError {
    /// The bytes end within a value.
    #[error("the bytes end at {at}, within a value")]
    Short {
        /// Byte position in the datum.
        at: usize,
    },
    /// A varint is longer than a 64-bit number.
    #[error("the number at byte {at} is longer than 64 bits")]
    LongNumber {
        /// Byte position in the datum.
        at: usize,
    },
    /// A negative or impossible length.
    #[error("the length at byte {at} is impossible")]
    BadLength {
        /// Byte position in the datum.
        at: usize,
    },
    /// A string that is not UTF-8.
    #[error("the string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Byte position in the datum.
        at: usize,
    },
    /// A union branch that the schema does not have.
    #[error("the union at byte {at} has no such branch")]
    BadBranch {
        /// Byte position in the datum.
        at: usize,
    },
    /// Bytes after the record's end.
    #[error("{extra} bytes follow the record")]
    Trailing {
        /// How many.
        extra: usize,
    },
}

pub(crate) fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    out.extend_from_slice(bytes);
}

/// The union `["null", "string"]`.
pub(crate) fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => put_long(out, 0),
        Some(text) => {
            put_long(out, 1);
            put_bytes(out, text.as_bytes());
        }
    }
}

/// A place in a datum. Byte fields come out as slices of it, without a copy.
pub(crate) struct Cursor<'a> {
    datum: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(datum: &'a Bytes, at: usize) -> Self {
        Self { datum, at }
    }

    /// Where it stands, in bytes.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// What was passed over since it stood at `start`.
    pub(crate) fn since(&self, start: usize) -> Bytes {
        self.datum.slice(start..self.at)
    }

    pub(crate) fn long(&mut self) -> Result<i64, AvroError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.datum.get(self.at).ok_or(AvroError::Short { at: self.at })?;
            self.at += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(AvroError::LongNumber { at: start })
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, AvroError> {
        let slice = self.slice()?;
        Ok(self.since(self.at - slice.len()))
    }

    /// The same, borrowed.
    pub(crate) fn slice(&mut self) -> Result<&'a [u8], AvroError> {
        let length = self.length()?;
        let slice = self.datum.get(self.at..self.at + length).ok_or(AvroError::Short { at: self.datum.len() })?;
        self.at += length;
        Ok(slice)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, AvroError> {
        let slice = self.slice()?;
        std::str::from_utf8(slice).map_err(|_| AvroError::NotUtf8 { at: self.at - slice.len() })
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<&'a str>, AvroError> {
        let start = self.at;
        match self.long()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(AvroError::BadBranch { at: start }),
        }
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], AvroError> {
        let slice = self.datum.get(self.at..self.at + N).ok_or(AvroError::Short { at: self.datum.len() })?;
        self.at += N;
        slice.try_into().map_err(|_| AvroError::Short { at: self.at })
    }

    /// How many items the next block of an array has; its byte size, where the writer gives it, is passed over. 0 ends the array.
    pub(crate) fn block(&mut self) -> Result<usize, AvroError> {
        let start = self.at;
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        // Every item takes a byte at least, so more items than bytes are a lie told to make us allocate.
        usize::try_from(count.unsigned_abs())
            .ok()
            .filter(|&count| count <= self.datum.len() - self.at)
            .ok_or(AvroError::BadLength { at: start })
    }

    pub(crate) fn end(&self) -> Result<(), AvroError> {
        match self.datum.len() - self.at {
            0 => Ok(()),
            extra => Err(AvroError::Trailing { extra }),
        }
    }

    fn length(&mut self) -> Result<usize, AvroError> {
        let start = self.at;
        let length = self.long()?;
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= self.datum.len())
            .ok_or(AvroError::BadLength { at: start })
    }
}
