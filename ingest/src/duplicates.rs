//! The ids of events that were stored lately: a source that asks for it has a copy that follows soon answered without storing it again.
//!
//! Only what was verified is looked for, and only what was durably stored is remembered: two first copies at once are both stored, and a
//! copy of an event that was answered with 503 is. This saves the log what is not needed; deciding what was seen is the consumers'.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hooklog_process::metrics::{IntCounter, IntGauge};
use hooklog_schemas::{EventId, SourceName, Timestamp};
use sha2::{Digest, Sha256};

use crate::metrics::Metrics;
use crate::outcome::Outcome;
use crate::source::Source;

/// The longest window a source may ask for: longer than any provider goes on sending.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What an event is known by: a hash of its source and its id, so that long ids take no more memory than short ones.
type Key = [u8; 32];

/// The ids that are remembered, of all sources.
pub struct Duplicates {
    limit: usize,
    held: Mutex<Held>,
    count: IntGauge,
    dropped: IntCounter,
}

#[derive(Default)]
struct Held {
    stored: HashMap<Key, Timestamp>,
    /// In the order they were stored, each until when it matters.
    order: VecDeque<(Key, Timestamp, Timestamp)>,
}

/// An event that is not known yet, to be remembered once it is stored.
#[must_use = "an event that is not remembered is stored again when it comes again"]
pub struct First {
    key: Key,
    at: Timestamp,
    until: Timestamp,
}

impl Duplicates {
    /// Remembers at most `limit` ids.
    #[must_use]
    pub fn within(limit: usize, metrics: &Metrics) -> Self {
        let of = |what: &str| metrics.duplicate_ids.with_label_values(&[what]);
        of("limit").set(i64::try_from(limit).unwrap_or(i64::MAX));
        let dropped = metrics.duplicate_ids_dropped.with_label_values::<&str>(&[]);
        Self { limit, held: Mutex::default(), count: of("held"), dropped }
    }

    /// Looks for an event of a source that keeps a window. None for one that keeps none.
    ///
    /// # Errors
    /// [`Outcome::Duplicate`] when it was stored within the window.
    pub fn look(&self, source: &Source, id: &EventId, now: Timestamp) -> Result<Option<First>, Outcome> {
        let Some(window) = source.duplicates else { return Ok(None) };
        let key = key(&source.name, id);
        let stored = self.held.lock().unwrap_or_else(PoisonError::into_inner).stored.get(&key).copied();
        // What was stored "later" than now was stored before the clock stepped back.
        if stored.is_some_and(|at| now <= at.plus(window)) {
            return Err(Outcome::Duplicate);
        }
        Ok(Some(First { key, at: now, until: now.plus(window) }))
    }

    /// Remembers an event that is stored.
    pub fn remember(&self, first: Option<First>) {
        let Some(First { key, at, until }) = first else { return };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.stored.insert(key, at);
        held.order.push_back((key, at, until));
        while held.order.front().is_some_and(|&(_, _, until)| until < at) {
            held.forget_oldest();
        }
        while held.order.len() > self.limit {
            held.forget_oldest();
            self.dropped.inc();
        }
        self.count.set(i64::try_from(held.order.len()).unwrap_or(i64::MAX));
    }
}

impl Held {
    fn forget_oldest(&mut self) {
        let Some((key, at, _)) = self.order.pop_front() else { return };
        // It may have been stored once more since.
        if self.stored.get(&key) == Some(&at) {
            self.stored.remove(&key);
        }
    }
}

/// A source's name holds no zero byte, so no two pairs are written alike.
fn key(source: &SourceName, id: &EventId) -> Key {
    let mut hash = Sha256::new();
    hash.update(source.as_str());
    hash.update([0]);
    hash.update(id.as_str());
    hash.finalize().into()
}
