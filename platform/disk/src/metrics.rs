//! What the disk's user is shown: the memory all stores take together, and failures RocksDB met in the background.

use hooklog_process::metrics::{Def, IntGauge, Kind, MetricsError, Registry, gauge};

use crate::budget::Budget;

/// Memory in use.
pub const MEMORY: Def = Def {
    name: "hooklog_disk_memory_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Memory of all stores of this process: cached blocks and rows not yet flushed.",
};

/// Background failures.
pub const BACKGROUND_ERRORS: Def = Def {
    name: "hooklog_disk_background_errors",
    kind: Kind::Gauge,
    labels: &[],
    help: "Failed flushes and compactions of the open stores; above zero a store takes no writes until it is reopened.",
};

/// Every metric of this crate.
pub const CATALOGUE: &[Def] = &[MEMORY, BACKGROUND_ERRORS];

/// The registered gauges.
#[derive(Debug, Clone)]
pub struct DiskMetrics {
    memory: IntGauge,
    background_errors: IntGauge,
}

impl DiskMetrics {
    /// Registers the gauges.
    ///
    /// # Errors
    /// [`MetricsError`] when they are registered already.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let none: &[&str] = &[];
        Ok(Self {
            memory: gauge(registry, &MEMORY)?.with_label_values(none),
            background_errors: gauge(registry, &BACKGROUND_ERRORS)?.with_label_values(none),
        })
    }

    /// Shows the memory in use, and the failures of all open stores together.
    pub fn observe(&self, budget: &Budget, background_errors: u64) {
        self.memory.set(i64::try_from(budget.used_bytes()).unwrap_or(i64::MAX));
        self.background_errors.set(i64::try_from(background_errors).unwrap_or(i64::MAX));
    }
}
