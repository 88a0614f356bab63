//! Keys of several parts whose bytes sort as their values do, and which tell their parts' types when read back.

/// One part of a key. Parts of different types sort by type first: bytes, text, unsigned, signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
}

/// Why bytes are not a key written by [`KeyWriter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key ends within a part.
    #[error("the key ends within a part")]
    Truncated,
    /// A part has a type this version does not know.
    #[error("the key has a part of unknown type {0}: it was written by a newer version")]
    UnknownType(u8),
    /// A part has another type than its reader expects.
    #[error("a part of the key has another type than expected")]
    OtherType,
    /// A text part is not UTF-8.
    #[error("a text part of the key is not UTF-8")]
    NotText,
}

const BYTES: u8 = 0x01;
const TEXT: u8 = 0x02;
const UNSIGNED: u8 = 0x03;
const SIGNED: u8 = 0x04;

/// A zero byte within a part is written as `00 FF`, so that the end of the part (`00 01`) sorts before any longer part.
const ESCAPED_ZERO: u8 = 0xFF;
const END: u8 = 0x01;

/// Builds a key part by part.
#[derive(Debug, Default, Clone)]
pub struct KeyWriter(Vec<u8>);

impl KeyWriter {
    /// An empty key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on after `prefix`, bytes that are not parts (a table's tag).
    #[must_use]
    pub fn after(prefix: &[u8]) -> Self {
        Self(prefix.to_vec())
    }

    /// Adds raw bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.push(BYTES);
        self.escaped(value)
    }

    /// Adds text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.0.push(TEXT);
        self.escaped(value.as_bytes())
    }

    /// Adds an unsigned number.
    pub fn unsigned(&mut self, value: u64) -> &mut Self {
        self.0.push(UNSIGNED);
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Adds a signed number; the flipped sign bit makes negative numbers sort first.
    pub fn signed(&mut self, value: i64) -> &mut Self {
        self.0.push(SIGNED);
        self.0.extend_from_slice(&(value.cast_unsigned() ^ (1 << 63)).to_be_bytes());
        self
    }

    /// The key's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn escaped(&mut self, value: &[u8]) -> &mut Self {
        for &byte in value {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(ESCAPED_ZERO);
            }
        }
        self.0.extend_from_slice(&[0, END]);
        self
    }
}

/// Reads a key's parts in their order.
#[derive(Debug, Clone)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// Reads `key`, without any prefix that is not a part.
    #[must_use]
    pub const fn new(key: &'a [u8]) -> Self {
        Self(key)
    }

    /// The next part, or nothing at the end.
    ///
    /// # Errors
    /// [`KeyError`] when the bytes are not a key.
    pub fn part(&mut self) -> Result<Option<Part>, KeyError> {
        let Some((&kind, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        self.0 = rest;
        let part = match kind {
            BYTES => Part::Bytes(self.unescaped()?),
            TEXT => Part::Text(String::from_utf8(self.unescaped()?).map_err(|_| KeyError::NotText)?),
            UNSIGNED => Part::Unsigned(u64::from_be_bytes(self.eight()?)),
            SIGNED => Part::Signed((u64::from_be_bytes(self.eight()?) ^ (1 << 63)).cast_signed()),
            unknown => return Err(KeyError::UnknownType(unknown)),
        };
        Ok(Some(part))
    }

    fn eight(&mut self) -> Result<[u8; 8], KeyError> {
        let (value, rest) = self.0.split_first_chunk::<8>().ok_or(KeyError::Truncated)?;
        self.0 = rest;
        Ok(*value)
    }

    fn unescaped(&mut self) -> Result<Vec<u8>, KeyError> {
        let mut value = Vec::new();
        let mut bytes = self.0.iter().enumerate();
        while let Some((_, &byte)) = bytes.next() {
            if byte != 0 {
                value.push(byte);
                continue;
            }
            match bytes.next() {
                Some((_, &ESCAPED_ZERO)) => value.push(0),
                Some((at, &END)) => {
                    self.0 = &self.0[at + 1..];
                    return Ok(value);
                }
                _ => return Err(KeyError::Truncated),
            }
        }
        Err(KeyError::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            proptest::collection::vec(prop_oneof![Just(0u8), Just(1u8), Just(255u8), any::<u8>()], 0..6)
                .prop_map(Part::Bytes),
            "[a\u{0}é]{0,4}".prop_map(Part::Text),
            any::<u64>().prop_map(Part::Unsigned),
            prop_oneof![any::<i64>(), -2..2i64].prop_map(Part::Signed),
        ]
    }

    fn encode(parts: &[Part]) -> Vec<u8> {
        let mut key = KeyWriter::new();
        for part in parts {
            match part {
                Part::Bytes(value) => key.bytes(value),
                Part::Text(value) => key.text(value),
                Part::Unsigned(value) => key.unsigned(*value),
                Part::Signed(value) => key.signed(*value),
            };
        }
        key.finish()
    }

    proptest! {
        #[test]
        fn bytes_sort_as_the_values_do(
            a in proptest::collection::vec(part(), 0..4),
            b in proptest::collection::vec(part(), 0..4),
        ) {
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
        }

        #[test]
        fn a_key_is_read_back(parts in proptest::collection::vec(part(), 0..4)) {
            let bytes = encode(&parts);
            let mut reader = KeyReader::new(&bytes);
            let mut read = Vec::new();
            while let Some(part) = reader.part().unwrap() {
                read.push(part);
            }
            prop_assert_eq!(read, parts);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let mut reader = KeyReader::new(&bytes);
            while let Ok(Some(_)) = reader.part() {}
        }
    }
}
