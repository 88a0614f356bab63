//! The memory all stores of a process share: without it every store would bring its own cache and buffers.

use std::fmt;

use rocksdb::{Cache, WriteBufferManager};

/// One block cache and one write-buffer allowance for every store of the process. Cheap to clone.
#[derive(Clone)]
pub struct Budget {
    pub(crate) cache: Cache,
    pub(crate) buffers: WriteBufferManager,
}

impl Budget {
    /// The default memory of all stores together, 128 MiB.
    pub const DEFAULT_BYTES: usize = 128 << 20;

    /// A budget of `bytes` in all: blocks read and rows not yet flushed are both charged to it. Half of it may be rows not
    /// yet flushed; beyond that the largest buffer of the store written to is flushed. Writers are not held up meanwhile (they
    /// would wait for ever for a quiet store to flush), so the hard limit is three write buffers a family.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let cache = Cache::new_lru_cache(bytes);
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(bytes / 2, false, cache.clone());
        Self { cache, buffers }
    }

    /// The bytes of rows not yet flushed.
    #[must_use]
    pub fn unflushed_bytes(&self) -> usize {
        self.buffers.get_usage()
    }

    /// The bytes in use: cached blocks, and what is set aside for unflushed rows (given back a while after they are flushed).
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.cache.get_usage()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("used_bytes", &self.used_bytes()).finish_non_exhaustive()
    }
}
