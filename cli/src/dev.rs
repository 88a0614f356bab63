//! `hooklog dev`: a broker, the edge and two consumers in one process, on one machine.
//!
//! In the order it starts: the folder is taken ([`crate::home`]), the [`sources`] are known, the [`broker`] serves, topics are there, the
//! edge serves, the [`consumers`] have their partitions (each [`watched`]), the [`screen`] tells, and the [`events`] are printed as the
//! [`board`] puts them together. It ends the other way round, so that whatever the edge took is stored and whatever was read is booked.

mod sources;
mod broker;
mod consumers;
mod watched;
mod board;
mod events;
mod screen;
mod stack;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use hooklog_process::clock::Clock;
use hooklog_process::failpoint;
use hooklog_process::random::Random;
use hooklog_process::ready_file;
use hooklog_process::shutdown::Shutdown;

use crate::failure::Failure;
use crate::home::{Held, Home};
use crate::output::Output;
use crate::reach::runtime;
use screen::Screen;
use stack::Stack;

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog dev
  hooklog dev --listen 127.0.0.1:0 --data-dir ./.hooklog --ready-file ready.json
  hooklog dev --sources edge.toml
  hooklog dev --broker kafka:9092
  hooklog dev --reset

Everything is kept in the data folder: log, states, and a secret for each sample source. It serves nobody but this machine, has no
replicas, and is not for production.")]
pub struct Arguments {
    /// Where providers reach the edge; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where probes and scrapes reach the edge
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9464")]
    admin: SocketAddr,
    /// What is kept between starts; hooklog/dev in your data folder if not given
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// An edge configuration whose sources replace the samples
    #[arg(long, value_name = "FILE")]
    sources: Option<PathBuf>,
    /// A broker of your own instead of the one inside
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// Written whole once everything serves: ingest, admin, bootstrap, payments, data_dir, secrets, providers, pid
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Begin anew: remove log and states, which belong together; secrets stay
    #[arg(long)]
    reset: bool,
    /// No first screen and no lines about events
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// The first screen as one JSON object, the content of the ready file; no lines about events
    #[arg(long)]
    json: bool,
}

/// Runs until a signal.
///
/// # Errors
/// [`Failure`], naming what did not start, or ended on its own.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    failpoint::arm_from_environment().map_err(|error| Failure::Config(error.to_string()))?;
    let held = Home::at(arguments.data_dir.as_deref())?.hold()?;
    let mut output = Output::stdout();
    if arguments.reset {
        reset(&held, arguments, &mut output)?;
    }
    let (clock, random) = (Clock::system(), Random::os());
    runtime()?.block_on(async {
        let shutdown = Shutdown::from_signals().map_err(|error| Failure::Internal(error.to_string()))?;
        let options = stack::Options {
            listen: arguments.listen,
            admin: arguments.admin,
            sources: arguments.sources.clone(),
            broker: arguments.broker.clone(),
        };
        let mut stack = Stack::start(&held, &options, &clock, &random, shutdown.clone()).await?;
        let serving = Serving { arguments, held: &held, clock: &clock, random: &random, shutdown: &shutdown };
        let served = serving.serve(&mut stack, output).await;
        served.and(stack.stop().await)
    })
}

/// What serving takes, beside the stack itself.
struct Serving<'a> {
    arguments: &'a Arguments,
    held: &'a Held,
    clock: &'a Clock,
    random: &'a Random,
    shutdown: &'a Shutdown,
}

impl Serving<'_> {
    /// Waits until everything serves, tells so, and prints events until the end is asked for or a part ends on its own.
    async fn serve(&self, stack: &mut Stack, mut output: Output) -> Result<(), Failure> {
        if !stack.ready(self.shutdown).await {
            return Ok(());
        }
        let tail = if self.arguments.is_silent() { None } else { Some(stack.listen().await?) };
        if let Err(failure) = self.announce(stack, &mut output) {
            stack::blocking(move || drop(tail)).await?;
            return Err(failure);
        }
        stack.watch(tail.map(|tail| (tail, output)), self.shutdown).await
    }

    fn announce(&self, stack: &Stack, output: &mut Output) -> Result<(), Failure> {
        self.held.announce(&stack.running)?;
        if let Some(path) = &self.arguments.ready_file {
            let content = serde_json::to_value(&stack.running).map_err(|error| Failure::Internal(error.to_string()))?;
            ready_file::write(path, &content).map_err(Failure::io(path))?;
        }
        if self.arguments.json {
            return output.json(&stack.running);
        }
        if self.arguments.quiet {
            return Ok(());
        }
        output.line(self.screen(stack).text().trim_end())
    }

    fn screen<'s>(&self, stack: &'s Stack) -> Screen<'s> {
        let consumers = consumers::readings(&stack.sources).into_iter().map(|(name, topics)| {
            let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
            (name, topics.join(", "))
        });
        let folder = self.arguments.data_dir.as_ref();
        Screen {
            running: &stack.running,
            sources: &stack.sources,
            consumers: consumers.collect(),
            outside_broker: self.arguments.broker.is_some(),
            moved: stack.moved,
            data_dir_option: folder.map_or_else(String::new, |folder| format!(" --data-dir {}", folder.display())),
            now_ms: self.clock.now_ms(),
            nonce: self.random.u64(),
        }
    }
}

impl Arguments {
    /// No lines about events.
    const fn is_silent(&self) -> bool {
        self.quiet || self.json
    }
}

fn reset(held: &Held, arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    if arguments.broker.is_some() {
        return Err(Failure::Usage(
            "--reset removes log and states together, and the log of --broker is not ours to remove".to_owned(),
        ));
    }
    for folder in held.reset()? {
        if !arguments.is_silent() {
            output.line(format_args!("removed {}", folder.display()))?;
        }
    }
    Ok(())
}
