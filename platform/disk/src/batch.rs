//! Puts and deletes that reach the disk together or not at all.

use std::ops::Range;

/// Changes to several families, kept in one buffer in the order they were made.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    families: Vec<String>,
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

/// One change of a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Set `key` to `value`.
    Put {
        /// Where.
        key: &'a [u8],
        /// What.
        value: &'a [u8],
    },
    /// Remove `key`.
    Delete {
        /// Where.
        key: &'a [u8],
    },
    /// Remove every key from `from` up to, not including, `to`.
    DeleteRange {
        /// The first key removed.
        from: &'a [u8],
        /// The first key kept.
        to: &'a [u8],
    },
}

#[derive(Debug, Clone)]
struct Slot {
    family: usize,
    kind: Kind,
    first: Range<usize>,
    second: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Put,
    Delete,
    DeleteRange,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value` in `family`.
    pub fn put(&mut self, family: &str, key: &[u8], value: &[u8]) {
        self.push(family, Kind::Put, key, value);
    }

    /// Removes `key` from `family`; a key that is not there is no error.
    pub fn delete(&mut self, family: &str, key: &[u8]) {
        self.push(family, Kind::Delete, key, &[]);
    }

    /// Removes every key of `family` from `from` up to, not including, `to`.
    pub fn delete_range(&mut self, family: &str, from: &[u8], to: &[u8]) {
        self.push(family, Kind::DeleteRange, from, to);
    }

    /// The number of changes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The size of all keys and values, in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The changes with their families, in the order they were made.
    pub fn operations(&self) -> impl Iterator<Item = (&str, Operation<'_>)> {
        self.slots.iter().map(|slot| {
            let (first, second) = (&self.bytes[slot.first.clone()], &self.bytes[slot.second.clone()]);
            let operation = match slot.kind {
                Kind::Put => Operation::Put { key: first, value: second },
                Kind::Delete => Operation::Delete { key: first },
                Kind::DeleteRange => Operation::DeleteRange { from: first, to: second },
            };
            (self.families[slot.family].as_str(), operation)
        })
    }

    /// Moves every change made to `family` into a batch of its own, leaving the others.
    #[must_use]
    pub fn split_off(&mut self, chosen: impl Fn(&str) -> bool) -> Self {
        let mut split = Self { families: self.families.clone(), bytes: self.bytes.clone(), slots: Vec::new() };
        let all = std::mem::take(&mut self.slots);
        let (taken, kept) = all.into_iter().partition(|slot| chosen(&self.families[slot.family]));
        (split.slots, self.slots) = (taken, kept);
        split
    }

    fn push(&mut self, family: &str, kind: Kind, first: &[u8], second: &[u8]) {
        let family = self.families.iter().position(|known| known == family).unwrap_or_else(|| {
            self.families.push(family.to_owned());
            self.families.len() - 1
        });
        let (first, second) = (self.append(first), self.append(second));
        self.slots.push(Slot { family, kind, first, second });
    }

    fn append(&mut self, part: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        start..self.bytes.len()
    }
}
