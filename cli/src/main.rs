//! `hooklog`: reads the line, does what it says, ends with a code that says how it went.

use std::process::ExitCode;

use clap::Parser;
use hooklog::command::Line;

fn main() -> ExitCode {
    match Line::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            failure.exit().into()
        }
    }
}
