//! `hooklog spool`: what an edge keeps on its disk while the log is away, read also while it runs.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use hooklog_ingest::lane::LaneId;
use hooklog_ingest::spool::record::Spooled;
use hooklog_ingest::spool::shelf::{Place, Shelf};
use hooklog_ingest::spool::survey::Survey;
use hooklog_ingest::spool::{self, SpoolError};
use hooklog_process::clock::Clock;
use serde::Serialize;

use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Columns, Output, Shown};

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog spool status --dir ./data/spool
  hooklog spool verify --dir ./data/spool
  hooklog spool export --dir ./data/spool --to spool.jsonl")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// What waits for the log: records, bytes and age, lane by lane
    #[command(after_help = "Examples:
  hooklog spool status
  hooklog spool status --dir /data/spool --json | jq .records")]
    Status(Look),
    /// Read every record and check its number and checksum; exit code 1 when one is damaged or missing
    #[command(after_help = "Examples:
  hooklog spool verify --dir /data/spool
  hooklog spool verify --dir /data/spool --json | jq .named")]
    Verify(Look),
    /// Write every record that can be read to a file, one JSON object a line; the spool stays as it is
    #[command(after_help = "Examples:
  hooklog spool export --dir /data/spool --to spool.jsonl
  hooklog spool export --dir /data/spool --to - --json | jq -r .headers.ce_id")]
    Export(Export),
    /// Remove the records that were set aside because the log never takes them, or that are damaged; the edge must be stopped
    #[command(after_help = "Examples:
  hooklog spool export --dir /data/spool --to aside.jsonl && hooklog spool discard --dir /data/spool --aside
  hooklog spool discard --dir /data/spool --aside --json")]
    Discard(Discard),
}

#[derive(Debug, Args)]
struct Look {
    /// The edge's `spool.dir`, or the folder of a `hooklog dev`; the usual one of `hooklog dev` if not given
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Export {
    /// The edge's `spool.dir`, or the folder of a `hooklog dev`; the usual one of `hooklog dev` if not given
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The file to write, which must not exist; `-` is standard output
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The count at the end as one JSON object on standard error
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Discard {
    /// The edge's `spool.dir`, or the folder of a `hooklog dev`; the usual one of `hooklog dev` if not given
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only what was set aside; required, since nothing else can be removed
    #[arg(long, required = true)]
    aside: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Does what was asked for.
///
/// # Errors
/// [`Failure::Refused`] when there is no spool, or it is damaged.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut output = Output::stdout();
    match &arguments.action {
        Action::Status(look) => status(look, &mut output),
        Action::Verify(look) => verify(look, &mut output),
        Action::Export(export) => run_export(export, output),
        Action::Discard(discard) => run_discard(discard, &mut output),
    }
}

#[derive(Serialize)]
struct Status {
    records: u64,
    bytes: u64,
    oldest_seconds: i64,
    aside: u64,
    damaged: u64,
    missing: u64,
    lanes: Vec<LaneStatus>,
}

#[derive(Serialize)]
struct LaneStatus {
    topic: String,
    /// None while the topic's number of partitions was not known.
    partition: Option<i32>,
    records: usize,
    bytes: u64,
    oldest_seconds: i64,
}

fn status(look: &Look, output: &mut Output) -> Result<(), Failure> {
    let survey = survey(look.dir.as_deref())?.1;
    let now_ms = Clock::system().now_ms();
    let age = |at: Option<hooklog_schemas::Timestamp>| at.map_or(0, |at| now_ms.saturating_sub(at.0).max(0) / 1000);
    let lanes = survey.lanes.iter().map(|lane| LaneStatus {
        topic: lane.lane.topic.to_string(),
        partition: lane.lane.partition.map(|partition| partition.0),
        records: lane.places,
        bytes: lane.bytes,
        oldest_seconds: age(lane.oldest),
    });
    let status = Status {
        records: survey.lanes.iter().map(|lane| u64::try_from(lane.places).unwrap_or(u64::MAX)).sum(),
        bytes: survey.lanes.iter().map(|lane| lane.bytes).sum(),
        oldest_seconds: age(survey.oldest()),
        aside: survey.aside,
        damaged: survey.damage.damaged,
        missing: survey.damage.missing,
        lanes: lanes.collect(),
    };
    if look.json {
        return output.json(&status);
    }
    output.line(format_args!(
        "{} records, {} bytes, the oldest {} s old; {} set aside, {} damaged, {} missing",
        status.records, status.bytes, status.oldest_seconds, status.aside, status.damaged, status.missing
    ))?;
    if status.lanes.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::headed(&["TOPIC", "PARTITION", "RECORDS", "BYTES", "OLDEST"]);
    for lane in status.lanes {
        let partition = lane.partition.map_or_else(|| "?".to_owned(), |partition| partition.to_string());
        let oldest = format!("{} s", lane.oldest_seconds);
        columns.row([lane.topic, partition, lane.records.to_string(), lane.bytes.to_string(), oldest]);
    }
    columns.print(output)
}

#[derive(Serialize)]
struct Checked<'a> {
    records: u64,
    damaged: u64,
    missing: u64,
    named: &'a [String],
}

fn verify(look: &Look, output: &mut Output) -> Result<(), Failure> {
    let (shelf, survey) = survey(look.dir.as_deref())?;
    let mut named = Vec::new();
    let each = &mut |lane: &LaneId, place: &Place| match place {
        Place::Whole(_) => {}
        Place::Damaged { number, damage } => named.push(format!("{lane} {number}: {damage}")),
        Place::Missing { number } => named.push(format!("{lane} {number}: missing")),
    };
    shelf.places(each).map_err(|error| failed(&SpoolError::from(error)))?;
    let records = survey.lanes.iter().map(|lane| u64::try_from(lane.places).unwrap_or(u64::MAX)).sum();
    let (damaged, missing) = (survey.damage.damaged, survey.damage.missing);
    if look.json {
        output.json(&Checked { records, damaged, missing, named: &named })?;
    } else {
        named.iter().try_for_each(|place| output.line(place))?;
    }
    if survey.damage.is_none() {
        return if look.json { Ok(()) } else { output.line(format_args!("{records} records, all of them whole")) };
    }
    Err(Failure::Refused(format!(
        "{damaged} damaged and {missing} missing of {records} records: `hooklog spool export` saves what can be read"
    )))
}

/// One record as it is exported.
#[derive(Serialize)]
struct Exported<'a> {
    topic: &'a str,
    partition: Option<i32>,
    number: u64,
    source: &'a str,
    key: String,
    /// Record headers, in order, names possibly repeated.
    headers: Vec<[String; 2]>,
    timestamp_ms: i64,
    spooled_at_ms: i64,
    value_base64: String,
    /// Why it was set aside, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    aside: Option<&'a str>,
}

#[derive(Serialize)]
struct Count {
    exported: u64,
    unreadable: u64,
}

fn run_export(export: &Export, output: Output) -> Result<(), Failure> {
    let shelf = spool::read(&folder(export.dir.as_deref())?).map_err(|error| failed(&error))?;
    let mut to = if export.to == Path::new("-") {
        output
    } else {
        let file = File::options().write(true).create_new(true).open(&export.to).map_err(Failure::io(&export.to))?;
        Output::to(BufWriter::new(file))
    };
    let (mut exported, mut unreadable, mut outcome) = (0, 0, Ok(()));
    let mut write = |lane: &LaneId, record: Option<&Spooled>, aside: Option<&str>| {
        let Some(record) = record else {
            unreadable += 1;
            return;
        };
        if outcome.is_ok() {
            outcome = to.json(&shown(lane, record, aside));
            exported += 1;
        }
    };
    let each = &mut |lane: &LaneId, place: &Place| match place {
        Place::Whole(record) => write(lane, Some(record), None),
        Place::Damaged { .. } | Place::Missing { .. } => write(lane, None, None),
    };
    shelf.places(each).map_err(|error| failed(&SpoolError::from(error)))?;
    let aside = shelf.aside(&mut |lane, set, record| write(&lane, record.as_ref(), Some(&set.reason)));
    aside.map_err(|error| failed(&SpoolError::from(error)))?;
    outcome?;
    let mut said = Output::to(std::io::stderr());
    if export.json {
        return said.json(&Count { exported, unreadable });
    }
    said.line(format_args!("{exported} records exported, {unreadable} could not be read"))
}

fn shown<'a>(lane: &'a LaneId, record: &'a Spooled, aside: Option<&'a str>) -> Exported<'a> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Exported {
        topic: lane.topic.as_str(),
        partition: lane.partition.map(|partition| partition.0),
        number: record.number,
        source: &record.source,
        key: text(&record.key),
        headers: record.headers.iter().map(|(name, value)| [name.clone(), text(value)]).collect(),
        timestamp_ms: record.timestamp.0,
        spooled_at_ms: record.spooled_at.0,
        value_base64: STANDARD.encode(&record.value),
        aside,
    }
}

fn run_discard(discard: &Discard, output: &mut Output) -> Result<(), Failure> {
    // The flag says what is removed; there is nothing else to choose.
    let Discard { dir, aside: true, json } = discard else { return Ok(()) };
    let removed = spool::discard_aside(&folder(dir.as_deref())?).map_err(|error| failed(&error))?;
    if *json {
        return output.json(&serde_json::json!({ "removed": removed }));
    }
    output.line(format_args!("{removed} records removed"))
}

fn survey(dir: Option<&Path>) -> Result<(Shelf, Survey), Failure> {
    let shelf = spool::read(&folder(dir)?).map_err(|error| failed(&error))?;
    let survey = Survey::of(&shelf).map_err(|error| failed(&SpoolError::from(error)))?;
    Ok((shelf, survey))
}

/// The spool's folder: as given, or below the folder of a `hooklog dev`.
fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let home = Home::at(given)?;
    let below = home.spool();
    let folder = if given.is_none() || below.is_dir() { below } else { home.root().to_owned() };
    if folder.is_dir() {
        return Ok(folder);
    }
    let shown = folder.display().to_string();
    Err(Failure::Refused(format!("there is no spool in {}: give the edge's `spool.dir` by --dir", Shown(&shown))))
}

fn failed(error: &SpoolError) -> Failure {
    Failure::Refused(error.to_string())
}
