//! `hooklog send`: the provider. Real-shaped events, signed as the provider signs, sent as fast or as steadily as asked.

mod plan;
mod client;
mod pace;
mod summary;

use std::io::IsTerminal;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::Args;
use hooklog_process::clock::Clock;
use hooklog_process::random::Random;
use hooklog_process::secret::{Secret, SecretRef};
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::SourceName;
use hooklog_signatures::{Scheme, builtin};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::home::{Home, Running};
use crate::output::Output;
use client::Client;
use plan::{Plan, Wishes};
use summary::{Summary, Tally};

/// Events of one run: beyond, the latencies kept for the percentiles would fill the memory.
const COUNT_LIMIT: u64 = 10_000_000;

/// Connections of one run.
const CONCURRENCY_LIMIT: u32 = 4096;

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hooklog send stripe
  hooklog send stripe --id evt_1 --count 3
  hooklog send github --type push --key 4711 --count 1000 --concurrency 32 --duplicates 10 --tamper 5
  hooklog send stripe --to https://hooks.example.org --source stripe-eu --secret-file ./whsec
  hooklog send slack --rate 200 --count 10000 --json

The exit code is 0 only if every event was answered with 2xx and every tampered one with 401.")]
pub struct Arguments {
    /// Who sends: a provider that `hooklog sources list` knows, or a source of the running `hooklog dev`
    provider: String,
    /// The event's type, in the provider's words
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The edge's base URL; the running `hooklog dev` if not given
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The source's name in the path; the provider's name if not given
    #[arg(long)]
    source: Option<String>,
    /// The secret; others on this machine can see it while the command runs, so better use --secret-file
    #[arg(long, conflicts_with = "secret_file")]
    secret: Option<String>,
    /// The file with the secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How many to send
    #[arg(long, default_value = "1", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=COUNT_LIMIT))]
    count: u64,
    /// How many a second, whether or not the answers come; as fast as the answers come if not given
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// How many wait for an answer at the same time
    #[arg(long, default_value = "8", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(CONCURRENCY_LIMIT)))]
    concurrency: u32,
    /// How many of a hundred repeat an event sent before
    #[arg(long, default_value = "0", value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    duplicates: u8,
    /// How many of a hundred are changed after they were signed
    #[arg(long, default_value = "0", value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    tamper: u8,
    /// What order is kept for: a customer, a repository, an order
    #[arg(long)]
    key: Option<String>,
    /// The event's id: the same id is the same event, byte for byte
    #[arg(long, conflicts_with = "duplicates")]
    id: Option<String>,
    /// The folder of the `hooklog dev` to send to
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

/// Where the events go and how they are signed.
struct Target {
    url: String,
    scheme: &'static Scheme,
    secret: Option<Secret>,
}

/// Sends.
///
/// # Errors
/// [`Failure::Refused`] when an answer is not what it should be, [`Failure::Unavailable`] when nothing answers, or what is wrong
/// with the arguments.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let target = arguments.target()?;
    let (clock, random) = (Clock::system(), Random::os());
    let wishes = Wishes {
        kind: arguments.kind.clone(),
        key: arguments.key.clone(),
        id: arguments.id.clone(),
        duplicates: arguments.duplicates,
        tamper: arguments.tamper,
    };
    let plan = Plan::new(target.scheme, target.secret, wishes, random)?;
    let client = Client::new(&target.url, arguments.concurrency)?;
    let count = NonZeroU64::new(arguments.count).expect("clap refuses 0");
    let pace = pace::Pace { count, rate: arguments.rate, concurrency: arguments.concurrency };
    let bar = progress(arguments);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Internal(error.to_string()))?;
    let tally = runtime.block_on(async {
        let shutdown = Shutdown::from_signals().map_err(|error| Failure::Internal(error.to_string()))?;
        let sending = pace::Sending { plan, client, clock: clock.clone(), shutdown };
        Ok(pace::send(sending, &pace, |answered| bar.set_position(answered)).await)
    })?;
    bar.finish_and_clear();
    report(arguments, &target.url, &tally)
}

fn progress(arguments: &Arguments) -> ProgressBar {
    if arguments.count == 1 || arguments.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} eta {eta}");
    ProgressBar::new(arguments.count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn report(arguments: &Arguments, url: &str, tally: &Tally) -> Result<(), Failure> {
    let summary = Summary::of(tally, url);
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&summary)?;
    } else {
        for line in summary.lines() {
            output.line(line)?;
        }
        if let (1, Some(first)) = (arguments.count, &summary.first) {
            output.line(format_args!(
                "the same event again: hooklog send {} --id {}{}",
                arguments.provider,
                first.id,
                arguments.elsewhere()
            ))?;
        }
    }
    summary.verdict()
}

impl Arguments {
    fn target(&self) -> Result<Target, Failure> {
        let has_secret = self.secret.is_some() || self.secret_file.is_some();
        let dev = match &self.to {
            Some(_) if has_secret => None,
            Some(base) => Home::serving(base.trim_end_matches('/')),
            None => Home::at(self.data_dir.as_deref())?.running(),
        };
        let base = self.to.clone().or_else(|| dev.as_ref().map(|dev| dev.ingest.clone())).ok_or_else(|| {
            Failure::Unavailable("no `hooklog dev` runs: start one, or name the edge with --to URL".to_owned())
        })?;
        let source = self.source(dev.as_ref());
        SourceName::parse(&source).map_err(|error| Failure::Usage(error.to_string()))?;
        let scheme = self.scheme(&source, dev.as_ref())?;
        let secret = self.secret(&source, scheme, dev.as_ref())?;
        Ok(Target { url: format!("{}/in/{source}", base.trim_end_matches('/')), scheme, secret })
    }

    /// The source given, or the one with the provider's name, or the first of this provider.
    fn source(&self, dev: Option<&Running>) -> String {
        if let Some(source) = &self.source {
            return source.clone();
        }
        let Some(dev) = dev.filter(|dev| !dev.providers.contains_key(&self.provider)) else {
            return self.provider.clone();
        };
        let of_provider = dev.providers.iter().find(|(_, provider)| **provider == self.provider);
        of_provider.map_or_else(|| self.provider.clone(), |(source, _)| source.clone())
    }

    fn scheme(&self, source: &str, dev: Option<&Running>) -> Result<&'static Scheme, Failure> {
        let by_source = || builtin(dev?.providers.get(source)?);
        builtin(&self.provider).or_else(by_source).ok_or_else(|| crate::sources::unknown(&self.provider))
    }

    fn secret(&self, source: &str, scheme: &Scheme, dev: Option<&Running>) -> Result<Option<Secret>, Failure> {
        if let Some(text) = &self.secret {
            return Ok(Some(Secret::new(text.clone().into_bytes())));
        }
        if !scheme.is_authenticated() {
            return Ok(None);
        }
        let file = self.secret_file.clone().or_else(|| dev?.secrets.get(source).cloned()).ok_or_else(|| {
            let told = "give it with --secret-file FILE";
            Failure::Usage(match dev {
                Some(dev) => format!(
                    "`hooklog dev` has no source {source:?} with a secret in a file; it has: {}; choose one with --source, or {told}",
                    dev.secrets.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
                None => format!("the secret of source {source:?} is not known here: {told}"),
            })
        })?;
        SecretRef::File(file).read().map(Some).map_err(|error| Failure::Config(error.to_string()))
    }

    /// What must be repeated on the line to reach the same place.
    fn elsewhere(&self) -> String {
        let options = [
            ("type", self.kind.clone()),
            ("key", self.key.clone()),
            ("to", self.to.clone()),
            ("source", self.source.clone()),
            ("secret-file", self.secret_file.as_ref().map(|file| file.display().to_string())),
            ("data-dir", self.data_dir.as_ref().map(|folder| folder.display().to_string())),
        ];
        options.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", value?))).collect()
    }
}
