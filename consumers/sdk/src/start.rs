//! Where to begin reading a partition: the local state decides, the group's committed offset only tells what others have done.

use hooklog_schemas::NextOffset;

/// What is known when a partition is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The local state's next offset; nothing when there is no state.
    pub local: Option<NextOffset>,
    /// The group's committed offset.
    pub committed: Option<NextOffset>,
    /// The first offset the log still has.
    pub log_start: NextOffset,
    /// The end of the log.
    pub log_end: NextOffset,
}

/// Where a group that never read this partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewGroup {
    /// At the oldest record: every event is handled.
    #[default]
    Earliest,
    /// At the end: only events that come later.
    Latest,
}

/// What to do when records that were not read are no longer in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogTrimmed {
    /// Stop, and let a person decide.
    #[default]
    Refuse,
    /// Go on with what is left; the state misses the events that are gone.
    Skip,
}

/// The decisions a person has taken beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Where a new group begins.
    pub new_group: NewGroup,
    /// What to do about records that are gone.
    pub log_trimmed: LogTrimmed,
}

/// Where to read from, and up to where effects were made already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The first offset to read.
    pub from: NextOffset,
    /// Records before it only rebuild the state: their effects, emits and dead letters were made before it was committed.
    pub effects_from: NextOffset,
    /// Records that are gone and were not read.
    pub skipped: u64,
}

/// Why reading can't begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The state or the group is ahead of the log.
    #[error(
        "{whose} next offset {next} lies behind the end of the log ({end}): the log was reset or lost records; \
         `hooklog dev --reset` removes log and state together, elsewhere move the state folder away and reset the group"
    )]
    BeyondEnd {
        /// The state's or the group's.
        whose: &'static str,
        /// The next offset.
        next: NextOffset,
        /// The end of the log.
        end: NextOffset,
    },
    /// Records that were not read are gone.
    #[error(
        "the log begins at {start}, but offsets from {next} on are needed: retention removed them; restore a copy of the state, \
         or accept the gap with `log_trimmed = \"skip\"`"
    )]
    Trimmed {
        /// The first offset needed.
        next: NextOffset,
        /// The first offset there is.
        start: NextOffset,
    },
}

/// Decides where to begin.
///
/// # Errors
/// [`StartError`] where going on would lose events or mix logs without anybody noticing.
pub fn plan(facts: Facts, policy: Policy) -> Result<Plan, StartError> {
    let Facts { local, committed, log_start, log_end } = facts;
    let named = [("the state's", local), ("the group's", committed)];
    for (whose, next) in named.into_iter().filter_map(|(whose, next)| Some((whose, next?))) {
        if next > log_end {
            return Err(StartError::BeyondEnd { whose, next, end: log_end });
        }
    }
    let needed = match (local, committed) {
        (None, None) => {
            let from = match policy.new_group {
                NewGroup::Earliest => log_start,
                NewGroup::Latest => log_end,
            };
            return Ok(Plan { from, effects_from: from, skipped: 0 });
        }
        // The disk is new: the state is rebuilt from the first record there ever was.
        (None, Some(_)) => NextOffset::ZERO,
        (Some(local), _) => local,
    };
    let from = needed.max(log_start);
    if from > needed && policy.log_trimmed == LogTrimmed::Refuse {
        return Err(StartError::Trimmed { next: needed, start: log_start });
    }
    let skipped = u64::try_from(from.0 - needed.0).unwrap_or(0);
    Ok(Plan { from, effects_from: committed.map_or(from, |committed| committed.max(from)), skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> NextOffset {
        NextOffset(offset)
    }

    fn facts(local: Option<i64>, committed: Option<i64>, log: (i64, i64)) -> Facts {
        Facts { local: local.map(at), committed: committed.map(at), log_start: at(log.0), log_end: at(log.1) }
    }

    fn begin(local: Option<i64>, committed: Option<i64>, log: (i64, i64)) -> Result<(i64, i64), StartError> {
        plan(facts(local, committed, log), Policy::default()).map(|plan| (plan.from.0, plan.effects_from.0))
    }

    #[test]
    fn every_row_of_the_table() {
        // no state, no commit: a new group reads all there is
        assert_eq!(begin(None, None, (0, 90)), Ok((0, 0)));
        assert_eq!(begin(None, None, (30, 90)), Ok((30, 30)));
        // no state, a commit: the state is rebuilt, effects were made
        assert_eq!(begin(None, Some(60), (0, 90)), Ok((0, 60)));
        // the state is behind the commit: a lost suffix, or another owner was ahead
        assert_eq!(begin(Some(40), Some(60), (0, 90)), Ok((40, 60)));
        assert_eq!(begin(Some(60), Some(60), (0, 90)), Ok((60, 60)));
        // the state is ahead of the commit: a crash between the two
        assert_eq!(begin(Some(70), Some(60), (0, 90)), Ok((70, 70)));
        assert_eq!(begin(Some(70), None, (0, 90)), Ok((70, 70)));
        assert_eq!(begin(Some(90), Some(90), (90, 90)), Ok((90, 90)));
    }

    #[test]
    fn another_log_is_refused() {
        assert!(matches!(begin(Some(91), None, (0, 90)), Err(StartError::BeyondEnd { whose: "the state's", .. })));
        assert!(matches!(begin(None, Some(91), (0, 90)), Err(StartError::BeyondEnd { whose: "the group's", .. })));
        assert!(begin(Some(91), None, (0, 90)).unwrap_err().to_string().contains("hooklog dev --reset"));
    }

    #[test]
    fn a_gap_is_refused_unless_it_was_accepted() {
        for (local, committed) in [(Some(20), None), (Some(20), Some(60)), (None, Some(60))] {
            let needed = at(local.unwrap_or(0));
            let trimmed = StartError::Trimmed { next: needed, start: at(30) };
            assert_eq!(begin(local, committed, (30, 90)), Err(trimmed));
            let skip = Policy { log_trimmed: LogTrimmed::Skip, ..Policy::default() };
            let plan = plan(facts(local, committed, (30, 90)), skip).unwrap();
            assert_eq!((plan.from, plan.skipped), (at(30), 30 - needed.0.cast_unsigned()));
            assert_eq!(plan.effects_from, at(committed.unwrap_or(30)));
        }
    }

    #[test]
    fn a_new_group_may_begin_at_the_end() {
        let latest = Policy { new_group: NewGroup::Latest, ..Policy::default() };
        assert_eq!(plan(facts(None, None, (30, 90)), latest).unwrap().from, at(90));
        assert_eq!(plan(facts(Some(40), None, (30, 90)), latest).unwrap().from, at(40), "only a new group");
    }
}
