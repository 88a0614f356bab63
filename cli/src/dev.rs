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
        if !stack.ready(&shutdown).await {
            return stack.stop().await;
        }
        let announced = announce(arguments, &held, &stack).and_then(|()| {
            if arguments.json {
                output.json(&stack.running)
            } else if arguments.quiet {
                Ok(())
            } else {
                output.line(screen(arguments, &stack, &clock, &random).text())
            }
        });
        if announced.is_ok() {
            let printing = (!arguments.quiet && !arguments.json).then_some(output);
            stack.watch(printing, &shutdown).await?;
        }
        announced.and(stack.stop().await)
    })
}

fn reset(held: &Held, arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    if arguments.broker.is_some() {
        return Err(Failure::Usage(
            "--reset removes log and states together, and the log of --broker is not ours to remove".to_owned(),
        ));
    }
    for folder in held.reset()? {
        if !arguments.quiet && !arguments.json {
            output.line(format_args!("removed {}", folder.display()))?;
        }
    }
    Ok(())
}

fn announce(arguments: &Arguments, held: &Held, stack: &Stack) -> Result<(), Failure> {
    held.announce(&stack.running)?;
    let Some(path) = &arguments.ready_file else { return Ok(()) };
    let content = serde_json::to_value(&stack.running).map_err(|error| Failure::Internal(error.to_string()))?;
    ready_file::write(path, &content).map_err(Failure::io(path))
}

fn screen<'a>(arguments: &Arguments, stack: &'a Stack, clock: &Clock, random: &Random) -> Screen<'a> {
    let consumers = consumers::readings(&stack.sources).into_iter().map(|(name, topics)| {
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        (name, topics.join(", "))
    });
    let folder = arguments.data_dir.as_ref();
    Screen {
        running: &stack.running,
        sources: &stack.sources,
        consumers: consumers.collect(),
        outside_broker: arguments.broker.is_some(),
        moved: stack.moved,
        data_dir_option: folder.map_or_else(String::new, |folder| format!(" --data-dir {}", folder.display())),
        now_ms: clock.now_ms(),
        nonce: random.u64(),
    }
}
