//! `hooklog sources`: the providers that are built in, a check of provider files and edge configurations, and a test of captured requests.

mod captured;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hooklog_ingest::config::Config;
use hooklog_ingest::source::Sources;
use hooklog_signatures::{Auth, Confidence, Scheme, WhenLogAway, builtin, builtin_names, names_like};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Columns, Output};

/// The largest file that is checked, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog sources list
  hooklog sources check edge.toml
  hooklog sources check my-provider.toml
  hooklog sources test stripe --request captured.json --secret-file stripe.secret")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The built-in providers: what proves the sender, how sure we are, and where it is documented
    #[command(after_help = "Examples:\n  hooklog sources list\n  hooklog sources list --json | jq -r .name")]
    List {
        /// One JSON object a provider
        #[arg(long)]
        json: bool,
    },
    /// Check a provider file or an edge configuration with its secrets; what is wrong is named with the mend
    #[command(
        after_help = "Examples:\n  hooklog sources check edge.toml\n  hooklog sources check my-provider.toml --json"
    )]
    Check {
        /// The file
        file: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Hold a captured request against a provider's scheme: which step fails, and which bytes were signed
    #[command(after_help = "The request, as JSON:
  {\"method\":\"POST\",\"url\":\"https://hooks.example.com/in/acme\",\"headers\":{\"X-Signature\":\"…\"},\"body\":\"…\"}
Exits 0 if it is believed, 1 if not, 2 if there is nothing to judge. Secrets are never printed.

Examples:
  hooklog sources test stripe --request captured.json --secret-file stripe.secret --now 1700000000
  hooklog sources test my-provider.toml --request captured.json --secret-file key.pem --json")]
    Test(captured::Arguments),
}

#[derive(Serialize)]
struct Provider {
    name: String,
    title: String,
    proof: &'static str,
    confidence: &'static str,
    when_log_away: &'static str,
    retries: Option<String>,
    source: String,
}

#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    kind: &'static str,
    names: Vec<String>,
}

/// Lists or checks.
///
/// # Errors
/// [`Failure::Config`] when a checked file is wrong.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut output = Output::stdout();
    match &arguments.action {
        Action::List { json } => list(*json, &mut output),
        Action::Test(arguments) => captured::run(arguments, &mut output),
        Action::Check { file, json } => {
            let checked = check(file)?;
            if *json {
                return output.json(&checked);
            }
            let names = checked.names.join(", ");
            output.line(format_args!("{}: a good {} ({names})", checked.file.display(), checked.kind))
        }
    }
}

/// There is no provider of this name; the nearest are named.
pub(crate) fn unknown(name: &str) -> Failure {
    let near = names_like(name);
    let meant = if near.is_empty() { String::new() } else { format!(" did you mean {}?", near.join(", ")) };
    Failure::Usage(format!("there is no provider {name:?};{meant} `hooklog sources list` shows them all"))
}

fn list(json: bool, output: &mut Output) -> Result<(), Failure> {
    let providers = builtin_names().filter_map(builtin).map(provider);
    if json {
        return providers.into_iter().try_for_each(|provider| output.json(&provider));
    }
    let mut columns = Columns::headed(&["NAME", "PROOF", "CONFIDENCE", "LOG AWAY", "SOURCE"]);
    for row in providers {
        let cells = [row.name.as_str(), row.proof, row.confidence, row.when_log_away, row.source.as_str()];
        columns.row(cells.map(str::to_owned));
    }
    columns.print(output)
}

fn provider(scheme: &Scheme) -> Provider {
    Provider {
        name: scheme.name.clone(),
        title: scheme.title.clone(),
        proof: match &scheme.auth {
            _ if scheme.signs_body() => "signed body",
            Auth::Mac(_) | Auth::Hash(_) | Auth::Sign(_) | Auth::Jws(_) | Auth::Jwt(_) => "signed sender",
            Auth::Token(_) => "token",
            Auth::Basic => "user and password",
            Auth::None => "nothing",
        },
        confidence: match scheme.confidence {
            Confidence::Documented => "documented",
            Confidence::Sdk => "sdk",
            Confidence::ThirdParty => "third party",
        },
        when_log_away: match scheme.delivery.when_log_away {
            WhenLogAway::Spool => "spool",
            WhenLogAway::Refuse => "refuse",
        },
        retries: scheme.delivery.retries.clone(),
        source: scheme.source_link.clone(),
    }
}

/// A provider file says how a sender proves itself (`auth`); everything else is taken for an edge configuration.
fn check(file: &Path) -> Result<Checked, Failure> {
    let wrong = |problem: &dyn std::fmt::Display| Failure::Config(format!("{}: {problem}", file.display()));
    if std::fs::metadata(file).map_err(Failure::io(file))?.len() > FILE_LIMIT {
        return Err(wrong(&format_args!("it has more than {FILE_LIMIT} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(Failure::io(file))?;
    let table: toml::Table = text.parse().map_err(|error| wrong(&error))?;
    if table.contains_key("auth") {
        let scheme = Scheme::from_toml(&text).map_err(|error| wrong(&error))?;
        return Ok(Checked { file: file.to_owned(), kind: "provider file", names: vec![scheme.name] });
    }
    let config = Config::load(Some(file)).map_err(|error| Failure::Config(error.to_string()))?;
    if config.sources.is_empty() {
        return Err(wrong(&"it has neither `auth` (a provider file) nor [sources.NAME] (an edge configuration)"));
    }
    let sources = Sources::build(&config).map_err(|error| wrong(&error))?;
    let names = sources.iter().map(|source| source.name.to_string()).collect();
    Ok(Checked { file: file.to_owned(), kind: "edge configuration", names })
}
