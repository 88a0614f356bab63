//! The quarantine: whole requests whose signature did not hold, kept for a short while, so that a wrong secret costs time and no events.
//!
//! ```text
//!  401 ── whole body, within the quota ──▶ hooks.quarantine ── the secret is mended ──▶ verified again ──▶ hooks.<source>
//! ```
//!
//! The caller hears the same 401. What lies here is nobody's word: it has a topic of its own, no CloudEvents headers that a consumer could
//! take it by, and never goes through the spool. A request whose secret travels with it (a bearer token, a password) is not kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hooklog_kafka::{Append, Incoming, Outgoing};
use hooklog_process::metrics::{Def, IntCounterVec, Kind, MetricsError, Registry, counter};
use hooklog_process::random::Random;
use hooklog_schemas::codec::{Draft, encode_draft};
use hooklog_schemas::{Envelope, EventType, Frame, OrderingKey, SourceName, Timestamp, TopicName};
use hooklog_signatures::{Head, Rejection, UnixMillis, verify};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::admit::Rate;
use crate::body::Read;
use crate::identify::{Event, hashed, identify};
use crate::seal::{self, Sealed, Verified, seal, trace};
use crate::source::Source;

/// The record header with the request's method.
pub const METHOD: &str = "hooklog-method";

/// The record header with the request's target: path and query.
pub const TARGET: &str = "hooklog-target";

/// The record header of a mark: which record of this topic was admitted, `topic/partition/offset`.
pub const ADMITTED: &str = "hooklog-admitted";

/// The type that every kept request has.
const KIND: &str = "unverified";

/// Requests by what became of them.
pub const QUARANTINED: Def = Def {
    name: "hooklog_ingest_quarantined_total",
    kind: Kind::Counter,
    labels: &["source", "result"],
    help: "Requests whose signature did not hold, by whether they were kept: kept, over_quota, too_large, log_away.",
};

/// How much is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where.
    pub topic: TopicName,
    /// Requests a second of one source.
    pub rate: u32,
    /// The largest body, in bytes.
    pub max_body: usize,
}

/// Keeps requests.
pub struct Quarantine {
    log: Arc<dyn Append>,
    settings: Settings,
    /// As many as there ever were sources.
    rates: Mutex<BTreeMap<SourceName, Rate>>,
    quarantined: IntCounterVec,
}

/// A request that was refused.
pub struct Unproven<'a> {
    /// What it was but for its body.
    pub head: Head<'a>,
    /// Its body.
    pub read: &'a Read,
    /// When it was whole.
    pub received_at: Timestamp,
}

impl Quarantine {
    /// Keeps requests in `log`.
    ///
    /// # Errors
    /// [`MetricsError`] when the metric's name is taken.
    pub fn new(settings: Settings, log: Arc<dyn Append>, registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self { log, settings, rates: Mutex::default(), quarantined: counter(registry, &QUARANTINED)? })
    }

    /// Keeps a request, if it is one that could be verified later, and there is room. Waits for nobody: it is a service, not a promise.
    pub fn keep(&self, source: &Source, refused: &Unproven<'_>, frame: Frame, now: Instant) {
        if !source.scheme.signs_body() {
            return;
        }
        let result = if refused.read.bytes.len() > self.settings.max_body {
            "too_large"
        } else if !self.has_room(&source.name, now) {
            "over_quota"
        } else if self.append(source, refused, frame) {
            "kept"
        } else {
            "log_away"
        };
        self.quarantined.with_label_values(&[source.name.as_str(), result]).inc();
    }

    fn has_room(&self, source: &SourceName, now: Instant) -> bool {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        match rates.get(source) {
            Some(rate) => rate.take(now),
            None => {
                let rate = Rate::per_second(self.settings.rate);
                let has_room = rate.take(now);
                rates.insert(source.clone(), rate);
                has_room
            }
        }
    }

    fn append(&self, source: &Source, refused: &Unproven<'_>, frame: Frame) -> bool {
        let id = hashed(&refused.read.sha256);
        let (Ok(kind), Ok(key)) = (EventType::parse(KIND), OrderingKey::parse(source.name.as_str())) else {
            return false;
        };
        let kept = seal::kept(refused.head.headers, source);
        let value = encode_draft(
            &Draft {
                id: &id,
                source: &source.name,
                kind: &kind,
                key: &key,
                received_at: refused.received_at,
                scheme: KIND,
                headers: &kept,
                content_type: None,
                body: &refused.read.bytes,
                body_sha256: refused.read.sha256,
                trace: None,
            },
            frame,
        );
        let headers: &[(&str, &[u8])] =
            &[(METHOD, refused.head.method.as_bytes()), (TARGET, refused.head.path_and_query.as_bytes())];
        let record = Outgoing {
            topic: &self.settings.topic,
            partition: None,
            key: Some(key.as_str().as_bytes()),
            value: &value,
            headers,
            timestamp: Some(refused.received_at),
        };
        // Nobody waits for it: its report is for the metrics of Kafka's client.
        self.log.append(record).is_ok()
    }
}

/// A kept request, read back.
#[derive(Debug, Clone)]
pub struct Suspect {
    method: String,
    target: String,
    envelope: Envelope,
}

/// Why a kept request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Its signature does not hold with today's secrets either.
    #[error("the signature does not hold: {}", .0.label())]
    Unverified(Rejection),
    /// Its body names the event twice.
    #[error("the body names the event twice")]
    Ambiguous,
    /// Its body is not as its schema has it.
    #[error("the body is not as its schema has it")]
    Differs,
}

impl Suspect {
    /// Reads a record of the quarantine, given its envelope; none if it is a mark.
    #[must_use]
    pub fn of(record: &Incoming, envelope: Envelope) -> Option<Self> {
        let text = |name: &str| Some(String::from_utf8_lossy(record.headers.get(name)?).into_owned());
        Some(Self { method: text(METHOD)?, target: text(TARGET)?, envelope })
    }

    /// The source it was sent to.
    #[must_use]
    pub const fn source(&self) -> &SourceName {
        &self.envelope.source
    }

    /// When it was received.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.envelope.received_at
    }

    /// Verifies it as if it came now as it came then, with today's secrets, and seals it with the time at which it was received.
    ///
    /// # Errors
    /// [`NotAdmitted`]
    pub fn admit(&self, source: &Source, frame: Frame, random: &Random) -> Result<Sealed, NotAdmitted> {
        let headers = self.headers();
        let head = Head { method: &self.method, path_and_query: &self.target, headers: &headers };
        let body = &self.envelope.body;
        let then = UnixMillis(self.envelope.received_at.0);
        let proof = verify(&source.scheme, &source.keys, head, body, then).map_err(NotAdmitted::Unverified)?;
        let event =
            identify(&source.scheme, head, body, &self.envelope.body_sha256).map_err(|_| NotAdmitted::Ambiguous)?;
        let verified = Verified {
            headers: &headers,
            body,
            body_sha256: self.envelope.body_sha256,
            key_id: proof.key_id.as_deref(),
            received_at: self.envelope.received_at,
            differs: self.differs(source, &event)?,
        };
        Ok(seal(&verified, source, event, trace(&headers, random), frame))
    }

    /// Whether the body differs from its schema, where that is marked and not refused.
    fn differs(&self, source: &Source, event: &Event) -> Result<bool, NotAdmitted> {
        let Some(schemas) = &source.schemas else { return Ok(false) };
        schemas.settle(schemas.check(&event.kind, &self.envelope.body)).map_err(|_| NotAdmitted::Differs)
    }

    fn headers(&self) -> HeaderMap {
        let header = |(name, value): (&str, &[u8])| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in self.envelope.headers.iter().filter_map(header) {
            headers.append(name, value);
        }
        headers
    }
}
