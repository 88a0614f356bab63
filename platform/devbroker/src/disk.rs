//! The few things done to a disk that can fail, behind one trait, so that a test can make them fail.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A disk that is written and synced.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Writes all of `bytes` at `position`.
    fn write(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        file.write_all_at(bytes, position)
    }
    /// Returns when the bytes of the file are on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Returns when the names in the folder are on the disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// Really syncs.
#[derive(Debug)]
pub(crate) struct Synced;

impl Disk for Synced {
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// Leaves syncing to the system.
#[derive(Debug)]
pub(crate) struct Unsynced;

impl Disk for Unsynced {
    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Puts a whole new content in place of a small file: after a crash either the old or the new one is there.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let next = path.with_extension("next");
    let file = File::create(&next)?;
    disk.write(&file, content, 0)?;
    disk.sync(&file)?;
    fs::rename(&next, path)?;
    disk.sync_folder(folder)
}

/// A disk for tests: fails on demand, counts, and can be held in the middle of a sync.
#[cfg(test)]
pub(crate) mod faulty {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    #[derive(Debug, Default)]
    pub(crate) struct Faulty {
        pub(crate) fail_write: AtomicBool,
        pub(crate) fail_sync: AtomicBool,
        pub(crate) syncs: AtomicUsize,
        pub(crate) writes: AtomicUsize,
        held: Mutex<bool>,
        released: Condvar,
    }

    impl Faulty {
        /// From now on syncs wait.
        pub(crate) fn hold(&self) {
            *self.held.lock().unwrap() = true;
        }

        pub(crate) fn release(&self) {
            *self.held.lock().unwrap() = false;
            self.released.notify_all();
        }
    }

    impl Disk for Faulty {
        fn write(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
            self.writes.fetch_add(1, Ordering::SeqCst);
            if self.fail_write.load(Ordering::SeqCst) {
                file.write_all_at(&bytes[..bytes.len() / 2], position)?;
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            file.write_all_at(bytes, position)
        }

        fn sync(&self, _: &File) -> io::Result<()> {
            self.syncs.fetch_add(1, Ordering::SeqCst);
            let mut held = self.held.lock().unwrap();
            while *held {
                held = self.released.wait(held).unwrap();
            }
            if self.fail_sync.load(Ordering::SeqCst) { Err(io::Error::other("sync failed")) } else { Ok(()) }
        }

        fn sync_folder(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }
}
