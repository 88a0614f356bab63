//! `ledger run`: books charges and has them made. `ledger balances`: shows what was booked.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hooklog_consumer::RunArgs;
use hooklog_ledger::payments::Payments;
use hooklog_ledger::{Ledger, balances};
use hooklog_process::exit::Exit;
use hooklog_process::folders;

/// Books charges and never has one made twice
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
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
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Flags { command, run } = Flags::parse();
    match command.or(run.map(Command::Run)) {
        Some(Command::Run(args)) => match Payments::at(&args.payments_url) {
            Ok(payments) => hooklog_consumer::run(Ledger::new(payments), &args.run),
            Err(error) => refuse(&error, Exit::Config),
        },
        Some(Command::Balances(args)) => show(&args),
        None => refuse(&"say what to do: `ledger run --help`", Exit::Usage),
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

fn refuse(cause: &dyn std::fmt::Display, exit: Exit) -> ExitCode {
    eprintln!("ledger: {cause}");
    exit.into()
}
