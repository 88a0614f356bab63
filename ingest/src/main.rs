//! `hooklog-ingest`: reads its configuration, serves, drains.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hooklog_ingest::run;

/// Takes webhooks, verifies them, and answers 2xx only for what is stored in Kafka.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  hooklog-ingest --config edge.toml\n  HOOKLOG_INGEST__KAFKA__BOOTSTRAP=broker:9092 hooklog-ingest --config edge.toml\n  hooklog-ingest --config edge.toml --check"
)]
struct Arguments {
    /// The configuration; `hooklog config ingest` explains every setting
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Written whole once everything serves: JSON with ingest, admin and pid
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Check the configuration and the secrets, and end
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let files = run::Files { config: arguments.config, ready: arguments.ready_file };
    let ended = if arguments.check { run::check(&files) } else { run::run(&files) };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hooklog-ingest: {error}");
            error.exit().into()
        }
    }
}
