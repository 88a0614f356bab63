//! `hooklog config`: every setting of a binary, with its default and what it does.

use clap::{Args, ValueEnum};
use hooklog_process::config::{Setting, explain};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog config
  hooklog config ingest
  hooklog config consumer --json | jq -r .key")]
pub struct Arguments {
    /// Whose settings; all if not given
    #[arg(value_name = "BINARY")]
    of: Option<Of>,
    /// One JSON object a line: binary, key, default, explanation, environment
    #[arg(long)]
    json: bool,
}

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// The edge
    Ingest,
    /// Everything built with the consumer SDK
    Consumer,
}

#[derive(Serialize)]
struct Row {
    binary: &'static str,
    key: String,
    default: String,
    explanation: String,
    environment: String,
}

impl Of {
    const fn manual(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ingest => ("hooklog-ingest", hooklog_ingest::config::PREFIX, hooklog_ingest::config::DEFAULTS),
            Self::Consumer => ("consumer", hooklog_consumer::settings::PREFIX, hooklog_consumer::settings::DEFAULTS),
        }
    }

    fn rows(self) -> Vec<Row> {
        let (binary, prefix, defaults) = self.manual();
        let mut explained = String::new();
        let row = |setting: Setting| {
            // Settings that belong together share the comment above the first of them.
            if !setting.explanation.is_empty() {
                explained.clone_from(&setting.explanation);
            }
            Row {
                environment: format!("{prefix}__{}", setting.key.to_uppercase().replace('.', "__")),
                binary,
                key: setting.key,
                default: setting.default,
                explanation: explained.clone(),
            }
        };
        explain(defaults).into_iter().map(row).collect()
    }
}

/// Prints the settings.
///
/// # Errors
/// When the output fails.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut output = Output::stdout();
    for of in Of::value_variants().iter().filter(|of| arguments.of.is_none_or(|wanted| wanted == **of)) {
        for row in of.rows() {
            if arguments.json {
                output.json(&row)?;
            } else {
                output.line(format_args!("{} = {}", row.key, row.default))?;
                output.line(format_args!("    {}", row.explanation))?;
                output.line(format_args!("    {}, {}", row.binary, row.environment))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_explained_and_can_be_set_by_the_environment() {
        for of in Of::value_variants() {
            let rows = of.rows();
            assert!(rows.len() > 5, "{of:?}");
            for row in rows {
                assert!(row.explanation.ends_with('.'), "{}: {:?}", row.key, row.explanation);
                assert!(row.environment.starts_with("HOOKLOG_"), "{}", row.environment);
            }
        }
        let rows = Of::Ingest.rows();
        let bootstrap = rows.iter().find(|row| row.key == "kafka.bootstrap").unwrap();
        assert_eq!(bootstrap.environment, "HOOKLOG_INGEST__KAFKA__BOOTSTRAP");
    }
}
