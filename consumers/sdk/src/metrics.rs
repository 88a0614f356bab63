//! What is counted of a consumer; every metric is declared here before it is used.

use hooklog_process::metrics::{
    Def, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Kind, MetricsError,
    Registry, SECONDS, counter, gauge, gauge_fraction, histogram,
};
use hooklog_schemas::{FaultClass, Partition, TopicName};

const PARTITION: &[&str] = &["group", "topic", "partition"];

macro_rules! catalogue {
    ($($def:ident: $kind:expr, $name:literal, $labels:expr, $help:literal;)*) => {
        $(#[doc = $help] pub const $def: Def = Def { name: $name, kind: $kind, labels: $labels, help: $help };)*
        /// Every metric of this crate.
        pub const CATALOGUE: &[Def] = &[$($def),*];
    };
}

catalogue! {
    RECORDS: Kind::Counter, "hooklog_consumer_records_total", &["group", "topic", "partition", "outcome"],
        "Records taken, by outcome: applied, applied-again (the same record read again), duplicate, dead.";
    DEAD_LETTERS: Kind::Counter, "hooklog_consumer_dead_letters_total", &["group", "topic", "class"],
        "Records set aside, by the class of their fault.";
    RETRIES: Kind::Counter, "hooklog_consumer_retries_total", &["group", "topic", "partition"],
        "Attempts of a handler after a transient fault.";
    EFFECTS: Kind::Counter, "hooklog_consumer_effects_total", &["group", "topic", "outcome"],
        "Outside calls, by outcome: performed, retried, dead.";
    EFFECTS_PENDING: Kind::Gauge, "hooklog_consumer_effects_pending", PARTITION,
        "Outside calls written down and not yet made.";
    COMMITS: Kind::Counter, "hooklog_consumer_commits_total", &["group", "outcome"],
        "Offsets committed to the group, by outcome: accepted, refused.";
    REBALANCES: Kind::Counter, "hooklog_consumer_rebalances_total", &["group", "kind"],
        "Changes of the assignment: assigned, moved, lost, closing.";
    ASSIGNED: Kind::Gauge, "hooklog_consumer_assigned_partitions", &["group"], "Partitions this process reads.";
    NEXT_OFFSET: Kind::Gauge, "hooklog_consumer_next_offset", PARTITION, "The first offset not yet done.";
    LAG_RECORDS: Kind::Gauge, "hooklog_consumer_lag_records", PARTITION, "Records in the log and not yet done.";
    LAG_SECONDS: Kind::Gauge, "hooklog_consumer_lag_seconds", PARTITION,
        "Age of the last record done while others wait; 0 when none does.";
    BATCH_SECONDS: Kind::Histogram(SECONDS), "hooklog_consumer_batch_seconds", &["group"],
        "Time a micro-batch takes from its first record to its written state.";
    BATCH_RECORDS: Kind::Histogram(&[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0]), "hooklog_consumer_batch_records", &["group"],
        "Records in a micro-batch.";
    WRITE_SECONDS: Kind::Histogram(SECONDS), "hooklog_consumer_write_seconds", &["group"],
        "Time the write of a micro-batch takes.";
    SYNC_SECONDS: Kind::Histogram(SECONDS), "hooklog_consumer_sync_seconds", &["group"],
        "Time a sync of the state takes.";
}

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Handled.
    Applied,
    /// Handled when it was read again after a rewind.
    AppliedAgain,
    /// Skipped: an earlier record had its id.
    Duplicate,
    /// Set aside.
    Dead(FaultClass),
}

/// How an effect's attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectOutcome {
    /// Made.
    Performed,
    /// To be tried again.
    Retried,
    /// Set aside.
    Dead,
}

/// The registered metrics of every consumer of the process.
#[derive(Debug, Clone)]
pub struct ConsumerMetrics {
    records: IntCounterVec,
    dead_letters: IntCounterVec,
    retries: IntCounterVec,
    effects: IntCounterVec,
    effects_pending: IntGaugeVec,
    commits: IntCounterVec,
    rebalances: IntCounterVec,
    assigned: IntGaugeVec,
    next_offset: IntGaugeVec,
    lag_records: IntGaugeVec,
    lag_seconds: GaugeVec,
    batch_seconds: HistogramVec,
    batch_records: HistogramVec,
    write_seconds: HistogramVec,
    sync_seconds: HistogramVec,
}

impl ConsumerMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// [`MetricsError`] when they are registered already: consumers of one process share one.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            records: counter(registry, &RECORDS)?,
            dead_letters: counter(registry, &DEAD_LETTERS)?,
            retries: counter(registry, &RETRIES)?,
            effects: counter(registry, &EFFECTS)?,
            effects_pending: gauge(registry, &EFFECTS_PENDING)?,
            commits: counter(registry, &COMMITS)?,
            rebalances: counter(registry, &REBALANCES)?,
            assigned: gauge(registry, &ASSIGNED)?,
            next_offset: gauge(registry, &NEXT_OFFSET)?,
            lag_records: gauge(registry, &LAG_RECORDS)?,
            lag_seconds: gauge_fraction(registry, &LAG_SECONDS)?,
            batch_seconds: histogram(registry, &BATCH_SECONDS)?,
            batch_records: histogram(registry, &BATCH_RECORDS)?,
            write_seconds: histogram(registry, &WRITE_SECONDS)?,
            sync_seconds: histogram(registry, &SYNC_SECONDS)?,
        })
    }

    /// Counts a commit's answer.
    pub fn committed(&self, group: &str, accepted: bool) {
        self.commits.with_label_values(&[group, if accepted { "accepted" } else { "refused" }]).inc();
    }

    /// Counts a change of the assignment, after which `assigned` partitions are ours.
    pub fn rebalanced(&self, group: &str, kind: &str, assigned: usize) {
        self.rebalances.with_label_values(&[group, kind]).inc();
        self.assigned.with_label_values(&[group]).set(i64::try_from(assigned).unwrap_or(i64::MAX));
    }

    /// The series of one partition.
    #[must_use]
    pub fn of_partition(&self, group: &str, topic: &TopicName, partition: Partition) -> PartitionMetrics {
        let (topic, partition) = (topic.as_str(), partition.to_string());
        let place = [group, topic, partition.as_str()];
        let records = |outcome: &str| self.records.with_label_values(&[group, topic, partition.as_str(), outcome]);
        let effects = |outcome: &str| self.effects.with_label_values(&[group, topic, outcome]);
        PartitionMetrics {
            applied: records("applied"),
            applied_again: records("applied-again"),
            duplicate: records("duplicate"),
            dead: records("dead"),
            dead_letters: [
                FaultClass::Transient,
                FaultClass::Permanent,
                FaultClass::Undecodable,
                FaultClass::Panic,
                FaultClass::Effect,
            ]
            .map(|class| (class, self.dead_letters.with_label_values(&[group, topic, class.label()])))
            .into(),
            retries: self.retries.with_label_values(&place),
            performed: effects("performed"),
            retried: effects("retried"),
            effects_dead: effects("dead"),
            effects_pending: self.effects_pending.with_label_values(&place),
            next_offset: self.next_offset.with_label_values(&place),
            lag_records: self.lag_records.with_label_values(&place),
            lag_seconds: self.lag_seconds.with_label_values(&place),
            batch_seconds: self.batch_seconds.with_label_values(&[group]),
            batch_records: self.batch_records.with_label_values(&[group]),
            write_seconds: self.write_seconds.with_label_values(&[group]),
            sync_seconds: self.sync_seconds.with_label_values(&[group]),
        }
    }

    /// Removes the gauges of a partition that is not ours any more: an old lag must not be shown as a present one.
    pub fn forget_partition(&self, group: &str, topic: &TopicName, partition: Partition) {
        let partition = partition.to_string();
        let place = [group, topic.as_str(), partition.as_str()];
        // A series that never was needs no removal: the answer tells nothing else.
        let _ = self.effects_pending.remove_label_values(&place);
        let _ = self.next_offset.remove_label_values(&place);
        let _ = self.lag_records.remove_label_values(&place);
        let _ = self.lag_seconds.remove_label_values(&place);
    }
}

/// The series of one partition.
#[derive(Debug, Clone)]
pub struct PartitionMetrics {
    applied: IntCounter,
    applied_again: IntCounter,
    duplicate: IntCounter,
    dead: IntCounter,
    dead_letters: Vec<(FaultClass, IntCounter)>,
    performed: IntCounter,
    retried: IntCounter,
    effects_dead: IntCounter,
    /// Attempts of the handler after a transient fault.
    pub retries: IntCounter,
    /// Effects not yet made.
    pub effects_pending: IntGauge,
    /// The first offset not yet done.
    pub next_offset: IntGauge,
    /// Records not yet done.
    pub lag_records: IntGauge,
    /// Age of the last record done while others wait.
    pub lag_seconds: prometheus::Gauge,
    /// Time of a micro-batch.
    pub batch_seconds: Histogram,
    /// Size of a micro-batch.
    pub batch_records: Histogram,
    /// Time of a write.
    pub write_seconds: Histogram,
    /// Time of a sync.
    pub sync_seconds: Histogram,
}

impl PartitionMetrics {
    /// Counts a record.
    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Applied => self.applied.inc(),
            Outcome::AppliedAgain => self.applied_again.inc(),
            Outcome::Duplicate => self.duplicate.inc(),
            Outcome::Dead(class) => {
                self.dead.inc();
                self.buried(class);
            }
        }
    }

    /// Counts an effect's attempt.
    pub fn count_effect(&self, outcome: EffectOutcome) {
        match outcome {
            EffectOutcome::Performed => self.performed.inc(),
            EffectOutcome::Retried => self.retried.inc(),
            EffectOutcome::Dead => {
                self.effects_dead.inc();
                self.buried(FaultClass::Effect);
            }
        }
    }

    fn buried(&self, class: FaultClass) {
        if let Some((_, counter)) = self.dead_letters.iter().find(|(known, _)| *known == class) {
            counter.inc();
        }
    }
}
