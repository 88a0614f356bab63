//! The edge as one thing: what every request shares, how outcomes are counted and told, how it is started and drained.

use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use hooklog_kafka::Append;
use hooklog_process::clock::Clock;
use hooklog_process::metrics::{Histogram, MetricsError, Registry};
use hooklog_process::random::Random;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::id::NameError;
use hooklog_schemas::{EventType, Frame, SourceName, TopicName};

use crate::admit::Room;
use crate::body::Pace;
use crate::config::{Config, Limits};
use crate::drain::Drain;
use crate::duplicates::Duplicates;
use crate::durable::{self, Durable, Spooling, Store};
use crate::fetch::get::ClientError;
use crate::fetch::{self, Fetcher};
use crate::forwarded::Forwarded;
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::outcome::{Outcome, Refused};
use crate::quarantine::{self, Quarantine};
use crate::respond::{self, Patience};
use crate::roster::Roster;
use crate::source::{Source, Sources};
use crate::spool::Opened;
use crate::spool::metrics::SpoolMetrics;
use crate::validate::Verdict;

/// What an edge is given: the outside world, and the log.
pub struct Parts {
    /// Who may send.
    pub sources: Sources,
    /// The log.
    pub log: Arc<dyn Append>,
    /// The spool, opened and read, if there is one.
    pub spool: Option<Opened>,
    /// How values are framed.
    pub frame: Frame,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
    /// Where metrics are declared.
    pub registry: Registry,
    /// The wish that it end.
    pub shutdown: Shutdown,
}

/// What every request shares.
pub struct Edge {
    pub(crate) sources: Roster,
    pub(crate) duplicates: Duplicates,
    pub(crate) quarantine: Option<Quarantine>,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) limits: Limits,
    pub(crate) forwarded: Forwarded,
    pub(crate) pace: Pace,
    pub(crate) requests: Room,
    pub(crate) body_bytes: Room,
    pub(crate) store: Store,
    pub(crate) frame: Frame,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) shutdown: Shutdown,
    pub(crate) metrics: Metrics,
    patience: Patience,
    told: Sampler,
}

/// Why an edge could not be built.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// A metric's name is taken.
    #[error("a metric can't be declared: {0}")]
    Metrics(#[from] MetricsError),
    /// The system has no thread left for the spool.
    #[error("the spool's thread can't be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The quarantine's topic is none.
    #[error("quarantine.topic: {0}")]
    Topic(#[from] NameError),
    /// Others can't be asked as configured.
    #[error(transparent)]
    Fetch(#[from] ClientError),
    /// What nobody verified would stand among what somebody did.
    #[error("quarantine.topic: {topic} is the topic of source {source_name}: give the quarantine a topic of its own")]
    SharedTopic {
        /// The topic.
        topic: TopicName,
        /// The source.
        source_name: SourceName,
    },
}

impl Edge {
    /// Builds everything that needs no socket, on a runtime: what a spool was left with is drained from now on.
    ///
    /// # Errors
    /// [`EdgeError`]
    pub fn new(config: &Config, mut parts: Parts) -> Result<Arc<Self>, EdgeError> {
        let metrics = Metrics::register(&parts.registry)?;
        let pace = Pace {
            max_bytes: config.limits.max_body.as_usize(),
            longest: config.timeouts.body.0,
            grace: config.timeouts.body_grace.0,
            rate: config.timeouts.body_rate.0,
        };
        let seconds = metrics.append_seconds.with_label_values::<&str>(&[]);
        let store = store(config, &mut parts, seconds)?;
        let quarantine = quarantine(config, &parts)?;
        let fetcher = Arc::new(Fetcher::new(&config.fetch, &parts.clock, &metrics)?);
        let edge = Arc::new(Self {
            quarantine,
            fetcher,
            sources: Roster::new(parts.sources, metrics.clone(), parts.clock.clone()),
            duplicates: Duplicates::within(config.limits.duplicate_ids, &metrics),
            limits: config.limits.clone(),
            forwarded: config.forwarded.clone(),
            pace,
            requests: Room::of(config.limits.requests),
            body_bytes: Room::of(config.limits.body_bytes.as_usize()),
            store,
            frame: parts.frame,
            clock: parts.clock,
            random: parts.random,
            shutdown: parts.shutdown,
            metrics,
            patience: Patience { seconds: config.timeouts.retry_after.0.as_secs().max(1) },
            told: Sampler::default(),
        });
        fetch::keep(&edge);
        Ok(edge)
    }

    /// The sources it serves, as they are now.
    #[must_use]
    pub const fn sources(&self) -> &Roster {
        &self.sources
    }

    /// How many requests are between their headers and their end.
    #[must_use]
    pub fn requests_in_hand(&self) -> usize {
        self.requests.taken()
    }

    /// How many seconds somebody who is refused is asked to wait.
    pub(crate) fn retry_after(&self) -> u64 {
        respond::retry_after(self.patience, &self.random)
    }

    /// Counts and logs an outcome, and answers it.
    pub(crate) fn end(&self, source: Option<&Source>, start: Instant, refused: impl Into<Refused>) -> Response {
        let refused = refused.into();
        self.note(source, start, refused.outcome);
        respond::problem(refused, self.patience, &self.random)
    }

    /// Counts and logs an outcome. Every request comes here exactly once.
    pub(crate) fn note(&self, source: Option<&Source>, start: Instant, outcome: Outcome) {
        let name = source.map_or("-", |source| source.name.as_str());
        self.metrics.requests.with_label_values(&[name, outcome.label()]).inc();
        if let Outcome::Unverified(rejection) = outcome {
            self.metrics.rejections.with_label_values(&[name, rejection.label()]).inc();
        }
        let now = self.clock.monotonic();
        let seconds = now.saturating_duration_since(start).as_secs_f64();
        self.metrics.request_seconds.with_label_values(&[name]).observe(seconds);
        self.log(name, now, outcome);
    }

    /// Counts and logs a stored webhook of `length` bytes: what [`Edge::note`] does, for the outcome that all the others are rare beside.
    pub(crate) fn note_stored(&self, source: &Source, start: Instant, length: usize, durable: &Durable) {
        if *durable == Durable::Spool {
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            self.metrics.body_bytes.with_label_values(&[source.name.as_str()]).inc_by(length);
            return self.note(Some(source), start, Outcome::Spooled);
        }
        let now = self.clock.monotonic();
        if let Some(stored) = source.series() {
            stored.count(now.saturating_duration_since(start).as_secs_f64(), length);
        }
        self.log(source.name.as_str(), now, Outcome::Appended);
    }

    /// Counts what the schemas said of a body, and tells where one differs.
    pub(crate) fn note_schema(&self, source: &Source, kind: &EventType, verdict: &Verdict) {
        self.metrics.schema.with_label_values(&[source.name.as_str(), verdict.label()]).inc();
        if let Verdict::Invalid(pointer) = verdict
            && let Some(unsaid) = self.told.say("schema", self.clock.monotonic())
        {
            let (source, kind, pointer) = (source.name.as_str(), kind.as_str(), pointer.as_str());
            tracing::warn!(source, kind, pointer, unsaid, "a body differs from its schema");
        }
    }

    /// Whoever can send us requests must not be able to fill our disk with lines about them.
    fn log(&self, source: &str, now: Instant, outcome: Outcome) {
        let (label, reason) = (outcome.label(), outcome.reason());
        if outcome.level() == tracing::Level::DEBUG {
            tracing::debug!(source, outcome = label, "request ended");
            return;
        }
        let Some(unsaid) = self.told.say(label, now) else { return };
        match outcome.level() {
            tracing::Level::ERROR => tracing::error!(source, outcome = label, reason, unsaid, "request ended"),
            tracing::Level::WARN => tracing::warn!(source, outcome = label, reason, unsaid, "request ended"),
            _ => tracing::info!(source, outcome = label, reason, unsaid, "request ended"),
        }
    }
}

/// Where what can't be verified is kept, if anywhere.
fn quarantine(config: &Config, parts: &Parts) -> Result<Option<Quarantine>, EdgeError> {
    let Some(topic) = config.quarantine.topic()? else { return Ok(None) };
    if let Some(source) = parts.sources.iter().find(|source| source.topic == topic) {
        return Err(EdgeError::SharedTopic { topic, source_name: source.name.clone() });
    }
    let (rate, max_body) = (config.quarantine.rate, config.quarantine.max_body.as_usize());
    let settings = quarantine::Settings { topic, rate, max_body };
    Ok(Some(Quarantine::new(settings, Arc::clone(&parts.log), &parts.registry)?))
}

/// The way to durability: through the log, and the spool where there is one.
fn store(config: &Config, parts: &mut Parts, seconds: Histogram) -> Result<Store, EdgeError> {
    let log = Arc::clone(&parts.log);
    let patience = durable::Patience { spool_after: config.spool.after.0, deadline: config.kafka.append_deadline.0 };
    let lanes = Arc::new(Lanes::new());
    let Some(opened) = parts.spool.take() else { return Ok(Store::new(log, lanes, None, patience, seconds)) };
    let spool_metrics = SpoolMetrics::register(&parts.registry)?;
    let held = lanes.hold(&opened.survey, &opened.counts);
    let reopened = Arc::clone(&lanes);
    let spool = opened.start(parts.clock.clone(), spool_metrics.clone(), move |survey| {
        reopened.reopened(survey);
    })?;
    let drain = Drain::new(spool.clone(), Arc::clone(&log), spool_metrics);
    held.iter().for_each(|lane| drain.tend(lane));
    Ok(Store::new(log, lanes, Some(Spooling { spool, drain }), patience, seconds))
}

/// Lets a few lines of each kind through a second and counts the rest.
#[derive(Default)]
struct Sampler(std::sync::Mutex<std::collections::HashMap<&'static str, Said>>);

struct Said {
    second: Instant,
    lines: u32,
    unsaid: u64,
}

impl Sampler {
    const LINES_A_SECOND: u32 = 5;

    /// Whether to say it now, and how often it was not said since the last time.
    fn say(&self, label: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let said = kinds.entry(label).or_insert(Said { second: now, lines: 0, unsaid: 0 });
        if now.saturating_duration_since(said.second).as_secs() > 0 {
            (said.second, said.lines) = (now, 0);
        }
        if said.lines == Self::LINES_A_SECOND {
            said.unsaid += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_told_in_a_few_lines_and_a_count() {
        let (told, start) = (Sampler::default(), Instant::now());
        let said = (0..1000).filter(|_| told.say("unverified", start).is_some()).count();
        assert_eq!(said, 5);
        assert_eq!(told.say("overloaded", start), Some(0), "another kind is not drowned");
        assert_eq!(told.say("unverified", start + Duration::from_secs(2)), Some(995));
    }
}
