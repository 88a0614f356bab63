//! What is let in: requests and body bytes in hand at once, and a source's share a second. Each limit is given back when its holder
//! is dropped, so that no way of ending a request can leak it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A number of things that may be in hand at once.
#[derive(Debug)]
pub struct Room {
    limit: usize,
    taken: AtomicUsize,
}

/// Some of a [`Room`], given back when dropped.
#[derive(Debug)]
pub struct Permit<'a> {
    room: &'a Room,
    size: usize,
}

impl Room {
    /// Room for `limit`.
    #[must_use]
    pub const fn of(limit: usize) -> Self {
        Self { limit, taken: AtomicUsize::new(0) }
    }

    /// Takes `size`, if there is room.
    #[must_use]
    pub fn take(&self, size: usize) -> Option<Permit<'_>> {
        let mut permit = Permit { room: self, size: 0 };
        permit.grow(size).then_some(permit)
    }

    /// How much may be in hand.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// How much is in hand.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Permit<'_> {
    /// Takes `more`, if there is room. The permit stays as it is if not.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(more).filter(|&sum| sum <= self.room.limit);
        let grown = self.room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.size += more;
        }
        grown
    }

    /// How much it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// A source's share: so many requests a second, a second's worth of which may come at once (a token bucket).
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Option<Instant>,
}

impl Rate {
    /// So many a second.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        let per_second = f64::from(requests);
        Self { per_second, bucket: Mutex::new(Bucket { tokens: per_second, filled: None }) }
    }

    /// Whether another has the same pace.
    #[must_use]
    pub fn is_as_fast(&self, other: &Self) -> bool {
        self.per_second.to_bits() == other.per_second.to_bits()
    }

    /// Takes one, if one is left at this moment.
    #[must_use]
    pub fn take(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filled) = bucket.filled {
            let earned = now.saturating_duration_since(filled).as_secs_f64() * self.per_second;
            bucket.tokens = (bucket.tokens + earned).min(self.per_second);
        }
        bucket.filled = Some(now);
        let left = bucket.tokens >= 1.0;
        if left {
            bucket.tokens -= 1.0;
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_room_is_never_overfull_and_gets_everything_back() {
        let room = Room::of(10);
        let mut first = room.take(4).unwrap();
        assert!(first.grow(3));
        assert!(!first.grow(4), "7 + 4 is over 10");
        assert!(room.take(4).is_none());
        let second = room.take(3).unwrap();
        assert_eq!(room.taken(), 10);
        drop((first, second));
        assert_eq!(room.taken(), 0);
        assert!(room.take(usize::MAX).is_none());
    }

    #[test]
    fn a_rate_lets_a_second_through_and_then_its_pace() {
        let (rate, start) = (Rate::per_second(10), Instant::now());
        assert_eq!((0..20).filter(|_| rate.take(start)).count(), 10);
        assert!(!rate.take(start + Duration::from_millis(50)));
        assert!(rate.take(start + Duration::from_millis(200)));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..20).filter(|_| rate.take(later)).count(), 10, "an idle hour earns no more than a second");
    }
}
