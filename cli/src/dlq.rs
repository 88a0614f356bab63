//! `hooklog dlq`: the events that consumers gave up, with the reason.

use std::collections::VecDeque;
use std::time::Duration;

use clap::{Args, Subcommand};
use hooklog_kafka::tail::{From, Seen, Tail};
use hooklog_kafka::{Admin, Connection, Incoming};
use hooklog_schemas::{DeadLetter, RecordHeaders, TopicName};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Columns, Output, Shown};
use crate::reach::{ANSWER_WITHIN, Reach, unanswered};

/// How long one look at the log waits before it is taken for its end.
const LOOK: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog dlq list
  hooklog dlq list --group ledger --count 20 --json | jq .message")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The newest dead letters of each group, oldest first
    #[command(after_help = "Examples:
  hooklog dlq list
  hooklog dlq list --group ledger --count 20
  hooklog dlq list --broker kafka:9092 --json | jq 'select(.class == \"permanent\")'")]
    List(List),
}

#[derive(Debug, Args)]
struct List {
    /// A consumer group; all if not given
    #[arg(long)]
    group: Option<String>,
    /// How many of each group at most
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// One JSON object a dead letter
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Serialize)]
struct Row {
    position: String,
    group: String,
    generation: u32,
    origin: String,
    id: Option<String>,
    class: &'static str,
    attempts: u32,
    first_failure: String,
    failed_at: String,
    message: String,
}

/// Lists.
///
/// # Errors
/// [`Failure::Unavailable`] when no broker answers, [`Failure::Refused`] when the group has no dead-letter topic.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Action::List(list) = &arguments.action;
    let connection = list.reach.connection()?;
    let mut output = Output::stdout();
    let mut columns = Columns::headed(&["FAILED AT", "GROUP", "CLASS", "TRIES", "ORIGIN", "ID", "MESSAGE"]);
    for topic in topics(&connection, list.group.as_deref())? {
        for record in newest(&connection, &topic, list.count)? {
            match (row(&record), list.json) {
                (Ok(row), true) => output.json(&row)?,
                (Ok(row), false) => columns.row(cells(row)),
                (Err(problem), _) => tracing::error!(position = %record.position, problem, "no dead letter"),
            }
        }
    }
    if list.json { Ok(()) } else { columns.print(&mut output) }
}

fn topics(connection: &Connection, group: Option<&str>) -> Result<Vec<TopicName>, Failure> {
    if let Some(group) = group {
        let topic = TopicName::dead_letters_of(group).map_err(|error| Failure::Usage(error.to_string()))?;
        return Ok(vec![topic]);
    }
    let admin = Admin::new(connection).map_err(|error| Failure::Config(error.to_string()))?;
    let all = admin.topics(ANSWER_WITHIN).map_err(|error| unanswered(&error))?.into_iter().map(|info| info.topic);
    let is_dead = |topic: &TopicName| topic.as_str().starts_with("hooks.") && topic.as_str().ends_with(".dlq");
    Ok(all.filter(is_dead).collect())
}

/// The newest records of a topic over all partitions, oldest first.
fn newest(connection: &Connection, topic: &TopicName, count: u32) -> Result<Vec<Incoming>, Failure> {
    let from = From::Last(count.into());
    let mut tail =
        Tail::open(connection, std::slice::from_ref(topic), from, ANSWER_WITHIN).map_err(|error| unanswered(&error))?;
    let keep = usize::try_from(count).unwrap_or(usize::MAX);
    let mut newest: VecDeque<Incoming> = VecDeque::new();
    while let Seen::Record(mut record) = tail.next(LOOK).map_err(|error| Failure::Unavailable(error.to_string()))? {
        // The body is not shown; kept, a hundred of them could be gigabytes.
        record.value = None;
        let at = newest.partition_point(|other| other.timestamp <= record.timestamp);
        newest.insert(at, record);
        if newest.len() > keep {
            newest.pop_front();
        }
    }
    Ok(newest.into())
}

fn row(record: &Incoming) -> Result<Row, String> {
    let letter = DeadLetter::from_headers(record.headers.iter()).map_err(|error| error.to_string())?;
    let id = record.headers.get(RecordHeaders::ID).map(|id| String::from_utf8_lossy(id).into_owned());
    Ok(Row {
        position: record.position.to_string(),
        group: letter.group,
        generation: letter.generation,
        origin: letter.origin.to_string(),
        id,
        class: letter.class.label(),
        attempts: letter.attempts,
        first_failure: letter.first_failure.rfc3339(),
        failed_at: letter.failed_at.rfc3339(),
        message: letter.message,
    })
}

fn cells(row: Row) -> [String; 7] {
    let shown = |text: &str| Shown(text).to_string();
    let id = row.id.as_deref().map_or_else(|| "-".to_owned(), shown);
    let (group, message) = (shown(&row.group), shown(&row.message));
    [row.failed_at, group, row.class.to_owned(), row.attempts.to_string(), row.origin, id, message]
}

#[cfg(test)]
mod tests {
    use hooklog_kafka::Headers;
    use hooklog_schemas::{FaultClass, Offset, Partition, Position, Timestamp};

    use super::*;

    fn position(topic: &str, offset: i64) -> Position {
        Position { topic: TopicName::parse(topic).unwrap(), partition: Partition(1), offset: Offset(offset) }
    }

    #[test]
    fn a_dead_letter_tells_origin_reason_and_id() {
        let letter = DeadLetter {
            origin: position("hooks.stripe", 41),
            group: "ledger".to_owned(),
            generation: 0,
            attempts: 5,
            first_failure: Timestamp(1000),
            failed_at: Timestamp(2000),
            class: FaultClass::Permanent,
            message: "no\u{1b}[31m customer".to_owned(),
        };
        let headers: Headers = letter.headers().into_iter().chain([(RecordHeaders::ID, b"evt_1".to_vec())]).collect();
        let record = Incoming {
            position: position("hooks.ledger.dlq", 7),
            key: None,
            value: None,
            headers,
            timestamp: Timestamp(2000),
        };
        let row = row(&record).unwrap();
        assert_eq!((row.origin.as_str(), row.id.as_deref()), ("hooks.stripe/1/41", Some("evt_1")));
        let [at, .., message] = cells(row);
        assert_eq!(at, "1970-01-01T00:00:02.000Z");
        assert_eq!(message, "no\\u{1b}[31m customer", "text from outside can't steer the terminal");
    }
}
