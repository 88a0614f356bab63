//! What happened to each event: put together from what the log shows and what the consumers report, one line an event.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use hooklog_schemas::{NextOffset, Partition, Position, TopicName};

/// Events that wait for their consumers; past it the oldest is shown as far as it is known.
const WAITING_LIMIT: usize = 1024;

/// Reports of events that the log has not shown yet.
const EARLY_LIMIT: usize = 8192;

/// Lines a second; a reader takes in no more, so the rest is counted.
const LINES_PER_SECOND: u32 = 40;

/// How long a report may be on its way after the state was written.
const SETTLE: Duration = Duration::from_millis(200);

/// How long a consumer is waited for before the line says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a consumer did with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The handler was called; an outside call may follow.
    Handled(String),
    /// The outside call was made.
    Performed(String),
    /// Handler or call failed.
    Failed(String),
}

/// A deed, by whom, to which event.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) consumer: &'static str,
    pub(crate) position: Position,
    pub(crate) deed: Deed,
}

/// How far a consumer is in a partition.
pub(crate) type Progress<'a> = dyn Fn(&str, &TopicName, Partition) -> Option<NextOffset> + 'a;

struct Waiting {
    position: Position,
    head: String,
    since: Instant,
    /// Reports lost before it.
    lost: u64,
}

/// The events of the moment.
pub(crate) struct Board {
    /// Who reads which topic.
    readers: BTreeMap<TopicName, Vec<&'static str>>,
    waiting: VecDeque<Waiting>,
    deeds: HashMap<Position, Vec<(&'static str, Deed)>>,
    early: VecDeque<Position>,
    second: Option<Instant>,
    shown: u32,
    uncounted: u64,
    lost: u64,
}

impl Board {
    /// For these readers of topics.
    pub(crate) fn new(readers: BTreeMap<TopicName, Vec<&'static str>>) -> Self {
        Self {
            readers,
            waiting: VecDeque::new(),
            deeds: HashMap::new(),
            early: VecDeque::new(),
            second: None,
            shown: 0,
            uncounted: 0,
            lost: 0,
        }
    }

    /// Whether an event waits for its consumers, or the count of a flood for its line.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.uncounted > 0
    }

    /// The log shows an event.
    pub(crate) fn event(&mut self, position: Position, head: String, now: Instant) {
        if !self.has_room(now) {
            self.uncounted += 1;
            self.deeds.remove(&position);
            return;
        }
        self.waiting.push_back(Waiting { position, head, since: now, lost: self.lost });
    }

    /// So many reports were lost up to now: where one may be missing, nothing is concluded from its absence.
    pub(crate) const fn lost(&mut self, reports: u64) {
        self.lost = reports;
    }

    /// A consumer reports.
    pub(crate) fn report(&mut self, report: Report) {
        if !self.deeds.contains_key(&report.position) {
            self.early.push_back(report.position.clone());
            if self.early.len() > EARLY_LIMIT
                && let Some(oldest) = self.early.pop_front()
                && !self.waiting.iter().any(|waiting| waiting.position == oldest)
            {
                self.deeds.remove(&oldest);
            }
        }
        let deeds = self.deeds.entry(report.position).or_default();
        deeds.retain(|(consumer, _)| *consumer != report.consumer);
        deeds.push((report.consumer, report.deed));
    }

    /// Takes the lines that are complete, or have waited long enough.
    pub(crate) fn lines(&mut self, now: Instant, progress: &Progress<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(first) = self.waiting.front() {
            let age = now.saturating_duration_since(first.since);
            let told = self.told(first, age, progress);
            let forced = age >= PATIENCE || self.waiting.len() > WAITING_LIMIT;
            if told.iter().any(Option::is_none) && !forced {
                break;
            }
            lines.push(self.line(first, told));
            if let Some(done) = self.waiting.pop_front() {
                self.deeds.remove(&done.position);
            }
        }
        if self.uncounted > 0 && self.waiting.is_empty() && self.has_room(now) {
            lines.push(format!("         … and {} more", std::mem::take(&mut self.uncounted)));
        }
        lines
    }

    fn readers(&self, topic: &TopicName) -> &[&'static str] {
        self.readers.get(topic).map_or(&[], Vec::as_slice)
    }

    /// What each reader did, where that is certain.
    fn told(&self, waiting: &Waiting, age: Duration, progress: &Progress<'_>) -> Vec<Option<String>> {
        let position = &waiting.position;
        let deeds = self.deeds.get(position);
        let told = |consumer: &&'static str| {
            let deed = deeds.and_then(|deeds| deeds.iter().find(|(who, _)| who == consumer)).map(|(_, deed)| deed);
            match deed {
                Some(Deed::Performed(what) | Deed::Failed(what)) => Some(what.clone()),
                // Its outside call, if it has one, is reported within the same breath.
                Some(Deed::Handled(what)) => (age >= SETTLE).then(|| what.clone()),
                None => {
                    let next = progress(consumer, &position.topic, position.partition);
                    let passed = next.is_some_and(|next| !next.includes(position.offset));
                    (passed && age >= SETTLE && waiting.lost == self.lost).then(|| "duplicate, skipped".to_owned())
                }
            }
        };
        self.readers(&position.topic).iter().map(told).collect()
    }

    fn line(&self, waiting: &Waiting, told: Vec<Option<String>>) -> String {
        let mut line = waiting.head.clone();
        for (consumer, what) in self.readers(&waiting.position.topic).iter().zip(told) {
            let what = what.unwrap_or_else(|| "no report yet".to_owned());
            line.push_str(&format!("  {consumer} {what}"));
        }
        line
    }

    /// Whether this second has a line left.
    fn has_room(&mut self, now: Instant) -> bool {
        let over = self.second.is_none_or(|begun| now.saturating_duration_since(begun) >= Duration::from_secs(1));
        if over {
            self.second = Some(now);
            self.shown = 0;
        }
        self.shown += 1;
        self.shown <= LINES_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use hooklog_schemas::Offset;

    use super::*;

    const ALL_READ: &Progress<'static> = &|_, _, _| Some(NextOffset(100));
    const NONE_READ: &Progress<'static> = &|_, _, _| Some(NextOffset(0));

    fn position(offset: i64) -> Position {
        Position { topic: TopicName::parse("hooks.stripe").unwrap(), partition: Partition(0), offset: Offset(offset) }
    }

    fn board() -> Board {
        Board::new(BTreeMap::from([(position(0).topic, vec!["ledger", "tally"])]))
    }

    fn report(consumer: &'static str, offset: i64, deed: Deed) -> Report {
        Report { consumer, position: position(offset), deed }
    }

    #[test]
    fn a_line_says_what_every_reader_did_whichever_came_first() {
        let (mut board, now) = (board(), Instant::now());
        board.report(report("tally", 1, Deed::Handled("counted".to_owned())));
        board.event(position(1), "evt_1".to_owned(), now);
        assert!(board.lines(now, NONE_READ).is_empty(), "the ledger has not reported");
        board.report(report("ledger", 1, Deed::Handled("applied".to_owned())));
        board.report(report("ledger", 1, Deed::Performed("charged".to_owned())));
        assert_eq!(board.lines(now + SETTLE, NONE_READ), ["evt_1  ledger charged  tally counted"]);
        assert!(board.deeds.is_empty());
    }

    #[test]
    fn a_duplicate_is_what_was_passed_without_being_handled() {
        let (mut board, now) = (board(), Instant::now());
        board.event(position(1), "evt_1".to_owned(), now);
        assert!(board.lines(now, ALL_READ).is_empty(), "a report may still be on its way");
        let skipped = "evt_1  ledger duplicate, skipped  tally duplicate, skipped";
        assert_eq!(board.lines(now + SETTLE, ALL_READ), [skipped]);
    }

    #[test]
    fn a_lost_report_is_not_taken_for_a_duplicate() {
        let (mut board, now) = (board(), Instant::now());
        board.event(position(1), "evt_1".to_owned(), now);
        board.lost(1);
        assert!(board.lines(now + SETTLE, ALL_READ).is_empty());
        let [line] = &board.lines(now + PATIENCE, ALL_READ)[..] else { panic!("one line") };
        assert!(line.contains("ledger no report yet"), "{line}");
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let (mut board, now) = (board(), Instant::now());
        board.event(position(1), "evt_1".to_owned(), now);
        assert!(board.lines(now + SETTLE, NONE_READ).is_empty());
        let [line] = &board.lines(now + PATIENCE, NONE_READ)[..] else { panic!("one line") };
        assert!(line.contains("ledger no report yet"), "{line}");
    }

    #[test]
    fn a_flood_is_counted_and_nothing_grows_with_it() {
        let (mut board, now) = (board(), Instant::now());
        for offset in 0..100_000 {
            board.report(report("ledger", offset, Deed::Performed("charged".to_owned())));
            board.report(report("tally", offset, Deed::Performed("counted".to_owned())));
            board.event(position(offset), format!("evt_{offset}"), now);
        }
        let lines = board.lines(now, ALL_READ);
        assert_eq!(lines.len(), usize::try_from(LINES_PER_SECOND).unwrap());
        let later = board.lines(now + Duration::from_secs(1), ALL_READ);
        assert_eq!(later, [format!("         … and {} more", 100_000 - LINES_PER_SECOND)]);
        assert!(board.deeds.len() <= EARLY_LIMIT && board.early.len() <= EARLY_LIMIT);
    }
}
