//! The two clocks: wall time for what is written down, monotonic time for how long something takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the time comes from. Cloned freely; all clones of a manual clock move together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

/// The hand that moves a manual clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands until it is moved, for tests of what depends on wall time.
    #[must_use]
    pub fn manual(start_ms: i64) -> (Self, ManualClock) {
        let hand = Arc::new(AtomicI64::new(start_ms));
        (Self(Source::Manual(Arc::clone(&hand))), ManualClock(hand))
    }

    /// Wall time in milliseconds since 1970. May step back.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
            },
            Source::Manual(hand) => hand.load(Ordering::SeqCst),
        }
    }

    /// Monotonic time, for deadlines and durations. A manual clock has none of its own: deadlines are real in tests too.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

impl ManualClock {
    /// Sets the time, also backwards.
    pub fn set_ms(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }

    /// Moves the time on.
    pub fn advance_ms(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let (clock, hand) = Clock::manual(1000);
        assert_eq!((clock.now_ms(), clock.clone().now_ms()), (1000, 1000));
        hand.advance_ms(500);
        hand.advance_ms(-200);
        assert_eq!(clock.now_ms(), 1300);
    }

    #[test]
    fn the_system_clock_is_after_2026() {
        assert!(Clock::system().now_ms() > 1_767_225_600_000);
    }
}
