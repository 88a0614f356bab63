//! RocksDB opened with every option chosen: the log of writes always on, damage refused, memory shared.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BoundColumnFamily, ColumnFamilyDescriptor, DBRecoveryMode, DBWithThreadMode, LogLevel, MultiThreaded, Options,
    ReadOptions, WriteBatch, WriteOptions,
};

use crate::batch::{Batch, Operation};
use crate::budget::Budget;
use crate::disk::{Direction, Disk, KeyRange, Sync, Visit};
use crate::error::DiskError;
use crate::family::{self, FamilySpec};

type Database = DBWithThreadMode<MultiThreaded>;

/// What opening does with the log of writes that a crash left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recovery {
    /// A record cut short at the very end is dropped, as a crash leaves one; damage anywhere before refuses to open. File
    /// systems lose the end of an appended file by length, so a crash alone never makes this refuse.
    #[default]
    TornTail,
    /// Everything before the first damage is kept and the store opens without a word. Only for an owner that can tell from
    /// elsewhere that something is missing.
    Prefix,
    /// Not even a torn end is accepted: for an owner that syncs every write and closes in order.
    Whole,
}

/// The log of writes may reach this size before the oldest rows are flushed: a quiet family must not keep it for ever.
const MAX_LOG_BYTES: u64 = 64 << 20;

/// Table files held open by one store.
const MAX_OPEN_FILES: i32 = 256;

/// Attempts to open a store for reading while its owner removes files.
const READ_ONLY_ATTEMPTS: u32 = 10;

/// Memory of a store opened for reading only, in bytes.
const READ_ONLY_BUDGET_BYTES: usize = 16 << 20;

/// A RocksDB database in a folder of its own; at most one store at a time has it open for writing.
pub struct Store {
    database: Database,
    path: PathBuf,
    specs: Vec<FamilySpec>,
    budget: Budget,
    /// The families there are; RocksDB's handle map does not tell.
    names: Mutex<BTreeSet<String>>,
}

impl Store {
    /// Opens the folder, making it and the declared families where they are missing.
    ///
    /// # Errors
    /// [`DiskError::Locked`] when it is open elsewhere, [`DiskError::Corrupt`] when it is damaged, [`DiskError::Format`] when
    /// it has a family that no spec covers, or the failure of the device.
    pub fn open(path: &Path, families: &[FamilySpec], recovery: Recovery, budget: &Budget) -> Result<Self, DiskError> {
        let mut specs = families.to_vec();
        specs.push(family::DEFAULT);
        let mut names: Vec<String> = specs.iter().filter_map(FamilySpec::name).map(str::to_owned).collect();
        for found in families_in(path)? {
            if !names.contains(&found) {
                names.push(found);
            }
        }
        let mut descriptors = Vec::with_capacity(names.len());
        for name in names.iter().cloned() {
            let spec = specs.iter().find(|spec| spec.covers(&name)).ok_or_else(|| DiskError::Format {
                path: path.to_owned(),
                report: format!("it has a family {name:?}, unknown to this version"),
            })?;
            descriptors.push(ColumnFamilyDescriptor::new(name, spec.options(budget)));
        }
        let database = Database::open_cf_descriptors(&database_options(recovery, budget), path, descriptors)
            .map_err(|error| DiskError::of(path, &error))?;
        Ok(Self { database, path: path.to_owned(), specs, budget: budget.clone(), names: known(names) })
    }

    /// Opens the folder for reading what its owner, which may be running, has written up to now; later writes are not seen.
    ///
    /// # Errors
    /// [`DiskError::Format`] when there is no store, [`DiskError::Corrupt`] when it is damaged.
    pub fn open_read_only(path: &Path) -> Result<Self, DiskError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match Self::try_open_read_only(path) {
                // The owner may have removed a file between our reading of its list and of the file.
                Err(DiskError::Io { .. } | DiskError::Corrupt { .. } | DiskError::Format { .. })
                    if attempt < READ_ONLY_ATTEMPTS && path.join("CURRENT").exists() =>
                {
                    std::thread::sleep(Duration::from_millis(u64::from(attempt) * 5));
                }
                result => return result,
            }
        }
    }

    fn try_open_read_only(path: &Path) -> Result<Self, DiskError> {
        let names = families_in(path)?;
        if names.is_empty() {
            return Err(DiskError::Format { path: path.to_owned(), report: "there is no store here".to_owned() });
        }
        let budget = Budget::new(READ_ONLY_BUDGET_BYTES);
        let descriptors = names
            .iter()
            .map(|name| ColumnFamilyDescriptor::new(name, family::DEFAULT.options(&budget)))
            .collect::<Vec<_>>();
        let mut options = database_options(Recovery::TornTail, &budget);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let database = Database::open_cf_descriptors_read_only(&options, path, descriptors, false)
            .map_err(|error| DiskError::of(path, &error))?;
        Ok(Self { database, path: path.to_owned(), specs: Vec::new(), budget, names: known(names) })
    }

    /// The store's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a copy that can be opened as a store, at `target`, which must not exist; files are linked where the file system can.
    ///
    /// # Errors
    /// [`DiskError`] when the target exists or the device fails.
    pub fn checkpoint(&self, target: &Path) -> Result<(), DiskError> {
        let checkpoint = Checkpoint::new(&self.database).map_err(|error| self.error(&error))?;
        checkpoint.create_checkpoint(target).map_err(|error| DiskError::of(target, &error))
    }

    /// Errors of flushes and compactions since opening; above zero the store takes no writes until it is reopened.
    #[must_use]
    pub fn background_errors(&self) -> u64 {
        let errors = self.database.property_int_value(rocksdb::properties::BACKGROUND_ERRORS);
        errors.ok().flatten().unwrap_or(0)
    }

    /// Syncs, stops the background work and gives the folder free.
    ///
    /// # Errors
    /// [`DiskError`] when the last sync fails.
    pub fn close(self) -> Result<(), DiskError> {
        let synced = self.sync();
        self.database.cancel_all_background_work(true);
        synced
    }

    fn family(&self, family: &str) -> Result<Arc<BoundColumnFamily<'_>>, DiskError> {
        self.database
            .cf_handle(family)
            .ok_or_else(|| DiskError::UnknownFamily { path: self.path.clone(), family: family.to_owned() })
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, error: &rocksdb::Error) -> DiskError {
        DiskError::of(&self.path, error)
    }
}

impl Disk for Store {
    fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        self.database.get_cf(&self.family(family)?, key).map_err(|error| self.error(&error))
    }

    fn multi_get(&self, family: &str, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, DiskError> {
        let handle = self.family(family)?;
        self.database
            .batched_multi_get_cf(&handle, keys.iter().copied(), false)
            .into_iter()
            .map(|value| value.map(|found| found.map(|bytes| bytes.to_vec())).map_err(|error| self.error(&error)))
            .collect()
    }

    fn scan(
        &self,
        family: &str,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), DiskError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(range.from.clone());
        if let Some(to) = &range.to {
            options.set_iterate_upper_bound(to.clone());
        }
        let mut iterator = self.database.raw_iterator_cf_opt(&self.family(family)?, options);
        match direction {
            Direction::Forward => iterator.seek_to_first(),
            Direction::Backward => iterator.seek_to_last(),
        }
        while let Some((key, value)) = iterator.item() {
            if let ControlFlow::Break(()) = visit(key, value) {
                return Ok(());
            }
            match direction {
                Direction::Forward => iterator.next(),
                Direction::Backward => iterator.prev(),
            }
        }
        iterator.status().map_err(|error| self.error(&error))
    }

    fn families(&self) -> Vec<String> {
        self.names().iter().cloned().collect()
    }

    fn create_family(&self, family: &str) -> Result<(), DiskError> {
        if self.database.cf_handle(family).is_some() {
            return Ok(());
        }
        let spec = self
            .specs
            .iter()
            .find(|spec| spec.covers(family))
            .ok_or_else(|| DiskError::UnknownFamily { path: self.path.clone(), family: family.to_owned() })?;
        self.database.create_cf(family, &spec.options(&self.budget)).map_err(|error| self.error(&error))?;
        self.names().insert(family.to_owned());
        Ok(())
    }

    fn drop_family(&self, family: &str) -> Result<(), DiskError> {
        self.family(family)?;
        self.database.drop_cf(family).map_err(|error| self.error(&error))?;
        self.names().remove(family);
        Ok(())
    }

    fn write(&self, batch: &Batch, sync: Sync) -> Result<(), DiskError> {
        let mut write = WriteBatch::with_capacity_bytes(batch.size_bytes() + batch.len() * 16);
        let mut last: Option<(&str, Arc<BoundColumnFamily<'_>>)> = None;
        for (family, operation) in batch.operations() {
            if last.as_ref().is_none_or(|(name, _)| *name != family) {
                last = Some((family, self.family(family)?));
            }
            let Some((_, handle)) = &last else { continue };
            match operation {
                Operation::Put { key, value } => write.put_cf(handle, key, value),
                Operation::Delete { key } => write.delete_cf(handle, key),
                Operation::DeleteRange { from, to } => write.delete_range_cf(handle, from, to),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync == Sync::Synced);
        self.database.write_opt(write, &options).map_err(|error| self.error(&error))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.database.flush_wal(true).map_err(|error| self.error(&error))
    }

    fn shrink(&self) -> Result<(), DiskError> {
        // The log of writes is removed once no family needs it any more.
        for family in self.families() {
            self.database.flush_cf(&self.family(&family)?).map_err(|error| self.error(&error))?;
        }
        Ok(())
    }
}

/// The caller's families, without RocksDB's own.
fn known(names: Vec<String>) -> Mutex<BTreeSet<String>> {
    Mutex::new(names.into_iter().filter(|name| name != "default").collect())
}

/// The families a folder has; none when there is no store yet.
fn families_in(path: &Path) -> Result<Vec<String>, DiskError> {
    if !path.join("CURRENT").exists() {
        return Ok(Vec::new());
    }
    Database::list_cf(&Options::default(), path).map_err(|error| DiskError::of(path, &error))
}

/// What the bindings have no function for. A database is opened without writing anew what its log holds, so that one can be opened
/// whose device is full; and its log takes no room ahead of what is written, which a small device would miss and nobody would give back.
const MORE_OPTIONS: &str = "avoid_flush_during_recovery=true;allow_fallocate=false";

fn database_options(recovery: Recovery, budget: &Budget) -> Options {
    let mut options = family::DEFAULT.options(budget);
    options =
        options.get_options_from_string(MORE_OPTIONS).expect("RocksDB knows its own option; every test opens one");
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_wal_recovery_mode(match recovery {
        Recovery::TornTail => DBRecoveryMode::TolerateCorruptedTailRecords,
        Recovery::Prefix => DBRecoveryMode::PointInTime,
        Recovery::Whole => DBRecoveryMode::AbsoluteConsistency,
    });
    // Reused log files would let an old record follow a torn end.
    options.set_recycle_log_file_num(0);
    options.set_max_total_wal_size(MAX_LOG_BYTES);
    options.set_write_buffer_manager(&budget.buffers);
    options.set_max_open_files(MAX_OPEN_FILES);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    // RocksDB's own text log, bounded to two files of a mebibyte.
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(1 << 20);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}
