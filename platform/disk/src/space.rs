//! Room on the device: how much is free, and a file whose removal makes some when all is gone.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes that are free for this user on the device of `path`.
///
/// # Errors
/// When the path is not there.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path).map_err(io::Error::from)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// A file of a known size that is there to be removed: a database needs room even to delete.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
}

/// The reserve's file in its folder.
const NAME: &str = "RESERVE";

/// Bytes written at a time.
const PIECE: usize = 1 << 20;

impl Reserve {
    /// The reserve of a folder. Nothing is written yet.
    #[must_use]
    pub fn in_folder(folder: &Path, bytes: u64) -> Self {
        Self { path: folder.join(NAME), bytes }
    }

    /// Whether all of it is there.
    #[must_use]
    pub fn is_set_aside(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|file| file.len() >= self.bytes)
    }

    /// Writes it. Where there is no room for all of it, nothing is left of it.
    pub fn set_aside(&self) {
        if let Err(error) = self.write() {
            tracing::warn!(path = %self.path.display(), %error, "no room can be set aside");
            self.release();
        }
    }

    /// Removes it.
    pub fn release(&self) {
        // It may not be there: then there is nothing to free.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Real bytes: a file of zeros may be kept without any.
    fn write(&self) -> io::Result<()> {
        let file: File = OpenOptions::new().create(true).write(true).truncate(true).open(&self.path)?;
        let piece: Vec<u8> = (0..PIECE).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
        let mut at = 0;
        while at < self.bytes {
            let left = usize::try_from(self.bytes - at).unwrap_or(PIECE).min(PIECE);
            file.write_all_at(&piece[..left], at)?;
            at += u64::try_from(left).unwrap_or(u64::MAX);
        }
        file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_room_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        let reserve = Reserve::in_folder(folder.path(), 3 << 20);
        assert!(!reserve.is_set_aside());
        reserve.set_aside();
        assert!(reserve.is_set_aside());
        assert_eq!(std::fs::metadata(folder.path().join(NAME)).unwrap().len(), 3 << 20);
        reserve.release();
        assert!(!reserve.is_set_aside());
        reserve.release();
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(free_bytes(Path::new("/nonexistent/folder")).is_err());
        Reserve::in_folder(Path::new("/nonexistent/folder"), 1).set_aside();
    }
}
