//! Everything that can be wrong with a disk, with its cause and what mends it.

use std::path::{Path, PathBuf};

use rocksdb::ErrorKind;

/// Why the disk refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// Another process, or another store of this one, has the folder open.
    #[error("{} is in use by another process: stop that process, or give this one a data folder of its own", path.display())]
    Locked {
        /// The store's folder.
        path: PathBuf,
    },
    /// Stored bytes are not those written.
    #[error("{} is damaged: {report}; move the folder away and restore it, or let it be rebuilt", path.display())]
    Corrupt {
        /// The store's folder.
        path: PathBuf,
        /// What was found, with file and place where known.
        report: String,
    },
    /// No space is left. The store must be reopened after space was made.
    #[error("no space left for {}: free space on its device, then restart", path.display())]
    Full {
        /// The store's folder.
        path: PathBuf,
    },
    /// The device or the file system failed.
    #[error("{} cannot be read or written: {report}; check the device and the folder's permissions, then restart", path.display())]
    Io {
        /// The store's folder.
        path: PathBuf,
        /// The system's words.
        report: String,
    },
    /// The folder holds something else, or was written by another version.
    #[error("{} is not a store this version can open: {report}; use the version that wrote it, or another folder", path.display())]
    Format {
        /// The store's folder.
        path: PathBuf,
        /// What is unknown or missing.
        report: String,
    },
    /// A family that was neither declared nor made.
    #[error("the store {} has no family {family:?}", path.display())]
    UnknownFamily {
        /// The store's folder.
        path: PathBuf,
        /// The family asked for.
        family: String,
    },
}

impl DiskError {
    /// Sorts RocksDB's error by what a person must do about it.
    pub(crate) fn of(path: &Path, error: &rocksdb::Error) -> Self {
        let path = path.to_owned();
        let report = error.to_string();
        if report.contains("lock file") || report.contains("lock hold by current process") {
            return Self::Locked { path };
        }
        if report.contains("No space left on device") {
            return Self::Full { path };
        }
        match error.kind() {
            ErrorKind::Corruption => Self::Corrupt { path, report },
            ErrorKind::InvalidArgument | ErrorKind::NotSupported => Self::Format { path, report },
            _ => Self::Io { path, report },
        }
    }
}
