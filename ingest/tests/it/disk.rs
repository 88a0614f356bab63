//! A disk in memory that fails on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hooklog_disk::disk::Visit;
use hooklog_disk::testing::MemoryStore;
use hooklog_disk::{Batch, Direction, Disk, DiskError, KeyRange, Sync};

use crate::server::Opening;

/// Clones are the same disk.
#[derive(Clone)]
pub(crate) struct TestDisk {
    pub(crate) store: MemoryStore,
    broken: Arc<AtomicBool>,
}

impl TestDisk {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new(&["records", "lanes", "counts", "aside"]);
        Self { store, broken: Arc::default() }
    }

    /// From now on every write and sync fails, and it can't be opened; or all is well again.
    pub(crate) fn breaks(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Opens it, as often as wished.
    pub(crate) fn opener(&self) -> impl Fn() -> Opening + Send + 'static + use<> {
        let disk = self.clone();
        move || disk.check().map(|()| Box::new(disk.clone()) as Box<dyn Disk>)
    }

    fn check(&self) -> Result<(), DiskError> {
        let broken = self.broken.load(Ordering::SeqCst);
        let error = DiskError::Io { path: "memory".into(), report: "Input/output error".to_owned() };
        if broken { Err(error) } else { Ok(()) }
    }
}

impl Disk for TestDisk {
    fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        self.store.get(family, key)
    }

    fn multi_get(&self, family: &str, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, DiskError> {
        self.store.multi_get(family, keys)
    }

    fn scan(
        &self,
        family: &str,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), DiskError> {
        self.store.scan(family, range, direction, visit)
    }

    fn families(&self) -> Vec<String> {
        self.store.families()
    }

    fn create_family(&self, family: &str) -> Result<(), DiskError> {
        self.store.create_family(family)
    }

    fn drop_family(&self, family: &str) -> Result<(), DiskError> {
        self.store.drop_family(family)
    }

    fn write(&self, batch: &Batch, sync: Sync) -> Result<(), DiskError> {
        self.check()?;
        self.store.write(batch, sync)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.check()?;
        self.store.sync()
    }
}
