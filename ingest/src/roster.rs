//! The sources in use: a request finds its own here and keeps it, while all of them may be replaced whole under it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hooklog_process::clock::Clock;
use hooklog_schemas::Timestamp;

use crate::metrics::Metrics;
use crate::secret::Ring;
use crate::source::{Source, Sources};

/// The sources in use.
pub struct Roster {
    current: ArcSwap<Sources>,
    /// Held by whoever replaces them, never by a request.
    replacing: Mutex<()>,
    metrics: Metrics,
    clock: Clock,
}

impl Roster {
    /// Begins with these.
    #[must_use]
    pub fn new(sources: Sources, metrics: Metrics, clock: Clock) -> Self {
        let roster = Self { current: ArcSwap::default(), replacing: Mutex::default(), metrics, clock };
        roster.install(sources);
        roster
    }

    /// The source with exactly this name, as it is now.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Source>> {
        self.current.load().find(name).map(Arc::clone)
    }

    /// All of them, as they are now.
    #[must_use]
    pub fn current(&self) -> Arc<Sources> {
        self.current.load_full()
    }

    /// Replaces all of them at once. A source whose rate stays has what is left of its share.
    pub fn install(&self, sources: Sources) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let before = self.current();
        let sources = sources.map(|source| {
            let mut source = Source::clone(source);
            if let Some(old) = before.find(source.name.as_str()) {
                source.keep_share_of(old);
            }
            source.count_with(|| self.metrics.stored(source.name.as_str()));
            if source.schemas.is_some() {
                self.metrics.begin_schema(source.name.as_str());
            }
            source.revive(now);
            Some(source)
        });
        self.put(sources);
    }

    /// Gives one source the secrets of this ring, if it is still there.
    pub fn hold(&self, name: &str, ring: &Arc<Ring>) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let sources = self.current().map(|source| {
            let mut source = (source.name.as_str() == name).then(|| Source::clone(source))?;
            source.hold(Arc::clone(ring), now);
            Some(source)
        });
        self.put(sources);
    }

    /// Believes the secrets that are alive by now, and no others.
    pub fn look_at_clock(&self) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let before = self.current();
        if before.iter().all(|source| source.is_as_alive(now)) {
            return;
        }
        let sources = before.map(|source| {
            let mut revived = (!source.is_as_alive(now)).then(|| Source::clone(source))?;
            revived.revive(now);
            Some(revived)
        });
        self.put(sources);
    }

    /// Looks at the clock for ever: when a secret begins or ends to be believed, and `every` so often, since a clock may be set.
    pub async fn keep_time(&self, every: Duration) {
        loop {
            self.look_at_clock();
            let next = self.next_change_ms().map_or(every, |ms| every.min(Duration::from_millis(ms)));
            tokio::time::sleep(next).await;
        }
    }

    /// Milliseconds until the next secret begins or ends to be believed.
    fn next_change_ms(&self) -> Option<u64> {
        let now = self.now();
        let next = self.current.load().iter().filter_map(|source| source.ring.next_change(now)).min()?;
        Some(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0))
    }

    fn put(&self, sources: Sources) {
        let before = self.current.swap(Arc::new(sources));
        let after = self.current.load();
        let open = after.iter().filter(|source| source.is_open()).count();
        self.metrics.open_sources.with_label_values::<&str>(&[]).set(number(open));
        let named: BTreeSet<&str> = after.iter().map(|source| source.name.as_str()).collect();
        for gone in before.iter().filter(|source| !named.contains(source.name.as_str())) {
            // It may have had none: then there is nothing to remove.
            let _ = self.metrics.live_secrets.remove_label_values(&[gone.name.as_str()]);
            let _ = self.metrics.key_set_usable.remove_label_values(&[gone.name.as_str()]);
        }
        for source in after.iter() {
            // What it had as another kind of source is gone too.
            if source.remote.is_some() || source.is_open() || source.is_awaiting() {
                let _ = self.metrics.live_secrets.remove_label_values(&[source.name.as_str()]);
            }
            if source.remote.is_none() {
                let _ = self.metrics.key_set_usable.remove_label_values(&[source.name.as_str()]);
            }
        }
        for source in after.iter().filter(|source| !source.is_open() && source.remote.is_none()) {
            // Nobody is to be woken for a source whose provider has not greeted yet.
            if !source.is_awaiting() {
                self.metrics.live_secrets.with_label_values(&[source.name.as_str()]).set(number(source.alive().len()));
            }
            let is_as_before = before.find(source.name.as_str()).is_some_and(|old| old.alive() == source.alive());
            if !is_as_before {
                tell(source);
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }
}

fn tell(source: &Source) {
    let (name, alive) = (source.name.as_str(), source.alive().join(", "));
    if source.is_awaiting() {
        tracing::warn!(source = name, "this source refuses everything until its provider's handshake tells the secret");
    } else if alive.is_empty() {
        tracing::error!(source = name, "no secret of this source is believed now: it refuses everything");
    } else {
        tracing::info!(source = name, secrets = alive, "these secrets of the source are believed now");
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
