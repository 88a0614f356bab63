//! What the disk's user is shown: the memory all stores take together.

use hooklog_process::metrics::{Def, IntGauge, Kind, MetricsError, Registry, gauge};

use crate::budget::Budget;

/// Memory in use.
pub const MEMORY: Def = Def {
    name: "hooklog_disk_memory_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Memory of all stores of this process: cached blocks and rows not yet flushed.",
};

/// Every metric of this crate.
pub const CATALOGUE: &[Def] = &[MEMORY];

/// The registered gauges.
#[derive(Debug, Clone)]
pub struct DiskMetrics {
    memory: IntGauge,
}

impl DiskMetrics {
    /// Registers the gauges.
    ///
    /// # Errors
    /// [`MetricsError`] when they are registered already.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let none: &[&str] = &[];
        Ok(Self { memory: gauge(registry, &MEMORY)?.with_label_values(none) })
    }

    /// Shows the memory in use.
    pub fn observe(&self, budget: &Budget) {
        self.memory.set(i64::try_from(budget.used_bytes()).unwrap_or(i64::MAX));
    }
}
