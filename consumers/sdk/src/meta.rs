//! What a state says about itself: whose it is, how far the log is read, which tables it has.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use hooklog_disk::{Batch, Direction, Disk, KeyRange, Sync};

use crate::identity::Identity;
use crate::store::{META, Owner, StoreError};

/// The keys of the family `meta`, one byte each; a number is never used for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// The version of this layout.
    Format = 0x01,
    /// Whose state it is.
    Identity = 0x02,
    /// The first offset not read.
    Next = 0x03,
    /// The log time reached.
    Time = 0x04,
    /// Present when it was closed in order.
    Closed = 0x0A,
    /// Who began it.
    Owner = 0x0B,
    /// Followed by a table's tag: the table's name.
    Table = 0x10,
}

impl Tag {
    /// The stored key.
    #[must_use]
    pub const fn key(self) -> [u8; 1] {
        [self as u8]
    }
}

/// The layout this version writes and reads.
const FORMAT: u8 = 1;

pub(crate) fn table_key(tag: u16) -> [u8; 3] {
    let [high, low] = tag.to_be_bytes();
    [Tag::Table as u8, high, low]
}

/// Begins a state: layout, identity and owner, on the device before anything else.
pub(crate) fn begin(disk: &dyn Disk, identity: &Identity, owner: Owner) -> Result<(), StoreError> {
    let identity = serde_json::to_vec(identity)
        .map_err(|error| StoreError::Format { what: "identity", detail: error.to_string() })?;
    let mut batch = Batch::new();
    batch.put(META, &Tag::Format.key(), &[FORMAT]);
    batch.put(META, &Tag::Identity.key(), &identity);
    batch.put(META, &Tag::Owner.key(), &owner.0);
    Ok(disk.write(&batch, Sync::Synced)?)
}

/// Whose state it is; nothing when none was begun.
pub(crate) fn read_identity(disk: &dyn Disk) -> Result<Option<Identity>, StoreError> {
    match disk.get(META, &Tag::Format.key())?.as_deref() {
        None => return Ok(None),
        Some([FORMAT]) => {}
        Some(other) => return Err(StoreError::Format { what: "layout", detail: format!("version {other:02x?}") }),
    }
    let stored = disk.get(META, &Tag::Identity.key())?.unwrap_or_default();
    let identity = serde_json::from_slice(&stored)
        .map_err(|error| StoreError::Format { what: "identity", detail: error.to_string() })?;
    Ok(Some(identity))
}

pub(crate) fn read_owner(disk: &dyn Disk) -> Result<Owner, StoreError> {
    let stored = disk.get(META, &Tag::Owner.key())?.unwrap_or_default();
    let owner = stored
        .as_slice()
        .try_into()
        .map_err(|_| StoreError::Format { what: "owner", detail: format!("{} bytes", stored.len()) })?;
    Ok(Owner(owner))
}

pub(crate) fn read_number(disk: &dyn Disk, tag: Tag) -> Result<Option<i64>, StoreError> {
    let Some(stored) = disk.get(META, &tag.key())? else { return Ok(None) };
    let bytes = stored
        .as_slice()
        .try_into()
        .map_err(|_| StoreError::Format { what: "offsets", detail: format!("{} bytes at {tag:?}", stored.len()) })?;
    Ok(Some(i64::from_be_bytes(bytes)))
}

pub(crate) fn read_tables(disk: &dyn Disk) -> Result<BTreeMap<u16, String>, StoreError> {
    let mut tables = BTreeMap::new();
    disk.scan(META, &KeyRange::prefix(&Tag::Table.key()), Direction::Forward, &mut |key, value| {
        if let [_, high, low] = *key {
            tables.insert(u16::from_be_bytes([high, low]), String::from_utf8_lossy(value).into_owned());
        }
        ControlFlow::Continue(())
    })?;
    Ok(tables)
}
