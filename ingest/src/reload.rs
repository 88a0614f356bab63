//! The configuration read again while the edge serves: checked whole and taken over whole, or refused, and the last good one stays.
//!
//! ```text
//!            SIGHUP, or the file, or one that it names (a secret, a provider, a schema), changed and stays so for a moment
//!   in use ────────────────────────────────────────────────────────▶ read, check, fetch every secret
//!     ▲  ▲  ▲                                                          │          │          │
//!     │  │  └── refused: logged once, the gauge stands at 1 ◀──────────┘          │          │
//!     │  └───── unchanged ◀───────────────────────────────────────────────────────┘          │
//!     └──────── applied: every source at once, requests keep the one they began with ◀───────┘
//! ```
//!
//! Only the sources and `log.filter` change so. What else differs is named, and waits for a restart.

mod named;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hooklog_process::config::ConfigError;
use hooklog_process::hangup::{Hangup, Hangups};
use hooklog_process::logging::{self, Filter, LoggingError};
use hooklog_process::shown::Shown;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::TopicName;
use serde_json::Value;

use crate::config::Config;
use crate::edge::Edge;
use crate::reload::named::{Named, hash_of_file};
use crate::source::{SourceError, Sources};

/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(2);

/// How long a changed file has to stay as it is before it is read: half a file is no configuration, even if it can be read as one.
pub const SETTLE: Duration = Duration::from_millis(200);

/// Where the configuration came from, and who says that it be read again.
pub struct Origin {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Who says so.
    pub hangup: Hangup,
    /// Which lines are logged, if it is ours to change.
    pub filter: Option<Filter>,
    /// How often the files are looked at: [`LOOK`].
    pub every: Duration,
}

/// What has to be done before records go to topics that are new. Says why it could not be.
pub type Prepare = Box<dyn Fn(Vec<TopicName>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What a reload needs beside the edge.
pub struct Means {
    /// Where the configuration came from; none if it is never read again.
    pub origin: Option<Origin>,
    /// Where the configuration in use is shown.
    pub shown: Shown,
    /// What has to be done for new topics.
    pub prepare: Prepare,
}

/// Keeps the edge's sources as the configuration and the clock say.
pub struct Reloader {
    edge: Arc<Edge>,
    /// In use.
    config: Config,
    means: Means,
    hangups: Hangups,
    /// As they were when they were read last.
    seen: Option<Seen>,
    /// As they were when a change was noticed.
    settling: Option<Seen>,
    /// The files of the configuration that was read last, whether it was taken or not.
    named: Named,
    /// Why it was refused last, if what refused it lies outside the files and may mend itself.
    again: Option<String>,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It has no source.
    #[error(
        "no source is configured: that would refuse everything; add `[sources.NAME]` with a `provider`, or stop the edge"
    )]
    NoSource,
    /// A source can't be built.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its filter can't be understood.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// A topic can't be made ready.
    #[error("a new topic can't be written to yet: {0}")]
    Topic(String),
}

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Applied,
    Unchanged,
    Refused,
}

/// What the files held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    file: [u8; 32],
    named: [u8; 32],
}

/// What was read.
struct Read {
    seen: Seen,
    named: Named,
    candidate: Result<(Config, Sources), Refusal>,
}

impl Ended {
    const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    const fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl Reloader {
    /// For an edge that serves by `config`, which is shown from now on.
    #[must_use]
    pub fn new(edge: Arc<Edge>, config: Config, means: Means) -> Self {
        for ended in Ended::ALL {
            edge.metrics.config_reload.with_label_values(&[ended.label()]);
        }
        let hangups = means.origin.as_ref().map_or_else(|| Hangup::new().listen(), |origin| origin.hangup.listen());
        let named = Named::by(&config, &config.providers);
        let reloader = Self { edge, config, means, hangups, seen: None, settling: None, named, again: None };
        reloader.refused(false);
        reloader.show();
        reloader
    }

    /// Looks at signals, files and the clock until shutdown.
    pub async fn run(mut self, shutdown: Shutdown) {
        let (edge, every) = (Arc::clone(&self.edge), self.every());
        // Apart from each other: files that hang, or a registry, must not keep a secret alive.
        tokio::select! {
            () = shutdown.requested() => {}
            () = edge.sources.keep_time(every) => {}
            () = self.keep_files() => {}
        }
    }

    async fn keep_files(&mut self) {
        if self.means.origin.is_none() {
            return std::future::pending().await;
        }
        loop {
            let rest = if self.settling.is_some() { self.every().min(SETTLE) } else { self.every() };
            let is_asked = tokio::select! {
                () = self.hangups.next() => true,
                () = tokio::time::sleep(rest) => false,
            };
            self.look(is_asked).await;
        }
    }

    fn every(&self) -> Duration {
        self.means.origin.as_ref().map_or(LOOK, |origin| origin.every)
    }

    async fn look(&mut self, is_asked: bool) {
        let (file, named) = (self.file(), self.named.clone());
        let Some(seen) = blocking(move || Seen::of(file.as_deref(), &named)).await else { return };
        if !is_asked && self.again.is_none() && self.seen.is_some() {
            if self.seen == Some(seen) {
                self.settling = None;
                return;
            }
            if self.settling != Some(seen) {
                self.settling = Some(seen);
                return;
            }
        }
        self.settling = None;
        let (file, named, in_use) = (self.file(), self.named.clone(), self.config.clone());
        let Some(read) = blocking(move || read(file.as_deref(), named, &in_use)).await else { return };
        // The first look only makes sure that nothing changed between the start and now.
        let is_first = self.seen.replace(read.seen).is_none();
        self.named = read.named;
        let taken = match read.candidate {
            Ok((config, sources)) => self.take(config, sources).await,
            Err(refusal) => Err(refusal),
        };
        match taken {
            Ok(Ended::Unchanged) if is_first && !is_asked => {}
            Ok(ended) => self.ended(ended),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let text = refusal.to_string();
        let is_told = self.again.as_ref() == Some(&text);
        self.again = matches!(refusal, Refusal::Topic(_)).then(|| text.clone());
        if !is_told {
            tracing::error!(error = text, "the configuration was refused; the last good one stays in use");
            self.count(Ended::Refused);
        }
        self.refused(true);
    }

    fn ended(&mut self, ended: Ended) {
        self.again = None;
        self.count(ended);
        self.refused(false);
    }

    /// Takes a checked configuration over, as far as it can be while the edge serves.
    async fn take(&mut self, config: Config, sources: Sources) -> Result<Ended, Refusal> {
        let current = self.edge.sources.current();
        let is_same_filter = config.log.filter == self.config.log.filter;
        let is_same = is_same_filter
            && config.sources == self.config.sources
            && sources.has_secrets_of(&current)
            && sources.is_made_as(&current);
        let known: BTreeSet<&TopicName> = current.iter().map(|source| &source.topic).collect();
        let new = sources.iter().map(|source| &source.topic).filter(|topic| !known.contains(topic));
        let new: BTreeSet<TopicName> = new.cloned().collect();
        if !new.is_empty() {
            (self.means.prepare)(new.into_iter().collect()).await.map_err(Refusal::Topic)?;
        }
        let waiting = waiting(&self.config, &config);
        if !waiting.is_empty() {
            tracing::warn!(settings = waiting.join(", "), "these settings were changed and need a restart");
        }
        if is_same {
            return Ok(Ended::Unchanged);
        }
        if let Some(filter) = self.means.origin.as_ref().and_then(|origin| origin.filter.as_ref())
            && !is_same_filter
        {
            filter.set(&config.log.filter)?;
        }
        let names =
            |sources: &Sources| -> BTreeSet<String> { sources.iter().map(|source| source.name.to_string()).collect() };
        let (before, after) = (names(&current), names(&sources));
        let (added, removed) = (listed(after.difference(&before)), listed(before.difference(&after)));
        self.edge.sources.install(sources);
        self.config.sources = config.sources;
        self.config.log.filter = config.log.filter;
        self.show();
        tracing::info!(sources = after.len(), added, removed, "the configuration was read again and is in use");
        Ok(Ended::Applied)
    }

    fn file(&self) -> Option<PathBuf> {
        self.means.origin.as_ref().and_then(|origin| origin.file.clone())
    }

    fn show(&self) {
        self.means.shown.set(serde_json::to_value(&self.config).unwrap_or_default());
        let now = self.edge.clock.now_ms() / 1000;
        self.edge.metrics.config_loaded.with_label_values::<&str>(&[]).set(now);
    }

    fn refused(&self, is: bool) {
        self.edge.metrics.config_refused.with_label_values::<&str>(&[]).set(i64::from(is));
    }

    fn count(&self, ended: Ended) {
        self.edge.metrics.config_reload.with_label_values(&[ended.label()]).inc();
    }
}

/// Reads the configuration and builds its sources by the limits in use. The files are hashed before they are read: whoever changes them
/// in between is noticed at the next look.
fn read(file: Option<&Path>, mut named: Named, in_use: &Config) -> Read {
    let before = hash_of_file(file);
    let loaded = Config::load(file);
    if let Ok(config) = &loaded {
        named = Named::by(config, &in_use.providers);
    }
    let seen = Seen { file: before, named: named.hash() };
    let build = |config: Config| -> Result<(Config, Sources), Refusal> {
        if config.sources.is_empty() {
            return Err(Refusal::NoSource);
        }
        logging::check(&config.log.filter)?;
        let sources = Sources::build(&Config { sources: config.sources.clone(), ..in_use.clone() })?;
        Ok((config, sources))
    };
    Read { seen, named, candidate: loaded.map_err(Refusal::from).and_then(build) }
}

impl Seen {
    fn of(file: Option<&Path>, named: &Named) -> Self {
        Self { file: hash_of_file(file), named: named.hash() }
    }
}

/// The settings that differ and can't change while the edge serves, by name: `kafka.linger`.
fn waiting(in_use: &Config, read: &Config) -> Vec<String> {
    let [in_use, read] = [in_use, read].map(|config| serde_json::to_value(config).unwrap_or_default());
    let (Value::Object(in_use), Value::Object(read)) = (in_use, read) else { return Vec::new() };
    let mut names = Vec::new();
    for (section, value) in &read {
        match (value, in_use.get(section)) {
            (Value::Object(new), Some(Value::Object(old))) => {
                let differ = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
                names.extend(differ.map(|(key, _)| format!("{section}.{key}")));
            }
            (new, old) if old != Some(new) => names.push(section.clone()),
            _ => {}
        }
    }
    names.retain(|name| !name.starts_with("sources.") && name != "log.filter");
    names
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Files are read where it holds up no request.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|error| tracing::error!(%error, "the configuration could not be looked at")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named_and_what_does_not_is_left_out() {
        let in_use = Config::defaults().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("edge.toml");
        for (text, names) in [
            ("[log]\nfilter = \"debug\"\n[sources.a]\nprovider = \"none\"", &[][..]),
            ("listen = \"127.0.0.1:1\"", &["listen"]),
            (
                "[kafka]\nlinger = \"9ms\"\nproperties = { \"client.rack\" = \"a\" }",
                &["kafka.linger", "kafka.properties"],
            ),
            ("[limits]\nuri = \"1KiB\"\n[timeouts]\nidle = \"9s\"", &["limits.uri", "timeouts.idle"]),
            ("[log]\nformat = \"json\"\n[spool]\ndir = \"x\"", &["log.format", "spool.dir"]),
        ] {
            std::fs::write(&file, text).unwrap();
            let read = Config::load(Some(&file)).unwrap();
            assert_eq!(waiting(&in_use, &read), names, "{text}");
        }
    }
}
