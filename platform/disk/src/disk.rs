//! What a program may ask of a disk: families of sorted keys, atomic batches, an explicit sync.

use std::ops::ControlFlow;

use crate::batch::Batch;
use crate::error::DiskError;

/// Whether a write waits for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// The write survives a crash of the process. A crash of the machine may lose it, with all that was written after it.
    None,
    /// The write, and all before it, survive a crash of the machine.
    Synced,
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key.
    Forward,
    /// From the largest key.
    Backward,
}

/// The keys a scan visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The smallest key visited.
    pub from: Vec<u8>,
    /// The first key beyond the range; nothing when it has no upper end.
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self { from: Vec::new(), to: None }
    }

    /// Every key that starts with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { from: prefix.to_vec(), to: after_prefix(prefix) }
    }
}

/// The smallest key greater than every key that starts with `prefix`; nothing when `prefix` is all `FF`.
#[must_use]
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// What a scan calls for each key and value; `Break` ends it.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Families of sorted keys. Implemented by [`crate::Store`] and, without a disk, by [`crate::testing::MemoryStore`].
pub trait Disk: Send + std::marker::Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`DiskError`] when the family is unknown or the disk fails or is damaged.
    fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError>;

    /// The values of `keys`, in their order; one round through the files for all of them.
    ///
    /// # Errors
    /// As [`Disk::get`].
    fn multi_get(&self, family: &str, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, DiskError>;

    /// Visits the keys of `range` in order, from one consistent view.
    ///
    /// # Errors
    /// As [`Disk::get`].
    fn scan(
        &self,
        family: &str,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), DiskError>;

    /// The names of the families, sorted.
    fn families(&self) -> Vec<String>;

    /// Makes a family; one that exists is left as it is. Not a part of any batch.
    ///
    /// # Errors
    /// [`DiskError`] when the family's shape was not declared at opening, or the disk fails.
    fn create_family(&self, family: &str) -> Result<(), DiskError>;

    /// Drops a family with all its keys, without reading them. Not a part of any batch.
    ///
    /// # Errors
    /// [`DiskError`] when the family is unknown or the disk fails.
    fn drop_family(&self, family: &str) -> Result<(), DiskError>;

    /// Writes the batch whole or not at all.
    ///
    /// # Errors
    /// [`DiskError`] when a family is unknown or the disk fails; then nothing of the batch is there after reopening, unless
    /// the failure was that of the sync, after which the store must be reopened before its content can be trusted.
    fn write(&self, batch: &Batch, sync: Sync) -> Result<(), DiskError>;

    /// Waits until everything written is on the device.
    ///
    /// # Errors
    /// [`DiskError`] when the device fails. Do not retry and go on: close the store and open it again.
    fn sync(&self) -> Result<(), DiskError>;

    /// Gives back to the device what was deleted and still takes room, which needs some room itself. What has nothing to give does nothing.
    ///
    /// # Errors
    /// [`DiskError`] when the device fails.
    fn shrink(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_without_it() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 0xFF]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xFF, 0xFF]), None);
        assert_eq!(after_prefix(&[]), None);
    }
}
