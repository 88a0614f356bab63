//! How many partitions each topic has: asked of the brokers by a thread of its own, so that nobody who appends waits for an answer.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hooklog_schemas::TopicName;
use rdkafka::producer::Producer as _;

use super::producer::Inner;
use crate::error::ConfigError;

/// How often a topic whose number is not known is asked about.
const UNKNOWN_EVERY: Duration = Duration::from_millis(500);

/// How often the known ones are: a topic may be given more.
const KNOWN_EVERY: Duration = Duration::from_secs(30);

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(2);

type Counts = HashMap<TopicName, Option<NonZeroU32>>;

/// The numbers, as last heard.
pub(super) struct PartitionCounts(Arc<Shared>);

struct Shared {
    /// Every topic somebody asked for. Read by every append, so without a lock.
    known: ArcSwap<Counts>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// A topic was added since the thread last looked.
    added: bool,
}

impl PartitionCounts {
    /// Begins to ask through the producer of `inner`.
    pub(super) fn asking(inner: &Arc<Inner>) -> Result<Self, ConfigError> {
        let shared = Arc::new(Shared { known: ArcSwap::default(), state: Mutex::default(), changed: Condvar::new() });
        let (asking, inner) = (Arc::clone(&shared), Arc::clone(inner));
        std::thread::Builder::new()
            .name("kafka-partitions".to_owned())
            .spawn(move || asking.ask_until_stopped(&inner))
            .map_err(|error| ConfigError::Client { cause: error.to_string() })?;
        Ok(Self(shared))
    }

    /// The number of partitions of `topic`, if it was heard.
    pub(super) fn of(&self, topic: &TopicName) -> Option<NonZeroU32> {
        match self.0.known.load().get(topic) {
            Some(count) => *count,
            None => {
                self.0.add(topic);
                None
            }
        }
    }

    /// Waits until all of them were heard.
    pub(super) fn learn<'t>(&self, topics: impl IntoIterator<Item = &'t TopicName>, within: Duration) -> bool {
        let until = Instant::now() + within;
        topics.into_iter().all(|topic| self.wait_for(topic, until))
    }

    fn wait_for(&self, topic: &TopicName, until: Instant) -> bool {
        let mut state = self.0.locked();
        loop {
            drop(state);
            if self.of(topic).is_some() {
                return true;
            }
            state = self.0.locked();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // Looked at again after a while: what was heard between the look and the wait wakes nobody.
            let waited = self.0.changed.wait_timeout(state, left.min(Duration::from_millis(20)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for PartitionCounts {
    fn drop(&mut self) {
        self.0.locked().stopping = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, topic: &TopicName) {
        let mut state = self.locked();
        if self.known.load().contains_key(topic) {
            return;
        }
        let mut counts = Counts::clone(&self.known.load());
        counts.insert(topic.clone(), None);
        self.known.store(Arc::new(counts));
        state.added = true;
        drop(state);
        self.changed.notify_all();
    }

    fn ask_until_stopped(&self, inner: &Inner) {
        loop {
            let topics: Vec<TopicName> = self.known.load().keys().cloned().collect();
            for topic in &topics {
                if self.locked().stopping {
                    return;
                }
                // Who does not answer about one topic won't about the next.
                let Some(count) = ask(inner, topic) else { break };
                self.heard(topic, count);
            }
            if self.pause() {
                return;
            }
        }
    }

    /// What was heard once stays until something else is heard.
    fn heard(&self, topic: &TopicName, count: Option<NonZeroU32>) {
        let state = self.locked();
        if count.is_some() && self.known.load().get(topic) != Some(&count) {
            let mut counts = Counts::clone(&self.known.load());
            counts.insert(topic.clone(), count);
            self.known.store(Arc::new(counts));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until it is time to ask again; true at the end.
    fn pause(&self) -> bool {
        let is_known = self.known.load().values().all(Option::is_some);
        let until = Instant::now() + if is_known { KNOWN_EVERY } else { UNKNOWN_EVERY };
        let mut state = self.locked();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.stopping || std::mem::take(&mut state.added) || left.is_zero() {
                return state.stopping;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// None when nobody answers; some of nothing when the topic is not there.
fn ask(inner: &Inner, topic: &TopicName) -> Option<Option<NonZeroU32>> {
    let metadata = inner.current().client().fetch_metadata(Some(topic.as_str()), ANSWER).ok()?;
    let found = metadata.topics().iter().find(|found| found.name() == topic.as_str() && found.error().is_none());
    Some(found.and_then(|found| u32::try_from(found.partitions().len()).ok()).and_then(NonZeroU32::new))
}
