//! The events as they are consumed: a thread reads the log's end, hears the consumers, and prints one line an event.

use std::collections::{BTreeMap, HashMap};
use std::thread::JoinHandle;
use std::time::Duration;

use hooklog_consumer::metrics::NEXT_OFFSET;
use hooklog_kafka::tail::{From, Seen, Tail};
use hooklog_kafka::{Connection, Incoming};
use hooklog_process::clock::Clock;
use hooklog_process::metrics::Registry;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::{NextOffset, Partition, TopicName, codec};
use tokio::sync::mpsc::Receiver;

use crate::dev::board::{Board, Report};
use crate::dev::watched::Reports;
use crate::failure::Failure;
use crate::output::{Output, Shown};
use crate::reach::{ANSWER_WITHIN, unanswered};

/// How long a look at the log waits while nothing happens, and while events wait for their consumers.
const LOOK: Duration = Duration::from_millis(250);
const CLOSE_LOOK: Duration = Duration::from_millis(25);

/// What the thread reads from.
pub(crate) struct Ears {
    /// Who reads which topic.
    pub(crate) readers: BTreeMap<TopicName, Vec<&'static str>>,
    /// What the consumers tell.
    pub(crate) reports: Receiver<Report>,
    /// How many of that were lost.
    pub(crate) lost: Reports,
    /// Where the consumers count how far they are.
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
}

/// Reads from the end of these topics on.
pub(crate) fn listen(bootstrap: &str, topics: &[TopicName]) -> Result<Tail, Failure> {
    let connection = Connection::plain(bootstrap, "hooklog-dev");
    Tail::open(&connection, topics, From::End, ANSWER_WITHIN).map_err(|error| unanswered(&error))
}

/// Prints until shutdown, or until nobody reads the output any more.
pub(crate) fn start(tail: Tail, ears: Ears, mut output: Output) -> Result<JoinHandle<()>, Failure> {
    let thread = std::thread::Builder::new().name("events".to_owned()).spawn(move || {
        // A closed output or a broken reader ends the lines, never the process: it serves without them.
        if let Err(failure) = print(tail, ears, &mut output) {
            tracing::warn!(%failure, "no more lines about events");
        }
    });
    thread.map_err(|error| Failure::Internal(format!("no thread for the events: {error}")))
}

fn print(mut tail: Tail, mut ears: Ears, output: &mut Output) -> Result<(), Failure> {
    let mut board = Board::new(std::mem::take(&mut ears.readers));
    while !ears.shutdown.is_requested() {
        let look = if board.is_waiting() { CLOSE_LOOK } else { LOOK };
        let seen = tail.next(look).map_err(|error| Failure::Unavailable(error.to_string()))?;
        let now = ears.clock.monotonic();
        let progress = if board.is_waiting() { progress(&ears.registry) } else { HashMap::new() };
        board.lost(ears.lost.dropped());
        // Heard after the progress was read: whoever is past an event has told of it before.
        while let Ok(report) = ears.reports.try_recv() {
            board.report(report);
        }
        if let Seen::Record(record) = seen {
            board.event(record.position.clone(), head(&record), now);
        }
        let next = |consumer: &str, topic: &TopicName, partition: Partition| {
            progress.get(&(consumer.to_owned(), topic.to_string(), partition.to_string())).copied()
        };
        for line in board.lines(now, &next) {
            output.line(line)?;
        }
    }
    Ok(())
}

/// How far every consumer is in every partition, by its name, the topic and the partition.
fn progress(registry: &Registry) -> HashMap<(String, String, String), NextOffset> {
    let mut progress = HashMap::new();
    for family in registry.gather().iter().filter(|family| family.name() == NEXT_OFFSET.name) {
        for metric in family.get_metric() {
            let label = |name: &str| {
                let label = metric.get_label().iter().find(|label| label.name() == name);
                label.map_or_else(String::new, |label| label.value().to_owned())
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "offsets of a log that grew on this machine are exact in a double"
            )]
            let next = NextOffset(metric.get_gauge().get_value() as i64);
            progress.insert((label("group"), label("topic"), label("partition")), next);
        }
    }
    progress
}

fn head(record: &Incoming) -> String {
    let position = &record.position;
    match codec::decode(&record.value.clone().unwrap_or_default()) {
        Ok(envelope) => {
            let (kind, id) = (Shown(envelope.kind.as_str()), Shown(envelope.id.as_str()));
            let time = envelope.received_at.rfc3339();
            let time = time.get(11..19).unwrap_or_default();
            format!("{time}  {}  {kind}  {id}  {position}", envelope.source)
        }
        Err(error) => format!("          unreadable record {position}: {error}"),
    }
}

/// Waits for the thread, but not for ever.
pub(crate) fn join(thread: JoinHandle<()>, clock: &Clock) {
    let until = clock.monotonic() + LOOK * 4;
    while !thread.is_finished() && clock.monotonic() < until {
        std::thread::sleep(CLOSE_LOOK);
    }
}
