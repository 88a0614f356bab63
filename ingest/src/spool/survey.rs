//! Reading a spool as a whole: what it holds, and whether all of it is what was written.

use std::fmt;

use hooklog_disk::DiskError;
use hooklog_schemas::Timestamp;

use super::shelf::{Place, Shelf};
use super::usage::Holding;
use crate::lane::LaneId;

/// Damaged places that are named one by one; the others are counted.
const NAMED: usize = 20;

/// What a spool holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Every lane that holds something, in order.
    pub lanes: Vec<LaneSurvey>,
    /// All of it together, for the limits.
    pub holding: Holding,
    /// What is not as it was written.
    pub damage: Damages,
    /// Records that were set aside before.
    pub aside: u64,
}

/// What a lane holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSurvey {
    /// The lane.
    pub lane: LaneId,
    /// Its places, damaged ones too.
    pub places: usize,
    /// Bytes of its whole records.
    pub bytes: u64,
    /// When its first whole record was spooled.
    pub oldest: Option<Timestamp>,
}

/// What is not as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damages {
    /// Records whose bytes changed.
    pub damaged: u64,
    /// Records that are not there.
    pub missing: u64,
    /// Some of them: `lane number: how`.
    pub named: Vec<String>,
}

impl Damages {
    /// Whether there are none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.damaged == 0 && self.missing == 0
    }
}

impl fmt::Display for Damages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} damaged and {} missing records ({}", self.damaged, self.missing, self.named.join("; "))?;
        let named = u64::try_from(self.named.len()).unwrap_or(u64::MAX);
        match (self.damaged + self.missing).saturating_sub(named) {
            0 => write!(f, ")"),
            more => write!(f, "; and {more} more)"),
        }
    }
}

impl Survey {
    /// Reads and checks every record.
    ///
    /// # Errors
    /// [`DiskError`]
    pub fn of(shelf: &Shelf) -> Result<Self, DiskError> {
        let mut survey = Self::default();
        shelf.places(&mut |lane, place| {
            if survey.lanes.last().is_none_or(|last| last.lane != *lane) {
                survey.lanes.push(LaneSurvey { lane: lane.clone(), places: 0, bytes: 0, oldest: None });
            }
            survey.count(place);
        })?;
        shelf.aside(&mut |_, _, record| {
            survey.aside += 1;
            if let Some(record) = record {
                // It takes room until a person has dealt with it.
                survey.holding.add(&record.source, u64::try_from(record.size).unwrap_or(u64::MAX));
            }
        })?;
        Ok(survey)
    }

    /// Counts a place of the last lane.
    fn count(&mut self, place: &Place) {
        let Some(lane) = self.lanes.last_mut() else { return };
        lane.places += 1;
        match place {
            Place::Whole(record) => {
                let size = u64::try_from(record.size).unwrap_or(u64::MAX);
                lane.bytes += size;
                lane.oldest = lane.oldest.or(Some(record.spooled_at));
                self.holding.add(&record.source, size);
            }
            Place::Damaged { number, damage } => {
                let named = format!("{} {number}: {damage}", lane.lane);
                self.damage.damaged += 1;
                self.name(named);
            }
            Place::Missing { number } => {
                let named = format!("{} {number}: missing", lane.lane);
                self.damage.missing += 1;
                self.name(named);
            }
        }
    }

    fn name(&mut self, place: String) {
        if self.damage.named.len() < NAMED {
            self.damage.named.push(place);
        }
    }

    /// When the oldest record was spooled.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|lane| lane.oldest).min()
    }
}
