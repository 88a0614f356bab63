//! `hooklog state`: a consumer's tables, read from its disk, also while it runs.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hooklog_consumer::state::{self, PartitionState, Row, StateError};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Output, Shown};

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog state dump ledger
  hooklog state dump tally --table counts --json | jq .value")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every row of a consumer's tables
    #[command(after_help = "Examples:
  hooklog state dump ledger
  hooklog state dump ledger --data-dir /var/lib/ledger --json
  hooklog state dump tally --table counts --json | jq .value")]
    Dump(Dump),
}

#[derive(Debug, Args)]
struct Dump {
    /// The consumer group
    consumer: String,
    /// The consumer's data folder, or that of a `hooklog dev`; the usual one of `hooklog dev` if not given
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// This table only
    #[arg(long)]
    table: Option<String>,
    /// One JSON object a row: topic, partition, table, key, value
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shape<'a> {
    topic: &'a str,
    partition: i32,
    table: &'a str,
    key: &'a Value,
    value: &'a Value,
}

/// Prints the rows.
///
/// # Errors
/// [`Failure::Refused`] when there is no such state, [`Failure::Io`]-like codes for a damaged disk.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Action::Dump(dump) = &arguments.action;
    let root = folder(&dump.consumer, dump.data_dir.as_deref())?;
    let states = state::open(&root, &dump.consumer).map_err(|error| failed(&error))?;
    let mut output = Output::stdout();
    states.iter().try_for_each(|state| print(state, dump, &mut output))
}

/// A consumer's own folder holds `<group>`; that of `hooklog dev` holds it below `state`.
fn folder(consumer: &str, given: Option<&Path>) -> Result<PathBuf, Failure> {
    let home = Home::at(given)?;
    let below = home.state();
    let is_dev = given.is_none() || below.join(consumer).is_dir();
    Ok(if is_dev { below } else { home.root().to_owned() })
}

fn print(state: &PartitionState, dump: &Dump, output: &mut Output) -> Result<(), Failure> {
    let mut outcome = Ok(());
    let identity = state.identity();
    let each = |row: Row| {
        if outcome.is_err() || dump.table.as_ref().is_some_and(|table| *table != row.table) {
            return;
        }
        let shape = Shape {
            topic: identity.topic.as_str(),
            partition: identity.partition.0,
            table: &row.table,
            key: &row.key,
            value: &row.value,
        };
        outcome = if dump.json {
            output.json(&shape)
        } else {
            let (key, value) = (text(&row.key), text(&row.value));
            output.line(format_args!("{}/{}  {}  {key}  {value}", shape.topic, shape.partition, shape.table))
        };
    };
    state.rows(each).map_err(|error| failed(&error))?;
    outcome
}

/// A text without its quotes, everything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => Shown(text).to_string(),
        other => Shown(&other.to_string()).to_string(),
    }
}

fn failed(error: &StateError) -> Failure {
    match error {
        StateError::Nothing { .. } => Failure::Refused(error.to_string()),
        StateError::Folder { path, cause } => {
            Failure::Io { path: path.clone(), cause: std::io::Error::from(cause.kind()) }
        }
        StateError::Disk(_) | StateError::Store(_) | StateError::Row { .. } => Failure::Internal(error.to_string()),
    }
}
