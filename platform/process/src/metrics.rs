//! Metrics: each crate declares its own in one catalogue, with unit, labels and meaning, before anything can be counted.
//!
//! Labels take values from closed lists or from the configuration, never from a request; the number of series is bounded by them.

pub use prometheus::core::{AtomicF64, AtomicU64, GenericCounterVec, GenericGaugeVec};
pub use prometheus::{GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use prometheus::{HistogramOpts, Opts, TextEncoder};

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, with its buckets' upper bounds.
    Histogram(&'static [f64]),
}

/// One metric's declaration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Def {
    /// The full name, with its unit last: `hooklog_ingest_request_seconds`.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// The labels' names.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

/// Buckets for what takes from a tenth of a millisecond to ten seconds.
pub const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why a metric could not be registered: its name is taken or impossible. A defect, found at start.
pub type MetricsError = prometheus::Error;

/// Registers a counter.
///
/// # Errors
/// [`MetricsError`]
pub fn counter(registry: &Registry, def: &Def) -> Result<IntCounterVec, MetricsError> {
    debug_assert_eq!(def.kind, Kind::Counter);
    let metric = IntCounterVec::new(Opts::new(def.name, def.help), def.labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Registers a gauge of whole numbers.
///
/// # Errors
/// [`MetricsError`]
pub fn gauge(registry: &Registry, def: &Def) -> Result<IntGaugeVec, MetricsError> {
    debug_assert_eq!(def.kind, Kind::Gauge);
    let metric = IntGaugeVec::new(Opts::new(def.name, def.help), def.labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Registers a gauge of fractions: seconds, ratios.
///
/// # Errors
/// [`MetricsError`]
pub fn gauge_fraction(registry: &Registry, def: &Def) -> Result<GaugeVec, MetricsError> {
    debug_assert_eq!(def.kind, Kind::Gauge);
    let metric = GaugeVec::new(Opts::new(def.name, def.help), def.labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Registers a histogram.
///
/// # Errors
/// [`MetricsError`]
pub fn histogram(registry: &Registry, def: &Def) -> Result<HistogramVec, MetricsError> {
    let buckets = match def.kind {
        Kind::Histogram(buckets) => buckets.to_vec(),
        Kind::Counter | Kind::Gauge => SECONDS.to_vec(),
    };
    let metric = HistogramVec::new(HistogramOpts::new(def.name, def.help).buckets(buckets), def.labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// All series in Prometheus' text format.
///
/// # Errors
/// [`MetricsError`] when a series can't be written, which is a defect.
pub fn text(registry: &Registry) -> Result<String, MetricsError> {
    TextEncoder::new().encode_to_string(&registry.gather())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: Def =
        Def { name: "test_requests_total", kind: Kind::Counter, labels: &["outcome"], help: "Requests." };

    #[test]
    fn a_declared_metric_is_counted_once_and_shown() {
        let registry = Registry::new();
        let requests = counter(&registry, &REQUESTS).unwrap();
        requests.with_label_values(&["appended"]).inc();
        assert!(text(&registry).unwrap().contains("test_requests_total{outcome=\"appended\"} 1"));
        assert!(counter(&registry, &REQUESTS).is_err(), "a name can be taken only once");
    }
}
