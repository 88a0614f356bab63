//! Reading a consumer's state from outside, also while the consumer runs: every partition's tables, as JSON or typed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hooklog_disk::key::{KeyReader, Part};
use hooklog_disk::{Direction, Disk, DiskError, KeyRange, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::identity::Identity;
use crate::meta::{self, Tag};
use crate::store::{OUTBOX, STATE, StoreError};
use crate::table::{self, StateKey, Table};

/// Why a state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is none.
    #[error("there is no state of {group} under {}: is this its data folder?", root.display())]
    Nothing {
        /// Where was looked.
        root: PathBuf,
        /// Whose was wanted.
        group: String,
    },
    /// A folder can't be read.
    #[error("{} can't be read: {cause}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The state is of another version or another consumer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row can't be read.
    #[error("{} has a row that can't be read: {cause}", path.display())]
    Row {
        /// The state's folder.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// A row of a state, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The table's name.
    pub table: String,
    /// The key's parts; a single part stands alone.
    pub key: Value,
    /// The value.
    pub value: Value,
}

/// The state of one partition, open for reading.
pub struct PartitionState {
    store: Store,
    identity: Identity,
    tables: BTreeMap<u16, String>,
}

/// The states of a group: all its topics and partitions, each in its newest generation.
///
/// # Errors
/// [`StateError::Nothing`] when there are none.
pub fn open(root: &Path, group: &str) -> Result<Vec<PartitionState>, StateError> {
    let mut states = Vec::new();
    // `hooklog dev` keeps the states one folder deeper, beside its log.
    let homes = [root.join(group), root.join("state").join(group)];
    let home = homes.iter().find(|home| home.is_dir()).unwrap_or(&homes[0]);
    for topic in folders(home)? {
        for partition in folders(&topic)? {
            let generation = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix('g')?.parse::<u32>().ok();
            let newest = folders(&partition)?.into_iter().max_by_key(generation);
            if let Some(state) = newest.map(|path| PartitionState::open(&path)).transpose()? {
                states.extend(state);
            }
        }
    }
    states.sort_by(|a, b| {
        let place = |state: &PartitionState| (state.identity.topic.clone(), state.identity.partition);
        place(a).cmp(&place(b))
    });
    if states.is_empty() {
        return Err(StateError::Nothing { root: root.to_owned(), group: group.to_owned() });
    }
    Ok(states)
}

impl PartitionState {
    /// Opens one state's folder; nothing when it was not begun yet.
    ///
    /// # Errors
    /// [`StateError`] when it is damaged or of another version.
    pub fn open(path: &Path) -> Result<Option<Self>, StateError> {
        if !path.join("CURRENT").exists() {
            return Ok(None);
        }
        let store = Store::open_read_only(path)?;
        let Some(identity) = meta::read_identity(&store)? else { return Ok(None) };
        let tables = meta::read_tables(&store)?;
        Ok(Some(Self { store, identity, tables }))
    }

    /// Whose state it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The first offset not read.
    ///
    /// # Errors
    /// What the disk says.
    pub fn next(&self) -> Result<Option<i64>, StateError> {
        Ok(meta::read_number(&self.store, Tag::Next)?)
    }

    /// The number of effects not yet made.
    ///
    /// # Errors
    /// What the disk says.
    pub fn pending_effects(&self) -> Result<usize, StateError> {
        let mut count = 0;
        self.store.scan(OUTBOX, &KeyRange::all(), Direction::Forward, &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// Visits every row of every table.
    ///
    /// # Errors
    /// [`StateError`] on a damaged disk or a row that can't be read.
    pub fn rows(&self, mut visit: impl FnMut(Row)) -> Result<(), StateError> {
        let mut bad = None;
        self.store.scan(STATE, &KeyRange::all(), Direction::Forward, &mut |key, value| match self.row(key, value) {
            Ok(row) => {
                visit(row);
                ControlFlow::Continue(())
            }
            Err(cause) => {
                bad = Some(cause);
                ControlFlow::Break(())
            }
        })?;
        self.whole(bad)
    }

    /// Visits the rows of one table.
    ///
    /// # Errors
    /// [`StateError`] on a damaged disk or a row of other types.
    pub fn table<K, V>(&self, table: Table<K, V>, mut visit: impl FnMut(K, V)) -> Result<(), StateError>
    where
        K: StateKey,
        V: Serialize + DeserializeOwned,
    {
        let mut bad = None;
        let range = KeyRange::prefix(&table.tag().to_be_bytes());
        self.store.scan(STATE, &range, Direction::Forward, &mut |key, value| match table
            .row(key.get(2..).unwrap_or_default(), value)
        {
            Ok((key, value)) => {
                visit(key, value);
                ControlFlow::Continue(())
            }
            Err(fault) => {
                bad = Some(fault.to_string());
                ControlFlow::Break(())
            }
        })?;
        self.whole(bad)
    }

    fn whole(&self, bad: Option<String>) -> Result<(), StateError> {
        bad.map_or(Ok(()), |cause| Err(StateError::Row { path: self.store.path().to_owned(), cause }))
    }

    fn row(&self, key: &[u8], value: &[u8]) -> Result<Row, String> {
        let (tag, key) = key.split_first_chunk::<2>().ok_or("the key has no table")?;
        let tag = u16::from_be_bytes(*tag);
        let table = self.tables.get(&tag).cloned().unwrap_or_else(|| tag.to_string());
        let mut parts = Vec::new();
        let mut reader = KeyReader::new(key);
        while let Some(part) = reader.part().map_err(|error| error.to_string())? {
            parts.push(match part {
                Part::Bytes(bytes) => Value::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
                Part::Text(text) => Value::from(text),
                Part::Unsigned(number) => Value::from(number),
                Part::Signed(number) => Value::from(number),
            });
        }
        let key = if parts.len() == 1 { parts.remove(0) } else { Value::from(parts) };
        Ok(Row { table, key, value: table::json(value)? })
    }
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, StateError> {
    let failed = |cause| StateError::Folder { path: path.to_owned(), cause };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}
