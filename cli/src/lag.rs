//! `hooklog lag`: how far consumer groups are behind, in records and in seconds.

use std::time::{Duration, Instant};

use clap::Args;
use hooklog_kafka::admin::Group;
use hooklog_kafka::tail::{From, Seen, Tail};
use hooklog_kafka::{Admin, Connection};
use hooklog_process::clock::Clock;
use hooklog_schemas::{NextOffset, Partition, Timestamp, TopicName};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Columns, Output, Shown};
use crate::reach::{ANSWER_WITHIN, Reach, unanswered};

/// How long the first unread record of a partition is looked for.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog lag
  hooklog lag --group ledger --json | jq 'select(.lag_records > 0)'
  hooklog lag --broker kafka:9092

Seconds are the age of the first record that is not done: how old what is handled now is.")]
pub struct Arguments {
    /// A consumer group; can be repeated. All if not given
    #[arg(long = "group", value_name = "NAME", value_delimiter = ',')]
    groups: Vec<String>,
    /// One JSON object a partition: group, topic, partition, next, end, lag_records, lag_seconds, member
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// One partition of one group.
#[derive(Debug, Serialize)]
struct Row {
    group: String,
    topic: String,
    partition: i32,
    next: i64,
    end: i64,
    lag_records: i64,
    /// Nothing when the record could not be read in time.
    lag_seconds: Option<f64>,
    /// The client that owns the partition; nothing when nobody does.
    member: Option<String>,
}

/// Prints the lag.
///
/// # Errors
/// [`Failure::Unavailable`] when no broker answers, [`Failure::Refused`] when a named group is not there.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let connection = arguments.reach.connection()?;
    let admin = Admin::new(&connection).map_err(|error| Failure::Config(error.to_string()))?;
    let groups = groups(&admin, &arguments.groups)?;
    let question = Question { admin, connection, clock: Clock::system() };
    let mut output = Output::stdout();
    let mut columns = Columns::headed(&["GROUP", "TOPIC", "PARTITION", "NEXT", "END", "RECORDS", "SECONDS", "MEMBER"]);
    for group in &groups {
        for row in question.rows(group)? {
            if arguments.json {
                output.json(&row)?;
            } else {
                columns.row(cells(&row));
            }
        }
    }
    if arguments.json { Ok(()) } else { columns.print(&mut output) }
}

fn groups(admin: &Admin, named: &[String]) -> Result<Vec<Group>, Failure> {
    let mut groups = admin.groups(ANSWER_WITHIN).map_err(|error| unanswered(&error))?;
    if let Some(missing) = named.iter().find(|name| !groups.iter().any(|group| group.name == **name)) {
        let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        return Err(Failure::Refused(format!("there is no group {missing:?}; there are: {}", known.join(", "))));
    }
    groups.retain(|group| named.is_empty() || named.contains(&group.name));
    Ok(groups)
}

struct Question {
    admin: Admin,
    connection: Connection,
    clock: Clock,
}

impl Question {
    fn rows(&self, group: &Group) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for topic in self.admin.topics(ANSWER_WITHIN).map_err(|error| unanswered(&error))? {
            let committed = self.admin.committed(&group.name, &topic.topic, ANSWER_WITHIN);
            for (partition, committed) in committed.map_err(|error| unanswered(&error))? {
                let member = owner(group, &topic.topic, partition);
                // Neither read before nor owned now: this group has nothing to do with it.
                if committed.is_none() && member.is_none() {
                    continue;
                }
                let next = committed.map(|committed| committed.next);
                rows.push(self.row(group, &topic.topic, partition, next)?.owned_by(member));
            }
        }
        Ok(rows)
    }

    fn row(
        &self,
        group: &Group,
        topic: &TopicName,
        partition: Partition,
        next: Option<NextOffset>,
    ) -> Result<Row, Failure> {
        let bounds = self.admin.watermarks(topic, partition, ANSWER_WITHIN).map_err(|error| unanswered(&error))?;
        // Records that retention deleted can't be read any more.
        let next = next.unwrap_or(bounds.start).max(bounds.start);
        let lag_records = (bounds.end.0 - next.0).max(0);
        let lag_seconds = match lag_records {
            0 => Some(0.0),
            _ => self.age(topic, partition, next)?,
        };
        let (group, topic) = (group.name.clone(), topic.to_string());
        Ok(Row {
            group,
            topic,
            partition: partition.0,
            next: next.0,
            end: bounds.end.0,
            lag_records,
            lag_seconds,
            member: None,
        })
    }

    /// The age of the first record at or after `next`, in seconds.
    fn age(&self, topic: &TopicName, partition: Partition, next: NextOffset) -> Result<Option<f64>, Failure> {
        let from = From::Offset(next);
        let mut tail = Tail::open(&self.connection, std::slice::from_ref(topic), from, ANSWER_WITHIN)
            .map_err(|error| unanswered(&error))?;
        let until: Instant = self.clock.monotonic() + READ_WITHIN;
        while self.clock.monotonic() < until {
            match tail.next(READ_WITHIN).map_err(|error| Failure::Unavailable(error.to_string()))? {
                Seen::Record(record) if record.position.partition == partition => {
                    let age = record.timestamp.age_at(Timestamp(self.clock.now_ms()));
                    return Ok(Some(age.0.as_secs_f64()));
                }
                Seen::Record(_) => {}
                Seen::CaughtUp | Seen::Idle => break,
            }
        }
        Ok(None)
    }
}

impl Row {
    fn owned_by(self, member: Option<String>) -> Self {
        Self { member, ..self }
    }
}

fn owner(group: &Group, topic: &TopicName, partition: Partition) -> Option<String> {
    let owns = |(owned, number): &(TopicName, Partition)| owned == topic && *number == partition;
    let member = group.members.iter().find(|member| member.partitions.iter().any(owns))?;
    Some(format!("{}{}", member.client_id, member.host))
}

fn cells(row: &Row) -> [String; 8] {
    let numbers = [i64::from(row.partition), row.next, row.end, row.lag_records].map(|number| number.to_string());
    let [partition, next, end, records] = numbers;
    let seconds = row.lag_seconds.map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.1}"));
    let member = row.member.as_deref().map_or_else(|| "-".to_owned(), |member| Shown(member).to_string());
    [Shown(&row.group).to_string(), row.topic.clone(), partition, next, end, records, seconds, member]
}
