//! The data folder: who holds it, which cluster it is, where everything lies in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::identity;

/// A locked data folder; dropping it lets the lock go.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes and locks the folder and sweeps away what an interrupted creation or deletion of a topic left behind.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(root).map_err(OpenError::io(root))?;
        let path = root.join("lock");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut lock = options.map_err(OpenError::io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder writes its line after locking; a half-told name is better than none.
                let _ = lock.read_to_string(&mut holder);
                return Err(OpenError::Locked { dir: root.to_path_buf(), holder: holder.trim().to_string() });
            }
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
        }
        let folder = Self { root: root.to_path_buf(), lock };
        for leftover in [folder.arriving(), folder.leaving()] {
            if leftover.exists() {
                fs::remove_dir_all(&leftover).map_err(OpenError::io(&leftover))?;
            }
            fs::create_dir_all(&leftover).map_err(OpenError::io(&leftover))?;
        }
        fs::create_dir_all(folder.topics()).map_err(OpenError::io(&folder.topics()))?;
        Ok(folder)
    }

    /// Writes into the lock file who holds it, for the error of the next one.
    pub(crate) fn sign(&mut self, address: SocketAddr) -> Result<(), OpenError> {
        let line = format!("process {} on {address}\n", std::process::id());
        let signed = self.lock.set_len(0).and_then(|()| self.lock.seek(SeekFrom::Start(0)));
        signed.and_then(|_| self.lock.write_all(line.as_bytes())).map_err(OpenError::io(&self.root.join("lock")))
    }

    /// The id of this cluster; made up once, kept for ever.
    pub(crate) fn cluster_id(&self, disk: &dyn Disk) -> Result<String, OpenError> {
        let path = self.root.join("cluster.id");
        if path.exists() {
            let id = fs::read_to_string(&path).map_err(OpenError::io(&path))?;
            return match id.trim() {
                "" => Err(OpenError::Unreadable { file: path, fault: "it is empty".into() }),
                id => Ok(id.to_string()),
            };
        }
        let id = identity::cluster_id();
        disk::replace(disk, &path, id.as_bytes()).map_err(OpenError::io(&path))?;
        Ok(id)
    }

    /// One folder a topic.
    pub(crate) fn topics(&self) -> PathBuf {
        self.root.join("topics")
    }

    /// Topics being created: whole before they are moved to `topics`.
    pub(crate) fn arriving(&self) -> PathBuf {
        self.root.join("arriving")
    }

    /// Topics being deleted: moved out of `topics` before they are removed.
    pub(crate) fn leaving(&self) -> PathBuf {
        self.root.join("leaving")
    }

    /// Committed offsets.
    pub(crate) fn offsets(&self) -> PathBuf {
        self.root.join("offsets.log")
    }

    /// The bound below which producer ids are taken.
    pub(crate) fn producer_ids(&self) -> PathBuf {
        self.root.join("producer.ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Synced;

    #[test]
    fn a_second_holder_is_told_who_and_where() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Folder::open(dir.path()).unwrap();
        first.sign("127.0.0.1:9092".parse().unwrap()).unwrap();
        let refused = Folder::open(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} on 127.0.0.1:9092", std::process::id())), "{refused}");
        assert!(refused.contains(&dir.path().display().to_string()), "{refused}");
        drop(first);
        Folder::open(dir.path()).unwrap();
    }

    #[test]
    fn the_cluster_id_stays() {
        let dir = tempfile::tempdir().unwrap();
        let id = Folder::open(dir.path()).unwrap().cluster_id(&Synced).unwrap();
        assert_eq!(id.len(), 22);
        assert_eq!(Folder::open(dir.path()).unwrap().cluster_id(&Synced).unwrap(), id);
    }
}
