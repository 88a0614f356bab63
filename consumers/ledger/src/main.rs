//! `ledger run`: books charges and has them made. `ledger balances`: shows what was booked. `ledger sandbox`: stands in for payments.

fn main() -> std::process::ExitCode {
    hooklog_ledger::cli::main()
}
