//! One partition's state: deduplication, outbox, tables and the next offset, changed in one write.
//!
//! What is held at any moment is the effect of exactly the records before [`PartitionStore::next`]. A crash of the process loses
//! nothing written; a crash of the machine loses a suffix of the drafts since the last [`PartitionStore::sync`], whole ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use hooklog_disk::disk::Visit;
use hooklog_disk::{Batch, Direction, Disk, DiskError, FamilySpec, KeyRange, Shape, Sync};
use hooklog_process::failpoint;
use hooklog_schemas::{NextOffset, Offset, Timestamp};

use crate::dedupe::{Bucket, DedupeKey, Seen, Window};
use crate::draft::Draft;
use crate::identity::{Identity, IdentityError};
use crate::meta::{self, Tag};
use crate::outbox::{Entry, EntryId};

/// Offsets, identity and what else there is one of.
pub const META: &str = "meta";
/// Effects written down and not yet made.
pub const OUTBOX: &str = "outbox";
/// The consumer's tables.
pub const STATE: &str = "state";

/// Every family of a partition's store.
pub const FAMILIES: &[FamilySpec] = &[
    FamilySpec::named(META, Shape::Ordered),
    FamilySpec::named(OUTBOX, Shape::Ordered),
    FamilySpec::named(STATE, Shape::Ordered),
    FamilySpec::prefixed(Bucket::PREFIX, Shape::Points),
];

/// Why a partition's store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The state is not that of this partition.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The state was written by another version.
    #[error(
        "the state's {what} can't be read by this version ({detail}): use the version that wrote it, or rebuild the state"
    )]
    Format {
        /// Which part.
        what: &'static str,
        /// What was found.
        detail: String,
    },
    /// Two tables have one tag.
    #[error(
        "table tag {tag} belongs to {stored:?} and was used for {used:?}: give the new table a tag never used before"
    )]
    TagReused {
        /// The tag.
        tag: u16,
        /// The table that has it.
        stored: String,
        /// The table that wants it.
        used: &'static str,
    },
}

/// Who wrote a state: drawn when it is begun, told with every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(pub [u8; 16]);

/// An open partition state.
pub struct PartitionStore {
    disk: Box<dyn Disk>,
    window: Window,
    owner: Owner,
    next: Option<NextOffset>,
    time: Timestamp,
    buckets: BTreeSet<Bucket>,
    pending: BTreeSet<EntryId>,
    tables: BTreeMap<u16, String>,
    was_closed: bool,
    has_unsynced: bool,
    committable: Option<NextOffset>,
}

impl PartitionStore {
    /// Opens the state on `disk`, beginning it when the disk is empty; then `new_owner` becomes its owner.
    ///
    /// # Errors
    /// [`StoreError::Identity`] when it is another partition's or another log's, or what the disk says.
    pub fn open(
        disk: Box<dyn Disk>,
        identity: &Identity,
        window: Window,
        new_owner: Owner,
    ) -> Result<Self, StoreError> {
        match meta::read_identity(&*disk)? {
            Some(stored) => identity.check(&stored)?,
            None => meta::begin(&*disk, identity, new_owner)?,
        }
        let mut store = Self {
            window,
            owner: meta::read_owner(&*disk)?,
            next: meta::read_number(&*disk, Tag::Next)?.map(NextOffset),
            time: Timestamp(meta::read_number(&*disk, Tag::Time)?.unwrap_or(0)),
            buckets: disk.families().iter().filter_map(|family| Bucket::of_family(family)).collect(),
            pending: BTreeSet::new(),
            tables: meta::read_tables(&*disk)?,
            was_closed: disk.get(META, &Tag::Closed.key())?.is_some(),
            has_unsynced: true,
            committable: None,
            disk,
        };
        store.pending = store.outbox()?.into_iter().map(|entry| entry.id).collect();
        store.expire()?;
        Ok(store)
    }

    /// The first offset not read; nothing when nothing was ever read.
    #[must_use]
    pub const fn next(&self) -> Option<NextOffset> {
        self.next
    }

    /// The log time reached.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Who began this state.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// Whether it was closed in order the last time.
    #[must_use]
    pub const fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// The effects written down and not yet made, in log order.
    ///
    /// # Errors
    /// What the disk says, or [`StoreError::Format`].
    pub fn outbox(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let mut bad = None;
        self.disk.scan(
            OUTBOX,
            &KeyRange::all(),
            Direction::Forward,
            &mut |key, value| match Entry::decode(key, value) {
                Some(entry) => {
                    entries.push(entry);
                    ControlFlow::Continue(())
                }
                None => {
                    bad = Some(format!("entry {key:02x?}"));
                    ControlFlow::Break(())
                }
            },
        )?;
        match bad {
            Some(detail) => Err(StoreError::Format { what: "outbox", detail }),
            None => Ok(entries),
        }
    }

    /// The number of effects written down and not yet made.
    #[must_use]
    pub fn pending_effects(&self) -> usize {
        self.pending.len()
    }

    /// A stored value of the state.
    ///
    /// # Errors
    /// What the disk says.
    pub fn state(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.disk.get(STATE, key)?)
    }

    /// Visits the stored rows of a range of the state.
    ///
    /// # Errors
    /// What the disk says.
    pub fn scan_state(&self, range: &KeyRange, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        Ok(self.disk.scan(STATE, range, Direction::Forward, visit)?)
    }

    /// Begins a micro-batch that will meet these ids, going on at `from` if nothing was ever read.
    ///
    /// # Errors
    /// What the disk says.
    pub fn draft(&self, keys: &[DedupeKey], from: NextOffset) -> Result<Draft, StoreError> {
        let mut seen: HashMap<DedupeKey, Seen> = HashMap::with_capacity(keys.len());
        let wanted: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
        // From the oldest to the newest: where an id lies in two buckets, the newer entry holds.
        for &bucket in &self.buckets {
            let found = self.disk.multi_get(&bucket.family(), &wanted)?;
            for (key, value) in keys.iter().zip(found) {
                let Some(value) = value else { continue };
                let offset = <[u8; 8]>::try_from(&value[..]).map_err(|_| StoreError::Format {
                    what: "deduplication",
                    detail: format!("a value of {} bytes", value.len()),
                })?;
                seen.insert(*key, Seen { offset: Offset(i64::from_be_bytes(offset)), bucket });
            }
        }
        Ok(Draft::new(self.window, self.next.unwrap_or(from), self.time, seen))
    }

    /// Writes a draft: all of it or, after a crash, nothing.
    ///
    /// # Errors
    /// What the disk says; [`StoreError::TagReused`] before anything is written.
    pub fn write(&mut self, draft: Draft) -> Result<(), StoreError> {
        let batch = self.batch_of(&draft)?;
        failpoint::hit("sdk.before-write");
        self.write_whole(batch)?;
        failpoint::hit("sdk.after-write");
        self.has_unsynced = true;
        self.was_closed = false;
        self.next = Some(draft.next);
        self.time = draft.time;
        self.pending.extend(draft.outbox.iter().map(|entry| entry.id));
        self.tables.extend(draft.tables.into_iter().map(|(tag, name)| (tag, name.to_owned())));
        self.expire()
    }

    #[cfg(not(feature = "sabotage-two-batches"))]
    fn write_whole(&self, batch: Batch) -> Result<(), StoreError> {
        Ok(self.disk.write(&batch, Sync::None)?)
    }

    /// Deliberately wrong: what was seen, and how far the log is read, are written before the state.
    #[cfg(feature = "sabotage-two-batches")]
    fn write_whole(&self, mut batch: Batch) -> Result<(), StoreError> {
        let later = batch.split_off(|family| family == STATE || family == OUTBOX);
        self.disk.write(&batch, Sync::None)?;
        failpoint::hit("sdk.after-write");
        Ok(self.disk.write(&later, Sync::None)?)
    }

    fn batch_of(&mut self, draft: &Draft) -> Result<Batch, StoreError> {
        let mut batch = Batch::new();
        let mut family = (None, String::new());
        // In the keys' order: a skip list takes neighbours one after the other from the same few cache lines, and each bucket once.
        let mut first_seen: Vec<&(DedupeKey, Seen)> = draft.first_seen.iter().collect();
        first_seen.sort_by_key(|(key, seen)| (seen.bucket, *key));
        for (key, seen) in first_seen {
            if family.0 != Some(seen.bucket) {
                family = (Some(seen.bucket), seen.bucket.family());
                // Made before the write that needs it; a crash in between leaves an empty family, which the next opening keeps.
                if self.buckets.insert(seen.bucket) {
                    self.disk.create_family(&family.1)?;
                }
            }
            batch.put(&family.1, &key.0, &seen.offset.0.to_be_bytes());
        }
        for (key, value) in &draft.state {
            match value {
                Some(value) => batch.put(STATE, key, value),
                None => batch.delete(STATE, key),
            }
        }
        for entry in &draft.outbox {
            batch.put(OUTBOX, &entry.id.key(), &entry.encode());
        }
        for (&tag, &name) in &draft.tables {
            match self.tables.get(&tag) {
                Some(stored) if stored == name => {}
                Some(stored) => return Err(StoreError::TagReused { tag, stored: stored.clone(), used: name }),
                None => batch.put(META, &meta::table_key(tag), name.as_bytes()),
            }
        }
        batch.put(META, &Tag::Next.key(), &draft.next.0.to_be_bytes());
        batch.put(META, &Tag::Time.key(), &draft.time.0.to_be_bytes());
        if self.was_closed {
            batch.delete(META, &Tag::Closed.key());
        }
        Ok(batch)
    }

    /// Drops the buckets that the log time has passed. The drop is on the device at once, so the time that justifies it must be
    /// there before: otherwise a crash could bring an earlier time back, and with it ids that count as new.
    fn expire(&mut self) -> Result<(), StoreError> {
        let oldest = self.window.oldest(self.time);
        if self.buckets.first().is_none_or(|first| *first >= oldest) {
            return Ok(());
        }
        self.disk.sync()?;
        while let Some(first) = self.buckets.first().copied().filter(|first| *first < oldest) {
            self.disk.drop_family(&first.family())?;
            self.buckets.remove(&first);
        }
        Ok(())
    }

    /// Effects were made, or set aside for good: they are forgotten.
    ///
    /// # Errors
    /// What the disk says.
    pub fn acknowledge(&mut self, made: &[EntryId]) -> Result<(), StoreError> {
        if made.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for id in made {
            batch.delete(OUTBOX, &id.key());
        }
        self.disk.write(&batch, Sync::None)?;
        self.has_unsynced = true;
        for id in made {
            self.pending.remove(id);
        }
        Ok(())
    }

    /// Forgets effects of records before `next`: another owner made them, or the group would not have committed past them.
    ///
    /// # Errors
    /// What the disk says.
    pub fn forget_effects_before(&mut self, next: NextOffset) -> Result<usize, StoreError> {
        let made: Vec<EntryId> = self.pending.iter().copied().take_while(|id| !next.includes(id.offset)).collect();
        self.acknowledge(&made)?;
        Ok(made.len())
    }

    /// Writes down that reading begins at `next`, skipping what lies before it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin_at(&mut self, next: NextOffset) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(META, &Tag::Next.key(), &next.0.to_be_bytes());
        self.disk.write(&batch, Sync::Synced)?;
        self.next = Some(next);
        self.has_unsynced = true;
        Ok(())
    }

    /// Whether anything was written since the last sync.
    #[must_use]
    pub const fn has_unsynced(&self) -> bool {
        self.has_unsynced
    }

    /// Waits until all written is on the device, and tells what may be committed to the group then: never past an effect that
    /// was not made. Nothing when nothing was ever read.
    ///
    /// # Errors
    /// What the disk says; after that the state must be opened anew.
    pub fn sync(&mut self) -> Result<Option<NextOffset>, StoreError> {
        if self.has_unsynced {
            self.disk.sync()?;
            self.has_unsynced = false;
            let oldest = self.pending.first().map(|id| NextOffset(id.offset.0));
            self.committable = self.next.map(|next| oldest.map_or(next, |oldest| oldest.min(next)));
        }
        Ok(self.committable)
    }

    /// Goes back to `to` with an empty state and outbox: the records from there are read again. What was seen stays, since it
    /// tells a record read again from a duplicate.
    ///
    /// # Errors
    /// What the disk says.
    pub fn rewind(&mut self, to: NextOffset) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.delete_range(STATE, &[], &[0xFF; 16]);
        batch.delete_range(OUTBOX, &[], &[0xFF; 16]);
        batch.put(META, &Tag::Next.key(), &to.0.to_be_bytes());
        self.disk.write(&batch, Sync::Synced)?;
        self.next = Some(to);
        self.pending.clear();
        self.has_unsynced = true;
        Ok(())
    }

    /// Marks the state as closed in order and gives the disk free.
    ///
    /// # Errors
    /// What the disk says.
    pub fn close(self) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(META, &Tag::Closed.key(), &[1]);
        Ok(self.disk.write(&batch, Sync::Synced)?)
    }
}
