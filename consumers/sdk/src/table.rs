//! Typed tables of a consumer's state: a tag, a name, and how keys and values become bytes.

use std::marker::PhantomData;

use hooklog_disk::key::{KeyError, KeyReader, KeyWriter, Part};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::Fault;

/// A table of the state. The tag is what is stored: it is never used again for another table.
///
/// ```
/// use hooklog_consumer::Table;
/// const COUNTS: Table<(String, String), u64> = Table::new(1, "counts");
/// ```
#[derive(Debug)]
pub struct Table<K, V> {
    tag: u16,
    name: &'static str,
    types: PhantomData<fn(K) -> V>,
}

/// How a value is encoded: the first byte of every stored value.
const JSON: u8 = 1;

/// The largest value, in bytes.
pub const VALUE_LIMIT: usize = 1 << 20;

/// The largest key, in bytes.
pub const KEY_LIMIT: usize = 4 << 10;

/// A key of a table: parts whose stored bytes sort as the values do.
pub trait StateKey: Sized {
    /// Writes the key's parts.
    fn write(&self, key: &mut KeyWriter);

    /// Reads the parts back.
    ///
    /// # Errors
    /// [`KeyError`] when the bytes are those of another type.
    fn read(key: &mut KeyReader<'_>) -> Result<Self, KeyError>;
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Table<K, V> {}

impl<K, V> Table<K, V> {
    /// The table with this tag. The name is shown to people.
    #[must_use]
    pub const fn new(tag: u16, name: &'static str) -> Self {
        Self { tag, name, types: PhantomData }
    }

    /// The tag.
    #[must_use]
    pub const fn tag(&self) -> u16 {
        self.tag
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<K: StateKey, V: Serialize + DeserializeOwned> Table<K, V> {
    pub(crate) fn key_bytes(&self, key: &K) -> Result<Vec<u8>, Fault> {
        let mut bytes = KeyWriter::after(&self.tag.to_be_bytes());
        key.write(&mut bytes);
        let bytes = bytes.finish();
        if bytes.len() > KEY_LIMIT {
            return Err(Fault::permanent(format_args!(
                "a key of table {} has {} bytes, the limit is {KEY_LIMIT}",
                self.name,
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    pub(crate) fn value_bytes(&self, value: &V) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![JSON];
        serde_json::to_writer(&mut bytes, value)?;
        if bytes.len() > VALUE_LIMIT {
            return Err(Fault::permanent(format_args!(
                "a value of table {} has {} bytes, the limit is {VALUE_LIMIT}",
                self.name,
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// The key and the value of a stored row, without the table's tag.
    ///
    /// # Errors
    /// A fatal [`Fault`] when the row was written with other types, or by a newer version.
    pub fn row(&self, key: &[u8], value: &[u8]) -> Result<(K, V), Fault> {
        let key = K::read(&mut KeyReader::new(key))
            .map_err(|error| Fault::fatal(format_args!("table {} (tag {}): {error}", self.name, self.tag)))?;
        Ok((key, self.value(value)?))
    }

    pub(crate) fn value(&self, stored: &[u8]) -> Result<V, Fault> {
        json(stored).map_err(|error| {
            Fault::fatal(format_args!(
                "table {} (tag {}) holds values of another type: {error}; give the new type a new tag, or rebuild the state",
                self.name, self.tag
            ))
        })
    }
}

/// Any stored value as JSON.
///
/// # Errors
/// The cause, in words.
pub fn json<V: DeserializeOwned>(stored: &[u8]) -> Result<V, String> {
    match stored.split_first() {
        Some((&JSON, text)) => serde_json::from_slice(text).map_err(|error| error.to_string()),
        Some((version, _)) => Err(format!("value encoding {version} is not known to this version")),
        None => Err("the value is empty".to_owned()),
    }
}

macro_rules! part {
    ($type:ty, $variant:ident, $write:expr) => {
        impl StateKey for $type {
            fn write(&self, key: &mut KeyWriter) {
                let write: fn(&Self, &mut KeyWriter) = $write;
                write(self, key);
            }
            fn read(key: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                match key.part()? {
                    Some(Part::$variant(value)) => Ok(value),
                    Some(_) => Err(KeyError::OtherType),
                    None => Err(KeyError::Truncated),
                }
            }
        }
    };
}

part!(String, Text, |value, key| {
    key.text(value);
});
part!(Vec<u8>, Bytes, |value, key| {
    key.bytes(value);
});
part!(u64, Unsigned, |value, key| {
    key.unsigned(*value);
});
part!(i64, Signed, |value, key| {
    key.signed(*value);
});

impl<A: StateKey, B: StateKey> StateKey for (A, B) {
    fn write(&self, key: &mut KeyWriter) {
        self.0.write(key);
        self.1.write(key);
    }
    fn read(key: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        Ok((A::read(key)?, B::read(key)?))
    }
}

impl<A: StateKey, B: StateKey, C: StateKey> StateKey for (A, B, C) {
    fn write(&self, key: &mut KeyWriter) {
        self.0.write(key);
        self.1.write(key);
        self.2.write(key);
    }
    fn read(key: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        Ok((A::read(key)?, B::read(key)?, C::read(key)?))
    }
}
