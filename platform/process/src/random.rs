//! Chance: from the operating system in a process, from a seed in a test.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// Where chance comes from. Clones of a seeded one share its stream.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    /// One generator for each thread, seeded by the operating system: nobody waits for anybody.
    Threads,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Random {
    /// Seeded by the operating system.
    #[must_use]
    pub fn os() -> Self {
        Self(Source::Threads)
    }

    /// The same stream for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Any 64 bits.
    #[must_use]
    pub fn u64(&self) -> u64 {
        self.with(|rng| rng.next_u64())
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.with(|rng| rng.random_range(0..bound)) }
    }

    /// Any `N` bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        self.with(|rng| {
            let mut bytes = [0; N];
            rng.fill_bytes(&mut bytes);
            bytes
        })
    }

    fn with<T>(&self, draw: impl FnOnce(&mut dyn RngCore) -> T) -> T {
        match &self.0 {
            Source::Threads => draw(&mut rand::rng()),
            // A panic elsewhere can't leave a generator in a bad state.
            Source::Seeded(rng) => draw(&mut *rng.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_stream_and_bounds_hold() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        for _ in 0..100 {
            assert_eq!(a.u64(), b.u64());
            assert!(a.below(3) < 3);
            let _ = b.below(3);
        }
        assert_eq!(a.below(0), 0);
        assert_ne!(Random::os().bytes::<16>(), Random::os().bytes::<16>());
    }
}
