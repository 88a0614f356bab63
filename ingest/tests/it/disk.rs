//! A disk in memory that fails on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hooklog_disk::disk::Visit;
use hooklog_disk::testing::MemoryStore;
use hooklog_disk::{Batch, Direction, Disk, DiskError, KeyRange, Sync};

use crate::server::Opening;

/// Clones are the same disk.
#[derive(Clone)]
pub(crate) struct TestDisk {
    pub(crate) store: MemoryStore,
    broken: Arc<AtomicBool>,
    /// Grows when the process dies: whoever opened the disk before can do nothing with it any more.
    life: Arc<AtomicU64>,
    born: u64,
}

impl TestDisk {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new(&["records", "lanes", "counts", "aside"]);
        Self { store, broken: Arc::default(), life: Arc::default(), born: 0 }
    }

    /// The process that has it open dies, as by `kill -9`.
    pub(crate) fn dies(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
        self.breaks(true);
    }

    /// Another process may open it.
    pub(crate) fn lives(&self) {
        self.breaks(false);
    }

    /// From now on every write and sync fails, and it can't be opened; or all is well again.
    pub(crate) fn breaks(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Opens it, as often as wished.
    pub(crate) fn opener(&self) -> impl Fn() -> Opening + Send + 'static + use<> {
        let disk = self.clone();
        let born = self.life.load(Ordering::SeqCst);
        move || {
            let opened = TestDisk { born, ..disk.clone() };
            opened.check().map(|()| Box::new(opened) as Box<dyn Disk>)
        }
    }

    fn check(&self) -> Result<(), DiskError> {
        let broken = self.broken.load(Ordering::SeqCst) || self.life.load(Ordering::SeqCst) != self.born;
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
