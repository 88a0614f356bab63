//! A disk in memory that keeps the store's promises and, on demand, forgets an unsynced suffix as a machine's crash does.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::{Batch, Operation};
use crate::disk::{Direction, Disk, KeyRange, Sync, Visit};
use crate::error::DiskError;

type Family = BTreeMap<Vec<u8>, Vec<u8>>;

/// Families in memory. Clones share their content, as two openings of one folder would.
#[derive(Debug, Default, Clone)]
pub struct MemoryStore(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    families: BTreeMap<String, Family>,
    /// Everything that happened, in order: what remains after a crash is a prefix of it.
    journal: Vec<Change>,
    /// So many of the writes survive a crash of the machine.
    synced: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Create(String),
    Drop(String),
    Write(Batch),
}

impl MemoryStore {
    /// An empty disk with these families.
    #[must_use]
    pub fn new(families: &[&str]) -> Self {
        let store = Self::default();
        for family in families {
            store.content().apply(Change::Create((*family).to_owned()));
        }
        store
    }

    /// The number of writes so far.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.content().written()
    }

    /// The number of writes that a crash of the machine keeps.
    #[must_use]
    pub fn synced_writes(&self) -> usize {
        self.content().synced
    }

    /// Forgets all but the first `kept` writes, and none that was synced: a crash of the machine. Families made and dropped stay
    /// made and dropped, since RocksDB writes those to the device at once.
    pub fn lose_suffix(&self, kept: usize) {
        let mut content = self.content();
        let mut left = kept.max(content.synced);
        let journal = std::mem::take(&mut content.journal);
        content.families.clear();
        for change in journal {
            let survives = !matches!(change, Change::Write(_)) || left > 0;
            if survives {
                left -= usize::from(matches!(change, Change::Write(_)));
                content.apply(change);
            }
        }
        content.synced = content.written();
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn apply(&mut self, change: Change) {
        match &change {
            Change::Create(family) => {
                self.families.entry(family.clone()).or_default();
            }
            Change::Drop(family) => {
                self.families.remove(family);
            }
            Change::Write(batch) => {
                for (family, operation) in batch.operations() {
                    if let Some(family) = self.families.get_mut(family) {
                        apply(family, operation);
                    }
                }
            }
        }
        self.journal.push(change);
    }

    fn written(&self) -> usize {
        self.journal.iter().filter(|change| matches!(change, Change::Write(_))).count()
    }

    fn family(&self, family: &str) -> Result<&Family, DiskError> {
        self.families.get(family).ok_or_else(|| unknown(family))
    }
}

fn apply(family: &mut Family, operation: Operation<'_>) {
    match operation {
        Operation::Put { key, value } => {
            family.insert(key.to_vec(), value.to_vec());
        }
        Operation::Delete { key } => {
            family.remove(key);
        }
        Operation::DeleteRange { from, to } => family.retain(|key, _| &key[..] < from || &key[..] >= to),
    }
}

fn unknown(family: &str) -> DiskError {
    DiskError::UnknownFamily { path: PathBuf::from("(memory)"), family: family.to_owned() }
}

impl Disk for MemoryStore {
    fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.content().family(family)?.get(key).cloned())
    }

    fn multi_get(&self, family: &str, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, DiskError> {
        let content = self.content();
        let family = content.family(family)?;
        Ok(keys.iter().map(|&key| family.get(key).cloned()).collect())
    }

    fn scan(
        &self,
        family: &str,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), DiskError> {
        if range.to.as_ref().is_some_and(|to| *to <= range.from) {
            return Ok(());
        }
        let to = range.to.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let view: Vec<(Vec<u8>, Vec<u8>)> = self
            .content()
            .family(family)?
            .range((Bound::Included(range.from.clone()), to))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut visit_all = |pairs: &mut dyn Iterator<Item = (Vec<u8>, Vec<u8>)>| {
            for (key, value) in pairs {
                if let ControlFlow::Break(()) = visit(&key, &value) {
                    return;
                }
            }
        };
        match direction {
            Direction::Forward => visit_all(&mut view.into_iter()),
            Direction::Backward => visit_all(&mut view.into_iter().rev()),
        }
        Ok(())
    }

    fn families(&self) -> Vec<String> {
        self.content().families.keys().cloned().collect()
    }

    fn create_family(&self, family: &str) -> Result<(), DiskError> {
        let mut content = self.content();
        if !content.families.contains_key(family) {
            content.apply(Change::Create(family.to_owned()));
        }
        Ok(())
    }

    fn drop_family(&self, family: &str) -> Result<(), DiskError> {
        let mut content = self.content();
        content.family(family)?;
        content.apply(Change::Drop(family.to_owned()));
        Ok(())
    }

    fn write(&self, batch: &Batch, sync: Sync) -> Result<(), DiskError> {
        let mut content = self.content();
        for (family, _) in batch.operations() {
            content.family(family)?;
        }
        content.apply(Change::Write(batch.clone()));
        if sync == Sync::Synced {
            content.synced = content.written();
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut content = self.content();
        content.synced = content.written();
        Ok(())
    }
}
