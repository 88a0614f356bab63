//! What a handler may do: read and write its tables, append to the log, write down outside calls.

use bytes::Bytes;
use hooklog_schemas::{Timestamp, TopicName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::draft::{Changes, Draft, Emit};
use crate::fault::Fault;
use crate::store::PartitionStore;
use crate::table::{StateKey, Table};

/// Effects one event may write down.
pub const EFFECTS_PER_EVENT: usize = 64;

/// Records one event may append.
pub const EMITS_PER_EVENT: usize = 64;

/// The largest payload of an effect, in bytes.
pub const PAYLOAD_LIMIT: usize = 1 << 20;

/// One event's view of the state, with what it changes.
pub struct Context<'a> {
    store: &'a PartitionStore,
    draft: &'a Draft,
    changes: Changes,
}

impl<'a> Context<'a> {
    pub(crate) fn new(store: &'a PartitionStore, draft: &'a Draft) -> Self {
        Self { store, draft, changes: Changes::default() }
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    /// A table of the state. Keys of other partitions are not in it: what belongs together must have one event key.
    pub fn table<K, V>(&mut self, table: Table<K, V>) -> StateTable<'_, 'a, K, V> {
        StateTable { cx: self, table }
    }

    /// The log's time at this event. There is no other clock: a handler that read one could not be run again.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.draft.time()
    }

    /// Appends a record to another topic. It is in the log before the state that goes with it is written; after a crash it may be
    /// there twice, with one `hooklog-effect-id`.
    ///
    /// # Errors
    /// A permanent [`Fault`] beyond [`EMITS_PER_EVENT`].
    pub fn emit(&mut self, topic: TopicName, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), Fault> {
        if self.changes.emits.len() == EMITS_PER_EVENT {
            return Err(Fault::permanent(format_args!("one event appends at most {EMITS_PER_EVENT} records")));
        }
        self.changes.emits.push(Emit { topic, key: key.into(), value: value.into() });
        Ok(())
    }

    /// Writes down an outside call, made after the state was written.
    ///
    /// # Errors
    /// A permanent [`Fault`] beyond [`EFFECTS_PER_EVENT`] or [`PAYLOAD_LIMIT`], or when the payload can't be encoded.
    pub fn effect(&mut self, payload: &impl Serialize) -> Result<(), Fault> {
        if self.changes.effects.len() == EFFECTS_PER_EVENT {
            return Err(Fault::permanent(format_args!("one event has at most {EFFECTS_PER_EVENT} effects")));
        }
        let payload = serde_json::to_vec(payload)?;
        if payload.len() > PAYLOAD_LIMIT {
            return Err(Fault::permanent(format_args!(
                "the effect has {} bytes, the limit is {PAYLOAD_LIMIT}",
                payload.len()
            )));
        }
        self.changes.effects.push(payload.into());
        Ok(())
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(changed) = self.changes.state.get(key).or_else(|| self.draft.state(key)) {
            return Ok(changed.clone());
        }
        self.store.state(key).map_err(Fault::fatal)
    }
}

/// A table as one event sees it: its own changes and those of all events before it.
pub struct StateTable<'c, 'a, K, V> {
    cx: &'c mut Context<'a>,
    table: Table<K, V>,
}

impl<K: StateKey, V: Serialize + DeserializeOwned> StateTable<'_, '_, K, V> {
    /// The value of `key`.
    ///
    /// # Errors
    /// A fatal [`Fault`] when the disk fails or the stored value has another type.
    pub fn get(&self, key: &K) -> Result<Option<V>, Fault> {
        let stored = self.cx.read(&self.table.key_bytes(key)?)?;
        stored.map(|stored| self.table.value(&stored)).transpose()
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// A permanent [`Fault`] when key or value are too large.
    pub fn put(&mut self, key: &K, value: &V) -> Result<(), Fault> {
        let value = self.table.value_bytes(value)?;
        self.change(key, Some(value))
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// A permanent [`Fault`] when the key is too large.
    pub fn delete(&mut self, key: &K) -> Result<(), Fault> {
        self.change(key, None)
    }

    /// Sets `key` to what `change` makes of its value, and returns that.
    ///
    /// # Errors
    /// As [`Self::get`] and [`Self::put`].
    pub fn update(&mut self, key: &K, change: impl FnOnce(Option<V>) -> V) -> Result<V, Fault> {
        let value = change(self.get(key)?);
        self.put(key, &value)?;
        Ok(value)
    }

    fn change(&mut self, key: &K, value: Option<Vec<u8>>) -> Result<(), Fault> {
        let key = self.table.key_bytes(key)?;
        self.cx.changes.tables.insert(self.table.tag(), self.table.name());
        self.cx.changes.state.insert(key, value);
        Ok(())
    }
}
