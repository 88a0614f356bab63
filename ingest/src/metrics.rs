//! What the edge counts. Labels: a source's configured name or `-`, and words from closed lists.

use hooklog_process::metrics::{
    Def, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Kind, MetricsError, Registry, SECONDS,
    counter, gauge, histogram,
};

use crate::outcome::Outcome;
use crate::validate::Verdict;
use crate::{quarantine, spool};

/// Requests by how they ended.
pub const REQUESTS: Def = Def {
    name: "hooklog_ingest_requests_total",
    kind: Kind::Counter,
    labels: &["source", "outcome"],
    help: "Requests by source and by how they ended; the outcomes add up to what came in.",
};

/// Signatures that did not hold, by reason.
pub const REJECTIONS: Def = Def {
    name: "hooklog_ingest_rejections_total",
    kind: Kind::Counter,
    labels: &["source", "reason"],
    help: "Requests whose signature did not hold, by reason; the caller is never told the reason.",
};

/// From the headers to the answer.
pub const REQUEST_SECONDS: Def = Def {
    name: "hooklog_ingest_request_seconds",
    kind: Kind::Histogram(SECONDS),
    labels: &["source"],
    help: "Seconds from a request's headers to its answer.",
};

/// From the enqueued record to its acknowledgement.
pub const APPEND_SECONDS: Def = Def {
    name: "hooklog_ingest_append_seconds",
    kind: Kind::Histogram(SECONDS),
    labels: &[],
    help: "Seconds from a record's hand-over to the client until the brokers acknowledged it.",
};

/// Bytes of accepted bodies.
pub const BODY_BYTES: Def = Def {
    name: "hooklog_ingest_body_bytes_total",
    kind: Kind::Counter,
    labels: &["source"],
    help: "Bytes of the bodies that were appended.",
};

/// What is in hand.
pub const IN_HAND: Def = Def {
    name: "hooklog_ingest_in_hand",
    kind: Kind::Gauge,
    labels: &["what"],
    help: "What is in hand now: connections, requests, body bytes; each has a limit.",
};

/// How much may be in hand.
pub const LIMIT: Def = Def {
    name: "hooklog_ingest_limit",
    kind: Kind::Gauge,
    labels: &["what"],
    help: "How much may be in hand: connections, requests, body bytes, as configured.",
};

/// Connections closed for a reason.
pub const CLOSED: Def = Def {
    name: "hooklog_ingest_connections_closed_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Connections that the edge closed, by reason: a deadline passed or a limit was reached.",
};

/// Until when the certificate holds.
pub const TLS_EXPIRY: Def = Def {
    name: "hooklog_ingest_tls_certificate_expiry_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the first certificate of the chain in use ends, in seconds since 1970; no series without TLS.",
};

/// Certificates that could not be taken.
pub const TLS_RELOAD_FAILURES: Def = Def {
    name: "hooklog_ingest_tls_reload_failures_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Changes of the certificate's files that could not be taken; the certificate before stays in use.",
};

/// Sources that take anything from anybody.
pub const OPEN_SOURCES: Def = Def {
    name: "hooklog_ingest_open_sources",
    kind: Kind::Gauge,
    labels: &[],
    help: "Sources with provider \"none\": they take anything from anybody. Alert on it in production.",
};

/// Secrets that are believed now.
pub const LIVE_SECRETS: Def = Def {
    name: "hooklog_ingest_live_secrets",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "Secrets of a source that are believed now, by their not_before and not_after; a source with none refuses everything.",
};

/// Configurations that were read again.
pub const CONFIG_RELOAD: Def = Def {
    name: "hooklog_ingest_config_reload_total",
    kind: Kind::Counter,
    labels: &["result"],
    help: "Configurations that were read while the edge served: applied, unchanged, or refused.",
};

/// Whether the configuration on disk was refused.
pub const CONFIG_REFUSED: Def = Def {
    name: "hooklog_ingest_config_refused",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while the configuration on disk, or a secret it names, can't be used, and the last good one is.",
};

/// When the configuration in use was read.
pub const CONFIG_LOADED: Def = Def {
    name: "hooklog_ingest_config_loaded_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the configuration in use was read, in seconds since 1970.",
};

/// Ids of stored events that are remembered.
pub const DUPLICATE_IDS: Def = Def {
    name: "hooklog_ingest_duplicate_ids",
    kind: Kind::Gauge,
    labels: &["what"],
    help: "Ids of stored events that are remembered for sources with `duplicates`: held, and the limit.",
};

/// Ids that were forgotten too early.
pub const DUPLICATE_IDS_DROPPED: Def = Def {
    name: "hooklog_ingest_duplicate_ids_dropped_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Ids that were forgotten within their source's window, since more were stored than are remembered.",
};

/// What the schemas said of bodies.
pub const SCHEMA: Def = Def {
    name: "hooklog_ingest_schema_total",
    kind: Kind::Counter,
    labels: &["source", "result"],
    help: "Verified bodies of sources with schemas, by what the schema of their type said: valid, invalid, or skipped (no schema, or too large).",
};

/// What the edge asked others for.
pub const FETCHES: Def = Def {
    name: "hooklog_ingest_fetches_total",
    kind: Kind::Counter,
    labels: &["source", "what", "result"],
    help: "Answers that the edge asked others for: a key_set, a certificate or a confirmation; ok, failed, or (also) unusable.",
};

/// Whether a source has the key set that lies at a URL.
pub const KEY_SET_USABLE: Def = Def {
    name: "hooklog_ingest_key_set_usable",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "1 while a source with a keys_url has a key set to verify with; at 0 it answers everything with 503.",
};

/// Everything the edge counts.
pub const CATALOGUE: &[Def] = &{
    let [held, limit, oldest, failed, refused, drained, aside, damaged, commit, written] = spool::metrics::CATALOGUE;
    [
        REQUESTS,
        REJECTIONS,
        REQUEST_SECONDS,
        APPEND_SECONDS,
        BODY_BYTES,
        IN_HAND,
        LIMIT,
        CLOSED,
        TLS_EXPIRY,
        TLS_RELOAD_FAILURES,
        OPEN_SOURCES,
        LIVE_SECRETS,
        CONFIG_RELOAD,
        CONFIG_REFUSED,
        CONFIG_LOADED,
        DUPLICATE_IDS,
        DUPLICATE_IDS_DROPPED,
        SCHEMA,
        FETCHES,
        KEY_SET_USABLE,
        held,
        limit,
        oldest,
        failed,
        refused,
        drained,
        aside,
        damaged,
        commit,
        written,
        quarantine::QUARANTINED,
    ]
};

/// What is counted for every webhook of a source that is stored, found once: to look a series up takes locks that all threads share.
#[derive(Clone)]
pub struct Stored {
    appended: IntCounter,
    seconds: Histogram,
    body_bytes: IntCounter,
}

impl Stored {
    /// One webhook of `length` bytes, stored and answered within `seconds`.
    pub fn count(&self, seconds: f64, length: usize) {
        self.appended.inc();
        self.seconds.observe(seconds);
        self.body_bytes.inc_by(u64::try_from(length).unwrap_or(u64::MAX));
    }
}

/// The edge's metrics.
#[derive(Clone)]
pub struct Metrics {
    /// See [`REQUESTS`].
    pub requests: IntCounterVec,
    /// See [`REJECTIONS`].
    pub rejections: IntCounterVec,
    /// See [`REQUEST_SECONDS`].
    pub request_seconds: HistogramVec,
    /// See [`APPEND_SECONDS`].
    pub append_seconds: HistogramVec,
    /// See [`BODY_BYTES`].
    pub body_bytes: IntCounterVec,
    /// See [`IN_HAND`].
    pub in_hand: IntGaugeVec,
    /// See [`LIMIT`].
    pub limit: IntGaugeVec,
    /// See [`CLOSED`].
    pub closed: IntCounterVec,
    /// See [`TLS_EXPIRY`].
    pub tls_expiry: IntGaugeVec,
    /// See [`TLS_RELOAD_FAILURES`].
    pub tls_reload_failures: IntCounterVec,
    /// See [`OPEN_SOURCES`].
    pub open_sources: IntGaugeVec,
    /// See [`LIVE_SECRETS`].
    pub live_secrets: IntGaugeVec,
    /// See [`CONFIG_RELOAD`].
    pub config_reload: IntCounterVec,
    /// See [`CONFIG_REFUSED`].
    pub config_refused: IntGaugeVec,
    /// See [`CONFIG_LOADED`].
    pub config_loaded: IntGaugeVec,
    /// See [`DUPLICATE_IDS`].
    pub duplicate_ids: IntGaugeVec,
    /// See [`DUPLICATE_IDS_DROPPED`].
    pub duplicate_ids_dropped: IntCounterVec,
    /// See [`SCHEMA`].
    pub schema: IntCounterVec,
    /// See [`FETCHES`].
    pub fetches: IntCounterVec,
    /// See [`KEY_SET_USABLE`].
    pub key_set_usable: IntGaugeVec,
}

impl Metrics {
    /// The series of the stored webhooks of a source.
    #[must_use]
    pub fn stored(&self, source: &str) -> Stored {
        Stored {
            appended: self.requests.with_label_values(&[source, Outcome::Appended.label()]),
            seconds: self.request_seconds.with_label_values(&[source]),
            body_bytes: self.body_bytes.with_label_values(&[source]),
        }
    }

    /// Lets the series of a source with schemas begin at zero, so that the first difference is an increase.
    pub fn begin_schema(&self, source: &str) {
        for label in Verdict::LABELS {
            self.schema.with_label_values(&[source, label]);
        }
    }

    /// Declares them.
    ///
    /// # Errors
    /// [`MetricsError`] when a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            requests: counter(registry, &REQUESTS)?,
            rejections: counter(registry, &REJECTIONS)?,
            request_seconds: histogram(registry, &REQUEST_SECONDS)?,
            append_seconds: histogram(registry, &APPEND_SECONDS)?,
            body_bytes: counter(registry, &BODY_BYTES)?,
            in_hand: gauge(registry, &IN_HAND)?,
            limit: gauge(registry, &LIMIT)?,
            closed: counter(registry, &CLOSED)?,
            tls_expiry: gauge(registry, &TLS_EXPIRY)?,
            tls_reload_failures: counter(registry, &TLS_RELOAD_FAILURES)?,
            open_sources: gauge(registry, &OPEN_SOURCES)?,
            live_secrets: gauge(registry, &LIVE_SECRETS)?,
            config_reload: counter(registry, &CONFIG_RELOAD)?,
            config_refused: gauge(registry, &CONFIG_REFUSED)?,
            config_loaded: gauge(registry, &CONFIG_LOADED)?,
            duplicate_ids: gauge(registry, &DUPLICATE_IDS)?,
            duplicate_ids_dropped: counter(registry, &DUPLICATE_IDS_DROPPED)?,
            schema: counter(registry, &SCHEMA)?,
            fetches: counter(registry, &FETCHES)?,
            key_set_usable: gauge(registry, &KEY_SET_USABLE)?,
        })
    }
}
