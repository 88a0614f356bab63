//! `hooklog schemas`: schemas proposed from the events that are stored, for the edge to hold new ones to.
//!
//! [`events`] reads what was stored, [`shape`] learns from it, [`proposal`] says it as JSON Schema, and this file writes it down.

mod events;
mod proposal;
mod shape;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use hooklog_ingest::validate::folder::{COUNT_LIMIT, DEFAULT, file_name};
use hooklog_ingest::validate::{DEPTH_LIMIT, read};
use hooklog_kafka::tail::Tail;
use hooklog_schemas::{EventType, SourceName, TopicName};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Shown};
use crate::reach::{ANSWER_WITHIN, Reach, unanswered};
use crate::registry::Asked;
use crate::schemas::events::Sample;
use crate::schemas::shape::{Formats, Shape};

/// How often the progress is drawn.
const TICK: Duration = Duration::from_millis(100);

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog schemas infer --source github --out schemas/github
  hooklog schemas infer --from github.jsonl --out schemas/github")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Propose a JSON Schema for each type of event, from events that are stored
    #[command(after_help = "Examples:
  hooklog schemas infer --source github --out schemas/github
  hooklog schemas infer --source stripe --limit 1000 --out proposed --force --broker kafka:9092
  hooklog tail github --from-beginning --no-follow --json > github.jsonl
  hooklog schemas infer --from github.jsonl --out schemas/github --enums --json

Every event that taught a schema is valid under it; what none of them had is left open. Read the files before you use them:
  schema = { dir = \"schemas/github\", mode = \"observe\" }   in [sources.github] of the edge's configuration

A file holds lines of `hooklog tail --json`, or bodies alone; what has no type goes into default.json.")]
    Infer(Infer),
}

#[derive(Debug, Args)]
struct Infer {
    /// The source whose events teach
    #[arg(long, value_name = "NAME", required_unless_present = "from", conflicts_with = "from")]
    source: Option<SourceName>,
    /// The source's topic, if it is not hooks.SOURCE
    #[arg(long, conflicts_with = "from")]
    topic: Option<TopicName>,
    /// Read a file instead of the log: lines of `hooklog tail --json`, or bodies
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The newest events of each partition that are read
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "from")]
    limit: u64,
    /// The folder to write to, one file a type of event
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Overwrite files that are there
    #[arg(long)]
    force: bool,
    /// Propose lists of values for short strings of which there are few; values of events are then in the files
    #[arg(long)]
    enums: bool,
    /// One JSON object a file
    #[arg(long)]
    json: bool,
    /// The schema registry that numbers the records, if the edge has one: http://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    registry: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

/// What was learned, and what taught nothing.
#[derive(Default)]
struct Learned {
    /// By the name of the file.
    shapes: BTreeMap<String, Shape>,
    events: u64,
    unreadable: u64,
}

#[derive(Serialize)]
struct Written {
    file: PathBuf,
    events: u64,
}

/// Infers.
///
/// # Errors
/// [`Failure::Refused`] when there is nothing to learn from or a file is there already, [`Failure::Unavailable`] when no broker
/// answers, [`Failure::Config`] when a file to learn from can't be understood.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Action::Infer(infer) = &arguments.action;
    let learned = infer.learn()?;
    if learned.unreadable > 0 {
        eprintln!(
            "hooklog: {} of {} bodies taught nothing: no JSON, or deeper than {DEPTH_LIMIT} levels",
            learned.unreadable, learned.events
        );
    }
    if learned.shapes.is_empty() {
        return Err(Failure::Refused(format!("{} has no event to learn from", infer.origin())));
    }
    infer.write(&learned)
}

impl Infer {
    fn learn(&self) -> Result<Learned, Failure> {
        let (formats, mut learned) = (Formats::new(), Learned::default());
        let progress = self.progress();
        let mut take = |sample: Sample| {
            progress.inc(1);
            learned.take(&sample, &formats)
        };
        if let Some(file) = &self.from {
            events::of_file(file, &mut take)?;
        } else {
            let connection = self.reach.connection()?;
            let registry = Asked::of(self.registry.as_deref())?;
            let from = hooklog_kafka::tail::From::Last(self.limit);
            let tail =
                Tail::open(&connection, &[self.topic()?], from, ANSWER_WITHIN).map_err(|error| unanswered(&error))?;
            events::of_log(tail, &registry, &mut take)?;
        }
        progress.finish_and_clear();
        Ok(learned)
    }

    fn topic(&self) -> Result<TopicName, Failure> {
        let of_source = || self.source.as_ref().map(TopicName::of_source);
        let topic = self.topic.clone().or_else(of_source);
        topic.ok_or_else(|| Failure::Usage("give --source NAME or --from FILE".to_owned()))
    }

    fn origin(&self) -> String {
        let topic = || self.topic().map_or_else(|failure| failure.to_string(), |topic| topic.to_string());
        self.from.as_ref().map_or_else(topic, |file| file.display().to_string())
    }

    fn progress(&self) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {pos} events, {per_sec}");
        let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(TICK);
        bar
    }

    /// Writes all files, or none if one is there already.
    fn write(&self, learned: &Learned) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.out).map_err(Failure::io(&self.out))?;
        let there = learned.shapes.keys().map(|name| self.out.join(name)).find(|path| path.exists());
        if let (Some(path), false) = (there, self.force) {
            return Err(overwrites(&path));
        }
        let mut output = Output::stdout();
        for (name, shape) in &learned.shapes {
            let written = Written { file: self.out.join(name), events: shape.seen() };
            let title = name.trim_end_matches(".json");
            let schema = proposal::schema(title, shape, self.enums);
            let text = serde_json::to_string_pretty(&schema).map_err(|error| Failure::Internal(error.to_string()))?;
            self.write_one(&written.file, &format!("{text}\n"))?;
            if self.json {
                output.json(&written)?;
            } else {
                output.line(format_args!(
                    "{}  {} events",
                    Shown(&written.file.display().to_string()),
                    written.events
                ))?;
            }
        }
        Ok(())
    }

    fn write_one(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        options.write(true);
        // A file that came in the meantime is not overwritten either.
        if self.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => overwrites(path),
            _ => Failure::io(path)(cause),
        })
    }
}

fn overwrites(path: &Path) -> Failure {
    Failure::Refused(format!("{} is there already: choose another --out, or overwrite with --force", path.display()))
}

impl Learned {
    fn take(&mut self, sample: &Sample, formats: &Formats) -> Result<(), Failure> {
        self.events += 1;
        let Some(body) = read(&sample.body) else {
            self.unreadable += 1;
            return Ok(());
        };
        let name = sample.kind.as_ref().map_or_else(|| DEFAULT.to_owned(), name_of);
        if self.shapes.len() == COUNT_LIMIT && !self.shapes.contains_key(&name) {
            return Err(Failure::Refused(format!(
                "there are more than {COUNT_LIMIT} types of events, which the edge takes no schemas of"
            )));
        }
        self.shapes.entry(name).or_default().learn(&body, formats);
        Ok(())
    }
}

/// An event whose provider names no type is of no type of its own.
fn name_of(kind: &EventType) -> String {
    if *kind == EventType::unnamed() { DEFAULT.to_owned() } else { file_name(kind) }
}
