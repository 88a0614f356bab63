//! Health: whether the process lives (restart it if not) and whether it is ready (send it work only if so).
//!
//! Each part of a process registers a check. It is ready when it said so; it lives as long as its heart beats, where it has one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// The state of all parts of a process.
#[derive(Clone)]
pub struct Health {
    clock: Clock,
    parts: Arc<Mutex<BTreeMap<String, Part>>>,
}

struct Part {
    not_ready: Option<String>,
    heartbeat: Option<Heartbeat>,
}

struct Heartbeat {
    last: Instant,
    limit: Duration,
}

/// One part's say in the health of its process.
#[derive(Clone)]
pub struct Check {
    name: String,
    health: Health,
}

/// Parts and what is wrong with them; empty means that all is well.
pub type Report = BTreeMap<String, String>;

impl Health {
    /// No parts yet: not ready, since nothing has begun.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, parts: Arc::default() }
    }

    /// Adds a part, not ready until it says so.
    #[must_use]
    pub fn register(&self, name: &str) -> Check {
        let part = Part { not_ready: Some("starting".to_owned()), heartbeat: None };
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), part);
        Check { name: name.to_owned(), health: self.clone() }
    }

    /// What keeps the process from taking work.
    #[must_use]
    pub fn readiness(&self) -> Report {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.is_empty() {
            return Report::from([("process".to_owned(), "starting".to_owned())]);
        }
        let wrong = |(name, part): (&String, &Part)| Some((name.clone(), part.not_ready.clone()?));
        parts.iter().filter_map(wrong).collect()
    }

    /// The parts whose heart stands still: reasons to restart the process.
    #[must_use]
    pub fn liveness(&self) -> Report {
        let now = self.clock.monotonic();
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let still = |(name, part): (&String, &Part)| {
            let heart = part.heartbeat.as_ref()?;
            let silent = now.saturating_duration_since(heart.last);
            (silent > heart.limit).then(|| (name.clone(), format!("no heartbeat for {} s", silent.as_secs())))
        };
        parts.iter().filter_map(still).collect()
    }
}

impl Check {
    /// The part can do its work.
    pub fn ready(&self) {
        self.with(|part, _| part.not_ready = None);
    }

    /// The part can't do its work now, and why.
    pub fn not_ready(&self, reason: &str) {
        self.with(|part, _| {
            if part.not_ready.as_deref() != Some(reason) {
                part.not_ready = Some(reason.to_owned());
            }
        });
    }

    /// The part's heart beats; if it doesn't again within `limit`, the process counts as dead.
    pub fn beat(&self, limit: Duration) {
        self.with(|part, now| part.heartbeat = Some(Heartbeat { last: now, limit }));
    }

    /// The part has ended in order and is no longer asked for.
    pub fn retire(&self) {
        self.health.parts.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }

    fn with(&self, change: impl FnOnce(&mut Part, Instant)) {
        let now = self.health.clock.monotonic();
        if let Some(part) = self.health.parts.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.name) {
            change(part, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_part_is() {
        let health = Health::new(Clock::system());
        assert_eq!(health.readiness()["process"], "starting");
        let (kafka, spool) = (health.register("kafka"), health.register("spool"));
        kafka.ready();
        assert_eq!(health.readiness(), Report::from([("spool".to_owned(), "starting".to_owned())]));
        spool.ready();
        assert!(health.readiness().is_empty());
        kafka.not_ready("no broker answers");
        assert_eq!(health.readiness()["kafka"], "no broker answers");
        kafka.retire();
        assert!(health.readiness().is_empty());
    }

    #[test]
    fn a_heart_that_stands_still_is_a_reason_to_restart() {
        let health = Health::new(Clock::system());
        let poll = health.register("poll");
        assert!(health.liveness().is_empty(), "without a heartbeat nothing is promised");
        poll.beat(Duration::from_secs(60));
        assert!(health.liveness().is_empty());
        poll.beat(Duration::ZERO);
        while health.liveness().is_empty() {
            std::hint::spin_loop();
        }
        assert!(health.liveness()["poll"].starts_with("no heartbeat for"));
    }
}
