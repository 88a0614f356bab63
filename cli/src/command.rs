//! The line: which command, and what all commands share.

use clap::{Parser, Subcommand};
use hooklog_process::logging::{self, Format};

use crate::failure::Failure;
use crate::{config, dev, dlq, lag, quarantine, schemas, send, sources, spool, state, tail, topics};

/// What the clients log when a command speaks for itself: its errors say more than their lines.
const QUIET: &str = "error,hooklog_kafka=off,librdkafka=off";

/// What `hooklog dev` logs beside its screen. Kafka's client warns of what our own parts warn of as well.
const DEV: &str = "warn,librdkafka=error";

/// Webhooks as an ordered log: run it, send to it, look into it.
#[derive(Debug, Parser)]
#[command(
    name = "hooklog",
    version,
    arg_required_else_help = true,
    after_help = "Begin with:
  hooklog dev
  hooklog send stripe

Exit codes: 0 all is well, 1 the answer is no, 2 the line can't be understood, 64 bad configuration, 69 a broker or an edge does
not answer, 70 a defect, 74 a file or a disk."
)]
pub struct Line {
    #[command(subcommand)]
    command: Command,
    /// Log lines on standard error: a level, or levels by module ("info,hooklog_consumer=debug")
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: a broker, the edge, two consumers; for development
    Dev(dev::Arguments),
    /// Send events as a provider would: real-shaped and signed
    Send(send::Arguments),
    /// Print events of a source as they are stored
    Tail(tail::Arguments),
    /// Create, list and check the topics of the registry
    Topics(topics::Arguments),
    /// How far consumers are behind, in records and in seconds
    Lag(lag::Arguments),
    /// Look at the events that consumers gave up
    Dlq(dlq::Arguments),
    /// Look into a consumer's state, also while it runs
    State(state::Arguments),
    /// Look at what an edge keeps on its disk while the log is away
    Spool(spool::Arguments),
    /// Verify refused requests again after a secret was mended, and admit them
    Quarantine(quarantine::Arguments),
    /// The providers that are known, and a check of provider files and edge configurations
    Sources(sources::Arguments),
    /// Propose JSON Schemas from events that are stored
    Schemas(schemas::Arguments),
    /// Every setting with its default and what it does
    Config(config::Arguments),
}

impl Line {
    /// Does what the line says.
    ///
    /// # Errors
    /// The command's [`Failure`].
    pub fn run(&self) -> Result<(), Failure> {
        let usual = if matches!(self.command, Command::Dev(_)) { DEV } else { QUIET };
        logging::begin(Format::Text, self.log.as_deref().unwrap_or(usual))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        match &self.command {
            Command::Dev(arguments) => dev::run(arguments),
            Command::Send(arguments) => send::run(arguments),
            Command::Tail(arguments) => tail::run(arguments),
            Command::Topics(arguments) => topics::run(arguments),
            Command::Lag(arguments) => lag::run(arguments),
            Command::Dlq(arguments) => dlq::run(arguments),
            Command::State(arguments) => state::run(arguments),
            Command::Spool(arguments) => spool::run(arguments),
            Command::Quarantine(arguments) => quarantine::run(arguments),
            Command::Sources(arguments) => sources::run(arguments),
            Command::Schemas(arguments) => schemas::run(arguments),
            Command::Config(arguments) => config::run(arguments),
        }
    }
}
