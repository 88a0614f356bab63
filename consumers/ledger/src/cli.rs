//! The ledger's command line.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hooklog_consumer::RunArgs;
use hooklog_process::exit::Exit;
use hooklog_process::folders;
use hooklog_process::logging::{self, Format};
use hooklog_process::shutdown::Shutdown;
use tokio::net::TcpListener;

use crate::payments::Payments;
use crate::sandbox::Sandbox;
use crate::{Ledger, balances};

const EXAMPLES: &str = "Examples:
  ledger --broker kafka:9092 --topics hooks.stripe --data-dir /var/lib/ledger --payments-url http://payments:8090
  ledger balances --json
  ledger sandbox --listen 127.0.0.1:8090";

/// Books charges and never has one made twice
#[derive(Parser)]
#[command(name = "ledger", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Option<LedgerArgs>,
}

#[derive(Subcommand)]
enum Command {
    /// Reads the log and books charges until it is stopped (the default)
    Run(LedgerArgs),
    /// Shows every customer's sum and number of charges; works while the ledger runs
    Balances(BalancesArgs),
    /// A payments service for trying things out: charges nobody, makes each charge once for its key
    Sandbox(SandboxArgs),
}

#[derive(clap::Args)]
struct LedgerArgs {
    #[command(flatten)]
    run: RunArgs,
    /// The payments service
    #[arg(long, value_name = "URL")]
    payments_url: String,
}

#[derive(clap::Args)]
struct BalancesArgs {
    /// The ledger's data folder, or that of `hooklog dev`, which it is if not given
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The ledger's group
    #[arg(long, default_value = "ledger")]
    group: String,
    /// One JSON object a line: key, sum (minor units), count
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct SandboxArgs {
    /// Where it serves `POST /v1/charges` and `GET /v1/charges`
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
}

/// The whole `main`.
#[must_use]
pub fn main() -> ExitCode {
    let Flags { command, run } = Flags::parse();
    match command.or(run.map(Command::Run)) {
        Some(Command::Run(args)) => match Payments::at(&args.payments_url) {
            Ok(payments) => hooklog_consumer::run(Ledger::new(payments), &args.run),
            Err(error) => refuse(&error, Exit::Config),
        },
        Some(Command::Balances(args)) => show(&args),
        Some(Command::Sandbox(args)) => match stand_in(&args) {
            Ok(()) => Exit::Ok.into(),
            Err(error) => refuse(&format!("sandbox on {}: {error}", args.listen), Exit::Io),
        },
        None => refuse(&"say what to do: `ledger --help`", Exit::Usage),
    }
}

fn show(args: &BalancesArgs) -> ExitCode {
    let Some(data_dir) = args.data_dir.clone().or_else(folders::dev) else {
        return refuse(&"say whose balances: --data-dir FOLDER", Exit::Usage);
    };
    let lines = match balances::read(&data_dir, &args.group) {
        Ok(lines) => lines,
        Err(error) => return refuse(&error, Exit::Refused),
    };
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|line| {
        if args.json {
            serde_json::to_writer(&mut out, line)?;
            writeln!(out)
        } else {
            writeln!(out, "{:<32} {:>14}.{:02} {:>8}", line.key, line.sum / 100, line.sum % 100, line.count)
        }
    });
    match written {
        // Whoever read the lines has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => refuse(&error, Exit::Io),
        _ => Exit::Ok.into(),
    }
}

fn stand_in(args: &SandboxArgs) -> std::io::Result<()> {
    logging::begin(Format::Text, "info").map_err(std::io::Error::other)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let shutdown = Shutdown::from_signals()?;
        let listener = TcpListener::bind(args.listen).await?;
        tracing::info!(listen = %listener.local_addr()?, "the sandbox serves, it charges nobody");
        Sandbox::new().serve(listener, shutdown).await
    })
}

fn refuse(cause: &dyn std::fmt::Display, exit: Exit) -> ExitCode {
    eprintln!("ledger: {cause}");
    exit.into()
}
