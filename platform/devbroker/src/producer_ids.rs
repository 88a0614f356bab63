//! Ids for idempotent producers, each given once in the life of the data folder.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::UNPOISONED;
use crate::disk::{self, Disk};
use crate::error::OpenError;

/// Ids reserved with one write to the disk.
const RESERVE: i64 = 1_000;

/// Gives out producer ids. An id given twice would make one producer's records look like repeats of another's.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    next: Mutex<Next>,
}

#[derive(Debug)]
struct Next {
    id: i64,
    reserved: i64,
}

impl ProducerIds {
    /// Goes on above everything that was ever reserved, and above `used`, the greatest id seen in a log.
    pub(crate) fn open(path: PathBuf, disk: Arc<dyn Disk>, used: i64) -> Result<Self, OpenError> {
        let reserved = if path.exists() {
            let text = fs::read_to_string(&path).map_err(OpenError::io(&path))?;
            text.trim()
                .parse()
                .map_err(|_| OpenError::Unreadable { file: path.clone(), fault: format!("{text:?} is not a number") })?
        } else {
            0
        };
        let id = reserved.max(used + 1);
        Ok(Self { path, disk, next: Mutex::new(Next { id, reserved: id }) })
    }

    /// The next id; blocks for a sync once in `RESERVE` calls.
    pub(crate) fn allocate(&self) -> io::Result<i64> {
        let mut next = self.next.lock().expect(UNPOISONED);
        if next.id == next.reserved {
            let reserved = next.reserved + RESERVE;
            disk::replace(&*self.disk, &self.path, reserved.to_string().as_bytes())?;
            next.reserved = reserved;
        }
        next.id += 1;
        Ok(next.id - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Synced;

    #[test]
    fn no_id_is_given_twice_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let open = |used| ProducerIds::open(dir.path().join("ids"), Arc::new(Synced), used).unwrap();
        let mut given = Vec::new();
        for _ in 0..3 {
            let ids = open(-1);
            given.extend((0..1_500).map(|_| ids.allocate().unwrap()));
        }
        let mut unique = given.clone();
        unique.dedup();
        assert_eq!(unique, given);
        assert!(given.is_sorted());
        assert_eq!(open(1_000_000).allocate().unwrap(), 1_000_001);
    }
}
