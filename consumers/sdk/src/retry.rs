//! How often something is tried, and how long is waited in between: exponential, with full jitter so that many do not knock at once.

use std::time::Duration;

use hooklog_process::random::Random;

/// Attempts and the waits between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait.
    pub cap: Duration,
}

/// What a partition can't go on without is asked for again and again while it is away: the partition waits, nothing is given up.
pub(crate) const PATIENCE: Backoff =
    Backoff { attempts: u32::MAX, first: Duration::from_millis(50), cap: Duration::from_secs(5) };

impl Backoff {
    /// The wait after the `failed`-th failure (from 1): anything from nothing to `first · 2^(failed − 1)`, at most `cap`.
    #[must_use]
    pub fn delay(&self, failed: u32, random: &Random) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
        let longest = u64::try_from(doubled.min(self.cap).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random.below(longest.saturating_add(1).max(1)))
    }

    /// Whether another attempt follows the `failed`-th failure.
    #[must_use]
    pub const fn goes_on(&self, failed: u32) -> bool {
        failed < self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_are_spread() {
        let random = Random::seeded(7);
        let backoff = Backoff { attempts: 3, first: Duration::from_millis(100), cap: Duration::from_secs(1) };
        let longest = |failed| (0..500).map(|_| backoff.delay(failed, &random)).max().unwrap();
        let shortest = |failed| (0..500).map(|_| backoff.delay(failed, &random)).min().unwrap();
        assert!(longest(1) <= Duration::from_millis(100) && longest(1) > Duration::from_millis(80));
        assert!(longest(2) <= Duration::from_millis(200) && longest(2) > Duration::from_millis(160));
        assert!(longest(60) <= Duration::from_secs(1) && longest(60) > Duration::from_millis(800));
        assert!(shortest(60) < Duration::from_millis(200), "jitter is full");
        assert!(backoff.goes_on(2) && !backoff.goes_on(3));
    }
}
