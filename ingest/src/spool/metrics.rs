//! What the spool counts and shows.

use std::time::Duration;

use hooklog_process::metrics::{
    Def, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Kind, MetricsError, Registry, SECONDS, counter,
    gauge, histogram,
};

use super::survey::Damages;
use super::usage::{Full, Limits};

/// What is in the spool.
pub const HELD: Def = Def {
    name: "hooklog_ingest_spool_held",
    kind: Kind::Gauge,
    labels: &["what"],
    help: "What the spool holds: bytes, records; what was set aside too.",
};

/// What may be in the spool.
pub const LIMIT: Def = Def {
    name: "hooklog_ingest_spool_limit",
    kind: Kind::Gauge,
    labels: &["what"],
    help: "What the spool may hold: bytes, records, source_bytes, as configured.",
};

/// How old its oldest record is.
pub const OLDEST: Def = Def {
    name: "hooklog_ingest_spool_oldest_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "Seconds since the oldest record in the spool was spooled; 0 when it is empty.",
};

/// Whether it takes nothing.
pub const FAILED: Def = Def {
    name: "hooklog_ingest_spool_failed",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while the spool takes nothing because its disk failed, until it was opened anew and read as a whole.",
};

/// Records it did not take.
pub const REFUSED: Def = Def {
    name: "hooklog_ingest_spool_refused_total",
    kind: Kind::Counter,
    labels: &["limit"],
    help: "Records that the spool did not take, by the limit that was reached.",
};

/// Records that left it for the log.
pub const DRAINED: Def = Def {
    name: "hooklog_ingest_spool_drained_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Records of the spool that the log has, and that are no longer in the spool.",
};

/// Records that can't leave it.
pub const ASIDE: Def = Def {
    name: "hooklog_ingest_spool_aside_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Records that the log will never take, kept aside in the spool for a person. Alert on any.",
};

/// Records that are not as they were written.
pub const DAMAGED: Def = Def {
    name: "hooklog_ingest_spool_damaged_total",
    kind: Kind::Counter,
    labels: &["how"],
    help: "Records of the spool that were found damaged or missing. Alert on any.",
};

/// From a group of records to their being on the device.
pub const COMMIT_SECONDS: Def = Def {
    name: "hooklog_ingest_spool_commit_seconds",
    kind: Kind::Histogram(SECONDS),
    labels: &[],
    help: "Seconds of one write and sync of the spool, for all records that waited.",
};

/// Records written.
pub const WRITTEN: Def = Def {
    name: "hooklog_ingest_spool_written_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Records written to the spool; divided by the number of commits it is how many share a sync.",
};

/// Everything the spool counts.
pub const CATALOGUE: [Def; 10] =
    [HELD, LIMIT, OLDEST, FAILED, REFUSED, DRAINED, ASIDE, DAMAGED, COMMIT_SECONDS, WRITTEN];

/// The spool's metrics.
#[derive(Clone)]
pub struct SpoolMetrics {
    held_bytes: IntGauge,
    held_records: IntGauge,
    limit: IntGaugeVec,
    oldest: IntGauge,
    failed: IntGauge,
    refused: IntCounterVec,
    drained: IntCounter,
    aside: IntCounter,
    damaged: IntCounterVec,
    commit_seconds: Histogram,
    written: IntCounter,
}

impl SpoolMetrics {
    /// Declares them.
    ///
    /// # Errors
    /// [`MetricsError`] when a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let none: [&str; 0] = [];
        let held = gauge(registry, &HELD)?;
        let refused = counter(registry, &REFUSED)?;
        // There from the start, so that the first refusal is an increase.
        Full::ALL.iter().for_each(|full| refused.with_label_values(&[full.label()]).reset());
        Ok(Self {
            held_bytes: held.with_label_values(&["bytes"]),
            held_records: held.with_label_values(&["records"]),
            limit: gauge(registry, &LIMIT)?,
            oldest: gauge(registry, &OLDEST)?.with_label_values(&none),
            failed: gauge(registry, &FAILED)?.with_label_values(&none),
            refused,
            drained: counter(registry, &DRAINED)?.with_label_values(&none),
            aside: counter(registry, &ASIDE)?.with_label_values(&none),
            damaged: counter(registry, &DAMAGED)?,
            commit_seconds: histogram(registry, &COMMIT_SECONDS)?.with_label_values(&none),
            written: counter(registry, &WRITTEN)?.with_label_values(&none),
        })
    }

    pub(super) fn commit(&self, took: Duration, records: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.written.inc_by(number(records));
    }

    pub(super) fn refused(&self, full: Full) {
        self.refused.with_label_values(&[full.label()]).inc();
    }

    /// So many records were drained.
    pub fn drained(&self, records: usize) {
        self.drained.inc_by(number(records));
    }

    /// So many records were set aside.
    pub fn set_aside(&self, records: usize) {
        self.aside.inc_by(number(records));
    }

    pub(super) fn damaged(&self, damage: &Damages) {
        self.damaged.with_label_values(&["damaged"]).inc_by(damage.damaged);
        self.damaged.with_label_values(&["missing"]).inc_by(damage.missing);
    }

    pub(super) fn failed(&self, failed: bool) {
        self.failed.set(i64::from(failed));
    }

    pub(super) fn limits(&self, limits: Limits) {
        for (what, limit) in
            [("bytes", limits.bytes), ("records", limits.records), ("source_bytes", limits.source_bytes)]
        {
            self.limit.with_label_values(&[what]).set(i64::try_from(limit).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn held(&self, bytes: u64, records: u64) {
        self.held_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.held_records.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    pub(super) fn oldest(&self, age_ms: i64) {
        self.oldest.set(age_ms / 1000);
    }
}

fn number(records: usize) -> u64 {
    u64::try_from(records).unwrap_or(u64::MAX)
}
