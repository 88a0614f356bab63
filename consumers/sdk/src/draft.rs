//! A micro-batch in the making: everything its records change, to be written at once or forgotten at once.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use hooklog_schemas::{NextOffset, Offset, Timestamp, TopicName};

use crate::dedupe::{DedupeKey, Seen, Verdict, Window, verdict};
use crate::outbox::Entry;

/// Keys of the state and their new values; nothing is a deletion.
pub type StateChanges = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// What one record changes. It joins the draft when the record's handler succeeded and is dropped when it failed.
#[derive(Debug, Default)]
pub struct Changes {
    /// The state's changes.
    pub state: StateChanges,
    /// The tables written to: tag and name.
    pub tables: BTreeMap<u16, &'static str>,
    /// Effects to be made.
    pub effects: Vec<Bytes>,
    /// Records to be appended to the log.
    pub emits: Vec<Emit>,
}

/// A record that a handler appends to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emit {
    /// The topic.
    pub topic: TopicName,
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// The changes of a run of records, and how far the log is read with them.
#[derive(Debug)]
pub struct Draft {
    window: Window,
    seen: HashMap<DedupeKey, Seen>,
    pub(crate) first_seen: Vec<(DedupeKey, Seen)>,
    pub(crate) state: StateChanges,
    pub(crate) tables: BTreeMap<u16, &'static str>,
    pub(crate) outbox: Vec<Entry>,
    pub(crate) next: NextOffset,
    pub(crate) time: Timestamp,
}

impl Draft {
    /// An empty draft that goes on at `next` and log time `time`, knowing what was `seen` of the ids to come.
    #[must_use]
    pub fn new(window: Window, next: NextOffset, time: Timestamp, seen: HashMap<DedupeKey, Seen>) -> Self {
        Self {
            window,
            seen,
            first_seen: Vec::new(),
            state: HashMap::new(),
            tables: BTreeMap::new(),
            outbox: Vec::new(),
            next,
            time,
        }
    }

    /// The first offset not taken.
    #[must_use]
    pub const fn next(&self) -> NextOffset {
        self.next
    }

    /// The log time with all records taken so far.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Moves the log time on to a record's; it never goes back.
    pub fn advance(&mut self, record_time: Timestamp) {
        self.time = self.time.max(record_time);
    }

    /// What the record at `offset` is, at the log time reached.
    #[must_use]
    pub fn verdict(&self, key: DedupeKey, offset: Offset) -> Verdict {
        verdict(self.seen.get(&key).copied(), offset, self.window.oldest(self.time))
    }

    /// A value changed by an earlier record of this draft: `Some(None)` when it was deleted.
    #[must_use]
    pub fn state(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.state.get(key)
    }

    /// The record at `offset` changes nothing: a duplicate.
    pub fn pass(&mut self, offset: Offset) {
        self.next = offset.next();
    }

    /// The record at `offset` is done, with what it changed. A record without a key has no id to be remembered.
    pub fn complete(&mut self, offset: Offset, key: Option<DedupeKey>, changes: Changes, outbox: Vec<Entry>) {
        if let Some(key) = key {
            let seen = Seen { offset, bucket: self.window.bucket(self.time) };
            self.seen.insert(key, seen);
            self.first_seen.push((key, seen));
        }
        self.state.extend(changes.state);
        self.tables.extend(changes.tables);
        self.outbox.extend(outbox);
        self.next = offset.next();
    }
}
