//! `tally run --broker HOST:PORT --topics hooks.github --data-dir FOLDER`; read with `hooklog state dump tally`.

fn main() -> std::process::ExitCode {
    hooklog_consumer::main(hooklog_tally::Tally)
}
