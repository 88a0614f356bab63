//! What this crate counts and shows, declared once; `client` is the name of the client (`client.id`) that a series belongs to.

use hooklog_process::metrics::{
    Def, GaugeVec, IntCounter, IntCounterVec, IntGaugeVec, Kind, MetricsError, Registry, counter, gauge, gauge_fraction,
};

use crate::error::{AppendError, ErrorKind};

const APPENDS: Def = Def {
    name: "hooklog_kafka_appends_total",
    kind: Kind::Counter,
    labels: &["client", "outcome"],
    help: "Records whose append ended, by outcome: appended, transient, full, too_large, fatal.",
};
const REBUILDS: Def = Def {
    name: "hooklog_kafka_producer_rebuilds_total",
    kind: Kind::Counter,
    labels: &["client"],
    help: "Producers made anew after a fatal error.",
};
const QUEUE_RECORDS: Def = Def {
    name: "hooklog_kafka_queue_records",
    kind: Kind::Gauge,
    labels: &["client"],
    help: "Records in the writer's queue or on their way to the brokers.",
};
const QUEUE_BYTES: Def = Def {
    name: "hooklog_kafka_queue_bytes",
    kind: Kind::Gauge,
    labels: &["client"],
    help: "Bytes in the writer's queue or on their way to the brokers.",
};
const QUEUE_LIMIT_BYTES: Def = Def {
    name: "hooklog_kafka_queue_limit_bytes",
    kind: Kind::Gauge,
    labels: &["client"],
    help: "Bytes the writer's queue takes before appends are refused as full.",
};
const BROKER_UP: Def = Def {
    name: "hooklog_kafka_broker_up",
    kind: Kind::Gauge,
    labels: &["client", "broker"],
    help: "Whether the client has a connection to the broker.",
};
const BROKER_ROUND_TRIP_SECONDS: Def = Def {
    name: "hooklog_kafka_broker_round_trip_seconds",
    kind: Kind::Gauge,
    labels: &["client", "broker", "quantile"],
    help: "Time from a request to its answer over the last interval of statistics.",
};
const BROKER_TX_ERRORS: Def = Def {
    name: "hooklog_kafka_broker_tx_errors",
    kind: Kind::Gauge,
    labels: &["client", "broker"],
    help: "Requests to the broker that failed since the client was made.",
};
const BROKER_TIMEOUTS: Def = Def {
    name: "hooklog_kafka_broker_request_timeouts",
    kind: Kind::Gauge,
    labels: &["client", "broker"],
    help: "Requests to the broker without an answer in time since the client was made.",
};
const LAG_RECORDS: Def = Def {
    name: "hooklog_kafka_lag_records",
    kind: Kind::Gauge,
    labels: &["client", "topic", "partition"],
    help: "Records between the last one taken by the worker and the partition's last stable one.",
};
const END_OFFSET: Def = Def {
    name: "hooklog_kafka_end_offset",
    kind: Kind::Gauge,
    labels: &["client", "topic", "partition"],
    help: "The offset the partition's next record will get, as last seen.",
};
const PREFETCH_RECORDS: Def = Def {
    name: "hooklog_kafka_prefetch_records",
    kind: Kind::Gauge,
    labels: &["client", "topic", "partition"],
    help: "Records fetched ahead and not yet taken by the worker.",
};
const PREFETCH_BYTES: Def = Def {
    name: "hooklog_kafka_prefetch_bytes",
    kind: Kind::Gauge,
    labels: &["client", "topic", "partition"],
    help: "Bytes fetched ahead and not yet taken by the worker.",
};
const ASSIGNED_PARTITIONS: Def = Def {
    name: "hooklog_kafka_assigned_partitions",
    kind: Kind::Gauge,
    labels: &["client"],
    help: "Partitions this member owns.",
};
const REBALANCES: Def = Def {
    name: "hooklog_kafka_rebalances_total",
    kind: Kind::Counter,
    labels: &["client", "event"],
    help: "Changes of what this member owns: assigned, moved, lost, closing.",
};
const COMMITS: Def = Def {
    name: "hooklog_kafka_commits_total",
    kind: Kind::Counter,
    labels: &["client", "outcome"],
    help: "Offsets committed, one for each partition: committed, failed, stale (the lease had ended).",
};

/// Everything this crate counts and shows.
pub const CATALOGUE: &[Def] = &[
    APPENDS,
    REBUILDS,
    QUEUE_RECORDS,
    QUEUE_BYTES,
    QUEUE_LIMIT_BYTES,
    BROKER_UP,
    BROKER_ROUND_TRIP_SECONDS,
    BROKER_TX_ERRORS,
    BROKER_TIMEOUTS,
    LAG_RECORDS,
    END_OFFSET,
    PREFETCH_RECORDS,
    PREFETCH_BYTES,
    ASSIGNED_PARTITIONS,
    REBALANCES,
    COMMITS,
];

/// The series, registered once for a process and shared by all its writers and readers.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) appends: IntCounterVec,
    pub(crate) rebuilds: IntCounterVec,
    pub(crate) queue_records: IntGaugeVec,
    pub(crate) queue_bytes: IntGaugeVec,
    pub(crate) queue_limit_bytes: IntGaugeVec,
    pub(crate) broker_up: IntGaugeVec,
    pub(crate) broker_round_trip_seconds: GaugeVec,
    pub(crate) broker_tx_errors: IntGaugeVec,
    pub(crate) broker_timeouts: IntGaugeVec,
    pub(crate) lag_records: IntGaugeVec,
    pub(crate) end_offset: IntGaugeVec,
    pub(crate) prefetch_records: IntGaugeVec,
    pub(crate) prefetch_bytes: IntGaugeVec,
    pub(crate) assigned_partitions: IntGaugeVec,
    pub(crate) rebalances: IntCounterVec,
    pub(crate) commits: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// [`MetricsError`] when they are registered already: writers and readers of one process share one.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            appends: counter(registry, &APPENDS)?,
            rebuilds: counter(registry, &REBUILDS)?,
            queue_records: gauge(registry, &QUEUE_RECORDS)?,
            queue_bytes: gauge(registry, &QUEUE_BYTES)?,
            queue_limit_bytes: gauge(registry, &QUEUE_LIMIT_BYTES)?,
            broker_up: gauge(registry, &BROKER_UP)?,
            broker_round_trip_seconds: gauge_fraction(registry, &BROKER_ROUND_TRIP_SECONDS)?,
            broker_tx_errors: gauge(registry, &BROKER_TX_ERRORS)?,
            broker_timeouts: gauge(registry, &BROKER_TIMEOUTS)?,
            lag_records: gauge(registry, &LAG_RECORDS)?,
            end_offset: gauge(registry, &END_OFFSET)?,
            prefetch_records: gauge(registry, &PREFETCH_RECORDS)?,
            prefetch_bytes: gauge(registry, &PREFETCH_BYTES)?,
            assigned_partitions: gauge(registry, &ASSIGNED_PARTITIONS)?,
            rebalances: counter(registry, &REBALANCES)?,
            commits: counter(registry, &COMMITS)?,
        })
    }

    /// Series that nobody scrapes, for tools and tests.
    ///
    /// # Panics
    /// Never: the registry is new and the names differ.
    #[must_use]
    pub fn unobserved() -> Self {
        Self::register(&Registry::new()).expect("a new registry has no names taken")
    }
}

/// The counters of a writer, looked up once: an append touches one of them.
#[derive(Debug)]
pub(crate) struct AppendCounters {
    appended: IntCounter,
    transient: IntCounter,
    full: IntCounter,
    too_large: IntCounter,
    fatal: IntCounter,
}

impl AppendCounters {
    pub(crate) fn of(metrics: &Metrics, client: &str) -> Self {
        let outcome = |outcome| metrics.appends.with_label_values(&[client, outcome]);
        Self {
            appended: outcome("appended"),
            transient: outcome("transient"),
            full: outcome("full"),
            too_large: outcome("too_large"),
            fatal: outcome("fatal"),
        }
    }

    pub(crate) fn count<T>(&self, outcome: &Result<T, AppendError>) {
        let counter = match outcome.as_ref().map_err(AppendError::kind) {
            Ok(_) => &self.appended,
            Err(ErrorKind::Transient) => &self.transient,
            Err(ErrorKind::Full) => &self.full,
            Err(ErrorKind::TooLarge) => &self.too_large,
            Err(ErrorKind::Fatal) => &self.fatal,
        };
        counter.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_declared_is_registered_once() {
        let registry = Registry::new();
        Metrics::register(&registry).unwrap();
        assert!(Metrics::register(&registry).is_err());
        let names: std::collections::BTreeSet<_> = CATALOGUE.iter().map(|def| def.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        assert!(CATALOGUE.iter().all(|def| def.labels[0] == "client" && def.help.ends_with('.')));
    }
}
