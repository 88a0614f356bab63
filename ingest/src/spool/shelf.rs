//! Where spooled records lie: lane by lane, each lane's records numbered without a gap, so that a lost one is noticed.
//!
//! ```text
//! records   lane · number   ▶ the record                       (see `record`)
//! lanes     lane            ▶ first number kept · next number   written with every change of the lane
//! counts    topic           ▶ its number of partitions, so that a key leads to the same lane after a restart
//! aside     lane · number   ▶ why · the record                  what can't be drained, kept for a person
//! ```

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use hooklog_disk::key::{KeyReader, KeyWriter, Part};
use hooklog_disk::{Batch, Direction, Disk, DiskError, FamilySpec, KeyRange, Shape, Sync};
use hooklog_schemas::TopicName;

use super::record::{self, Damage, Spooled};
use crate::lane::LaneId;

const RECORDS: &str = "records";
const LANES: &str = "lanes";
const COUNTS: &str = "counts";
const ASIDE: &str = "aside";

/// Records and bytes that are read at a time when all are.
const PIECE: (usize, usize) = (1024, 8 << 20);

/// The families of a spool.
pub const FAMILIES: [FamilySpec; 4] = [
    FamilySpec::named(RECORDS, Shape::Ordered),
    FamilySpec::named(LANES, Shape::Ordered),
    FamilySpec::named(COUNTS, Shape::Ordered),
    FamilySpec::named(ASIDE, Shape::Ordered),
];

/// Why a spool could not be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShelfError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It holds something this version did not write.
    #[error("the spool has a {what} that this version can't read: use the version that wrote it")]
    Unreadable {
        /// Which part.
        what: &'static str,
    },
}

/// The records of a spool. One owner writes; many may read a copy opened for reading.
pub struct Shelf {
    disk: Box<dyn Disk>,
    lanes: BTreeMap<LaneId, Range<u64>>,
    counts: BTreeMap<TopicName, NonZeroU32>,
}

/// A record for the end of its lane.
#[derive(Debug)]
pub struct Entry {
    /// The lane.
    pub lane: LaneId,
    /// How many partitions its topic has, if that is known.
    pub count: Option<NonZeroU32>,
    /// Its bytes, see [`record::encode`].
    pub bytes: Vec<u8>,
}

/// One place of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It has its record.
    Whole(Spooled),
    /// Its record is damaged.
    Damaged {
        /// The place.
        number: u64,
        /// How.
        damage: Damage,
    },
    /// Its record is not there.
    Missing {
        /// The place.
        number: u64,
    },
}

impl Place {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::Whole(record) => record.number,
            Self::Damaged { number, .. } | Self::Missing { number } => *number,
        }
    }
}

/// A record that can't be drained, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its place.
    pub number: u64,
    /// Why.
    pub reason: String,
}

impl Shelf {
    /// Reads what lanes there are.
    ///
    /// # Errors
    /// [`ShelfError`]
    pub fn open(disk: Box<dyn Disk>) -> Result<Self, ShelfError> {
        let mut rows = Vec::new();
        disk.scan(LANES, &KeyRange::all(), Direction::Forward, &mut |key, value| {
            rows.push(lane_row(key, value));
            ControlFlow::Continue(())
        })?;
        let lanes: Option<BTreeMap<_, _>> = rows.into_iter().collect();
        let mut rows = Vec::new();
        disk.scan(COUNTS, &KeyRange::all(), Direction::Forward, &mut |key, value| {
            rows.push(count_row(key, value));
            ControlFlow::Continue(())
        })?;
        let counts: Option<BTreeMap<_, _>> = rows.into_iter().collect();
        Ok(Self {
            disk,
            lanes: lanes.ok_or(ShelfError::Unreadable { what: "lane" })?,
            counts: counts.ok_or(ShelfError::Unreadable { what: "number of partitions" })?,
        })
    }

    /// The lanes, and which numbers each of them keeps.
    pub fn lanes(&self) -> impl Iterator<Item = (&LaneId, &Range<u64>)> {
        self.lanes.iter()
    }

    /// How many partitions a topic had when its records were spooled.
    pub fn counts(&self) -> impl Iterator<Item = (&TopicName, NonZeroU32)> {
        self.counts.iter().map(|(topic, count)| (topic, *count))
    }

    /// Puts records at the ends of their lanes, all or none, and waits until they are on the device. Returns their numbers. How many
    /// partitions their topics have is written with them.
    ///
    /// # Errors
    /// [`DiskError`]; then nothing is known of them until the spool is opened anew.
    pub fn append(&mut self, records: Vec<Entry>, sync: Sync) -> Result<Vec<u64>, DiskError> {
        let mut batch = Batch::new();
        let mut ends: BTreeMap<LaneId, Range<u64>> = BTreeMap::new();
        let mut counts: BTreeMap<TopicName, NonZeroU32> = BTreeMap::new();
        let mut numbers = Vec::with_capacity(records.len());
        for Entry { lane, count, mut bytes } in records {
            if let Some(count) = count.filter(|count| self.counts.get(&lane.topic) != Some(count)) {
                counts.insert(lane.topic.clone(), count);
            }
            let key = lane.key().finish();
            let kept = ends.entry(lane.clone()).or_insert_with(|| self.lanes.get(&lane).cloned().unwrap_or_default());
            record::number(&mut bytes, &key, kept.end);
            batch.put(RECORDS, &place(&lane, kept.end), &bytes);
            numbers.push(kept.end);
            kept.end += 1;
        }
        for (lane, kept) in &ends {
            batch.put(LANES, &lane.key().finish(), &range_bytes(kept));
        }
        for (topic, count) in &counts {
            batch.put(COUNTS, &topic_key(topic), &count.get().to_be_bytes());
        }
        self.disk.write(&batch, sync)?;
        self.lanes.extend(ends);
        self.counts.extend(counts);
        Ok(numbers)
    }

    /// The places of a lane from `from` on, or from its first, as many as fit in both limits, at least one if there is one.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn window(&self, lane: &LaneId, from: u64, records: usize, bytes: usize) -> Result<Vec<Place>, DiskError> {
        let kept = self.lanes.get(lane).cloned().unwrap_or_default();
        let mut next = from.clamp(kept.start, kept.end);
        let upto = kept.end.min(next.saturating_add(u64::try_from(records).unwrap_or(u64::MAX)));
        let mut places = Vec::new();
        let mut size = 0;
        let lane_key = lane.key().finish();
        let range = KeyRange { from: place(lane, next), to: Some(place(lane, upto)) };
        let mut full = false;
        self.disk.scan(RECORDS, &range, Direction::Forward, &mut |key, value| {
            let Some(number) = number_of(key) else { return ControlFlow::Continue(()) };
            places.extend((next..number).map(|number| Place::Missing { number }));
            size += value.len();
            if size > bytes && !places.is_empty() {
                (full, next) = (true, number);
                return ControlFlow::Break(());
            }
            places.push(match record::decode(&Bytes::copy_from_slice(value), &lane_key, number) {
                Ok(record) => Place::Whole(record),
                Err(damage) => Place::Damaged { number, damage },
            });
            next = number + 1;
            ControlFlow::Continue(())
        })?;
        if !full {
            places.extend((next..upto).map(|number| Place::Missing { number }));
        }
        Ok(places)
    }

    /// Removes the first places of a lane, up to but not including `upto`, and keeps some of them aside. Not synced: what a crash of the
    /// machine brings back is drained once more.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn trim(&mut self, lane: &LaneId, upto: u64, aside: &[SetAside]) -> Result<(), DiskError> {
        let Some(kept) = self.lanes.get(lane).cloned() else { return Ok(()) };
        let upto = upto.clamp(kept.start, kept.end);
        let mut batch = Batch::new();
        for set in aside {
            let record = self.disk.get(RECORDS, &place(lane, set.number))?.unwrap_or_default();
            let mut value = Vec::with_capacity(4 + set.reason.len() + record.len());
            value.extend_from_slice(&u32::try_from(set.reason.len()).unwrap_or(0).to_be_bytes());
            value.extend_from_slice(set.reason.as_bytes());
            value.extend_from_slice(&record);
            batch.put(ASIDE, &place(lane, set.number), &value);
        }
        for number in kept.start..upto {
            batch.delete(RECORDS, &place(lane, number));
        }
        batch.put(LANES, &lane.key().finish(), &range_bytes(&(upto..kept.end)));
        self.disk.write(&batch, if aside.is_empty() { Sync::None } else { Sync::Synced })?;
        self.lanes.insert(lane.clone(), upto..kept.end);
        Ok(())
    }

    /// Visits everything that was set aside: its lane, its number, why, and the record where it can be read.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn aside(&self, visit: &mut dyn FnMut(LaneId, SetAside, Option<Spooled>)) -> Result<(), DiskError> {
        self.disk.scan(ASIDE, &KeyRange::all(), Direction::Forward, &mut |key, value| {
            let mut reader = KeyReader::new(key);
            let (Some(lane), Some(number)) = (LaneId::read(&mut reader), number_of(key)) else {
                return ControlFlow::Continue(());
            };
            let length = value.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length));
            let reason = value.get(4..4 + usize::try_from(length).unwrap_or(0)).unwrap_or_default();
            let bytes = Bytes::copy_from_slice(value.get(4 + reason.len()..).unwrap_or_default());
            let record = record::decode(&bytes, &lane.key().finish(), number).ok();
            visit(lane, SetAside { number, reason: String::from_utf8_lossy(reason).into_owned() }, record);
            ControlFlow::Continue(())
        })
    }

    /// Removes everything that was set aside. Returns how many records it was.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn discard_aside(&mut self) -> Result<u64, DiskError> {
        let mut batch = Batch::new();
        self.disk.scan(ASIDE, &KeyRange::all(), Direction::Forward, &mut |key, _| {
            batch.delete(ASIDE, key);
            ControlFlow::Continue(())
        })?;
        self.disk.write(&batch, Sync::Synced)?;
        Ok(u64::try_from(batch.len()).unwrap_or(u64::MAX))
    }

    /// Visits every place of every lane, lane after lane, in their order.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn places(&self, visit: &mut dyn FnMut(&LaneId, &Place)) -> Result<(), DiskError> {
        for (lane, kept) in &self.lanes {
            let mut next = kept.start;
            while next < kept.end {
                let places = self.window(lane, next, PIECE.0, PIECE.1)?;
                let Some(last) = places.last() else { break };
                next = last.number() + 1;
                places.iter().for_each(|place| visit(lane, place));
            }
        }
        Ok(())
    }

    /// Waits until everything is on the device.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn sync(&self) -> Result<(), DiskError> {
        self.disk.sync()
    }

    /// Gives back to the device what was trimmed.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn shrink(&self) -> Result<(), DiskError> {
        self.disk.shrink()
    }
}

fn place(lane: &LaneId, number: u64) -> Vec<u8> {
    let mut key = lane.key();
    key.unsigned(number);
    key.finish()
}

/// The number is the key's last part: a byte for its type and eight of its own.
fn number_of(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|number| u64::from_be_bytes(*number))
}

fn range_bytes(range: &Range<u64>) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&range.start.to_be_bytes());
    bytes[8..].copy_from_slice(&range.end.to_be_bytes());
    bytes
}

fn lane_row(key: &[u8], value: &[u8]) -> Option<(LaneId, Range<u64>)> {
    let lane = LaneId::read(&mut KeyReader::new(key))?;
    let (start, end) = value.split_first_chunk::<8>()?;
    let (start, end) = (u64::from_be_bytes(*start), u64::from_be_bytes(end.try_into().ok()?));
    (start <= end).then_some((lane, start..end))
}

fn topic_key(topic: &TopicName) -> Vec<u8> {
    let mut key = KeyWriter::new();
    key.text(topic.as_str());
    key.finish()
}

fn count_row(key: &[u8], value: &[u8]) -> Option<(TopicName, NonZeroU32)> {
    let Ok(Some(Part::Text(topic))) = KeyReader::new(key).part() else { return None };
    Some((TopicName::parse(&topic).ok()?, NonZeroU32::new(u32::from_be_bytes(value.try_into().ok()?))?))
}
