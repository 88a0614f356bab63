//! `hooklog quarantine`: what was refused because a secret was wrong, verified again once it is right.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use hooklog_ingest::config::Config;
use hooklog_ingest::quarantine::{ADMITTED, NotAdmitted, Suspect};
use hooklog_ingest::run::frame;
use hooklog_ingest::seal::Sealed;
use hooklog_ingest::source::{Source, Sources};
use hooklog_kafka::tail::{From, Tail};
use hooklog_kafka::{Append, Connection, Incoming, Metrics, Outgoing, Writer, WriterSettings};
use hooklog_process::clock::Clock;
use hooklog_process::metrics::Registry;
use hooklog_process::random::Random;
use hooklog_schemas::{Frame, SourceName, Timestamp, TopicName};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::place::Moment;
use crate::reach::{ANSWER_WITHIN, runtime, unanswered};
use crate::reading::to_end;
use crate::registry::Asked;

/// How long the brokers may take for one record.
const APPEND_WITHIN: Duration = Duration::from_secs(30);

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog quarantine reverify --config edge.toml --source github --from 2h --dry-run
  hooklog quarantine reverify --config edge.toml --source github --from 2026-11-24T12:00:00Z --to 2026-11-24T14:00:00Z")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Admit what verifies with today's secrets, once each, with the time at which it was received
    #[command(after_help = "Examples:
  hooklog quarantine reverify --config edge.toml --source github --from 2h --dry-run
  hooklog quarantine reverify --config edge.toml --source github --from 2026-11-24T12:00:00Z --to 2026-11-24T14:00:00Z --json

The edge's configuration says where the brokers and the quarantine are, and which secrets are live. What was admitted is marked in
the quarantine, so that a second run admits nothing twice. Admitted events stand in the log behind what has come meanwhile.")]
    Reverify(Reverify),
}

#[derive(Debug, Args)]
struct Reverify {
    /// The edge's configuration, with the mended secret
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The source
    #[arg(long, value_name = "NAME")]
    source: SourceName,
    /// Received from this time on (RFC 3339), or from so long ago: 2h
    #[arg(long, value_name = "TIME|AGO")]
    from: Moment,
    /// Received up to this time; now if not given
    #[arg(long, value_name = "TIME|AGO")]
    to: Option<Moment>,
    /// Count what would be admitted, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What became of the requests of the range.
#[derive(Debug, Default, Serialize)]
struct Count {
    examined: u64,
    admitted: u64,
    admitted_before: u64,
    ambiguous: u64,
    /// Not as their schemas have them.
    differ: u64,
    /// By reason.
    unverified: BTreeMap<&'static str, u64>,
    dry_run: bool,
}

/// Does what was asked for.
///
/// # Errors
/// [`Failure`], naming what is missing.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Action::Reverify(reverify) = &arguments.action;
    let config = Config::load(Some(&reverify.config)).map_err(|error| Failure::Config(error.to_string()))?;
    let sources = Sources::build(&config).map_err(|error| Failure::Config(error.to_string()))?;
    let source = sources.find(reverify.source.as_str()).ok_or_else(|| {
        Failure::Usage(format!("{} has no source {:?}", reverify.config.display(), reverify.source.as_str()))
    })?;
    let topic = config.quarantine.topic().map_err(|error| Failure::Config(error.to_string()))?.ok_or_else(|| {
        Failure::Config(format!("{}: quarantine.topic is not set, so nothing was kept", reverify.config.display()))
    })?;
    let connection = Connection::new(&config.kafka.bootstrap, "hooklog-quarantine", &config.kafka.properties)
        .map_err(|error| Failure::Config(error.to_string()))?;
    let frame = runtime()?.block_on(frame(&config.kafka.registry, std::slice::from_ref(&source.topic)));
    let frame = frame.map_err(|error| Failure::Unavailable(error.to_string()))?;
    let now_ms = Clock::system().now_ms();
    let until = reverify.to.map_or(Timestamp(now_ms), |to| to.at(now_ms));
    let range = reverify.from.at(now_ms)..=until;
    let work = Work { source, topic, connection, registry: &config.kafka.registry, frame, range };
    let count = work.run(reverify.dry_run)?;
    tell(&count, reverify, &mut Output::stdout())
}

fn tell(count: &Count, reverify: &Reverify, output: &mut Output) -> Result<(), Failure> {
    if reverify.json {
        return output.json(count);
    }
    let verb = if count.dry_run { "would be admitted" } else { "admitted" };
    output.line(format_args!(
        "{} requests to {} in the quarantine: {} {verb}, {} admitted before, {} ambiguous, {} unlike their schemas",
        count.examined, reverify.source, count.admitted, count.admitted_before, count.ambiguous, count.differ
    ))?;
    count.unverified.iter().try_for_each(|(reason, requests)| {
        output.line(format_args!("{requests} do not verify with today's secrets: {reason}"))
    })
}

struct Work<'a> {
    source: &'a Source,
    topic: TopicName,
    connection: Connection,
    registry: &'a str,
    frame: Frame,
    range: RangeInclusive<Timestamp>,
}

impl Work<'_> {
    fn run(&self, dry_run: bool) -> Result<Count, Failure> {
        let mut marks = HashSet::new();
        // Marks may stand anywhere behind what they mark, so they are read first.
        self.read(&mut |record| {
            if let Some(mark) = record.headers.get(ADMITTED) {
                marks.insert(String::from_utf8_lossy(mark).into_owned());
            }
            Ok(())
        })?;
        let log = if dry_run { None } else { Some(Log::open(&self.connection)?) };
        let (mut count, random) = (Count { dry_run, ..Count::default() }, Random::os());
        let envelopes = Asked::of((!self.registry.is_empty()).then_some(self.registry))?;
        self.read(&mut |record| {
            let value = record.value.clone().unwrap_or_default();
            let Ok(envelope) = envelopes.envelope(&value)? else { return Ok(()) };
            let Some(suspect) = Suspect::of(record, envelope) else { return Ok(()) };
            if *suspect.source() != self.source.name || !self.range.contains(&suspect.received_at()) {
                return Ok(());
            }
            count.examined += 1;
            let position = record.position.to_string();
            if marks.contains(&position) {
                count.admitted_before += 1;
                return Ok(());
            }
            match suspect.admit(self.source, self.frame, &random) {
                Ok(sealed) => {
                    count.admitted += 1;
                    log.as_ref().map_or(Ok(()), |log| log.admit(self, &sealed, &position))
                }
                Err(NotAdmitted::Unverified(rejection)) => {
                    *count.unverified.entry(rejection.label()).or_default() += 1;
                    Ok(())
                }
                Err(NotAdmitted::Ambiguous) => {
                    count.ambiguous += 1;
                    Ok(())
                }
                Err(NotAdmitted::Differs) => {
                    count.differ += 1;
                    Ok(())
                }
            }
        })?;
        Ok(count)
    }

    /// Reads the quarantine as it is now, from its first record to its last.
    fn read(&self, each: &mut dyn FnMut(&Incoming) -> Result<(), Failure>) -> Result<(), Failure> {
        let topics = std::slice::from_ref(&self.topic);
        let tail = Tail::open(&self.connection, topics, From::Beginning, ANSWER_WITHIN);
        to_end(tail.map_err(|error| unanswered(&error))?, &mut |record| each(&record))
    }
}

struct Log(Writer);

impl Log {
    fn open(connection: &Connection) -> Result<Self, Failure> {
        let metrics = Metrics::register(&Registry::new()).map_err(|error| Failure::Internal(error.to_string()))?;
        let writer = Writer::start(connection, &WriterSettings::default(), &metrics);
        writer.map(Self).map_err(|error| Failure::Config(error.to_string()))
    }

    /// Appends an event, then its mark. A crash in between admits it once more next time, under the same dedupe id.
    fn admit(&self, work: &Work<'_>, sealed: &Sealed, position: &str) -> Result<(), Failure> {
        let headers = sealed.headers(work.source);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        self.append(Outgoing {
            topic: &work.source.topic,
            partition: None,
            key: Some(sealed.event.key.as_str().as_bytes()),
            value: &sealed.value,
            headers: &headers,
            timestamp: Some(sealed.received_at),
        })?;
        self.append(Outgoing {
            topic: &work.topic,
            partition: None,
            key: Some(work.source.name.as_str().as_bytes()),
            value: b"admitted",
            headers: &[(ADMITTED, position.as_bytes())],
            timestamp: None,
        })
    }

    fn append(&self, record: Outgoing<'_>) -> Result<(), Failure> {
        let unavailable = |cause: String| Failure::Unavailable(format!("{}: {cause}", record.topic));
        let delivery = self.0.append(record).map_err(|error| unavailable(error.to_string()))?;
        match delivery.wait(APPEND_WITHIN) {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(unavailable(error.to_string())),
            None => {
                Err(unavailable("the brokers do not acknowledge; run it again, nothing is admitted twice".to_owned()))
            }
        }
    }
}
