//! How much the spool holds and how much it may hold, in all and for each source.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hooklog_schemas::Timestamp;

/// What the spool may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all.
    pub bytes: u64,
    /// Records in all.
    pub records: u64,
    /// Bytes of one source.
    pub source_bytes: u64,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Bytes in all.
    Bytes,
    /// Records in all.
    Records,
    /// Bytes of this source.
    SourceBytes,
    /// The oldest record is too old: whatever keeps the spool from being drained is not mended.
    Age,
    /// The device has too little room left.
    Device,
}

impl Full {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bytes, Self::Records, Self::SourceBytes, Self::Age, Self::Device];

    /// The word for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Records => "records",
            Self::SourceBytes => "source_bytes",
            Self::Age => "age",
            Self::Device => "device",
        }
    }
}

/// What the spool holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// Bytes.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Bytes by source.
    pub by_source: HashMap<String, u64>,
}

/// Hears of every change: bytes and records held.
type Watch = Box<dyn Fn(u64, u64) + Send + Sync>;

/// The count of what is held against what may be.
pub struct Usage {
    limits: Limits,
    holding: Mutex<Holding>,
    watch: Watch,
}

impl Usage {
    /// Nothing is held yet. `watch` hears the bytes and records held whenever they change.
    #[must_use]
    pub fn within(limits: Limits, watch: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self { limits, holding: Mutex::default(), watch: Box::new(watch) }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes room for a record, before it is written.
    ///
    /// # Errors
    /// [`Full`], naming the limit.
    pub fn take(&self, source: &str, size: usize) -> Result<(), Full> {
        let size = bytes(size);
        let mut holding = self.locked();
        if holding.records >= self.limits.records {
            return Err(Full::Records);
        }
        if holding.bytes + size > self.limits.bytes {
            return Err(Full::Bytes);
        }
        if holding.by_source.get(source).copied().unwrap_or(0) + size > self.limits.source_bytes {
            return Err(Full::SourceBytes);
        }
        holding.add(source, size);
        (self.watch)(holding.bytes, holding.records);
        Ok(())
    }

    /// Gives a record's room back.
    pub fn give(&self, source: &str, size: usize) {
        let size = bytes(size);
        let mut holding = self.locked();
        holding.bytes = holding.bytes.saturating_sub(size);
        holding.records = holding.records.saturating_sub(1);
        if let Some(held) = holding.by_source.get_mut(source) {
            *held = held.saturating_sub(size);
        }
        (self.watch)(holding.bytes, holding.records);
    }

    /// The spool was read as a whole and holds this.
    pub fn set(&self, held: Holding) {
        let mut holding = self.locked();
        (self.watch)(held.bytes, held.records);
        *holding = held;
    }

    /// What is held now.
    #[must_use]
    pub fn held(&self) -> Holding {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Holding> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// Counts a record.
    pub fn add(&mut self, source: &str, size: u64) {
        self.bytes += size;
        self.records += 1;
        match self.by_source.get_mut(source) {
            Some(held) => *held += size,
            None => {
                self.by_source.insert(source.to_owned(), size);
            }
        }
    }
}

/// Whether a record of this time is older than it may be.
#[must_use]
pub fn is_older(oldest: Option<Timestamp>, now: Timestamp, longest_ms: i64) -> bool {
    oldest.is_some_and(|oldest| now.0.saturating_sub(oldest.0) > longest_ms)
}

fn bytes(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_held_and_named_and_room_comes_back() {
        let usage = Usage::within(Limits { bytes: 100, records: 3, source_bytes: 60 }, |_, _| {});
        assert_eq!(usage.take("a", 50), Ok(()));
        assert_eq!(usage.take("a", 11), Err(Full::SourceBytes), "one source does not take all");
        assert_eq!(usage.take("b", 51), Err(Full::Bytes));
        assert_eq!(usage.take("b", 40), Ok(()));
        assert_eq!(usage.take("c", 1), Ok(()));
        assert_eq!(usage.take("c", 1), Err(Full::Records));
        usage.give("a", 50);
        assert_eq!((usage.held().bytes, usage.held().records), (41, 2));
        assert_eq!(usage.take("a", 59), Ok(()));
        assert_eq!(usage.held().bytes, 100);
    }

    #[test]
    fn age_counts_from_the_oldest() {
        assert!(!is_older(None, Timestamp(10), 5));
        assert!(!is_older(Some(Timestamp(5)), Timestamp(10), 5));
        assert!(is_older(Some(Timestamp(4)), Timestamp(10), 5));
    }
}
