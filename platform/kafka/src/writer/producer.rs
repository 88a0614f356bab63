//! The producer behind the writer: its callbacks, its thread, and how it is made anew after a fatal error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use hooklog_process::metrics::IntCounter;
use hooklog_schemas::{Offset, Partition};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Statistics};

use crate::delivery::Slot;
use crate::error::{AppendError, ConfigError};
use crate::log_lines;
use crate::metrics::{AppendCounters, Metrics};
use crate::stats::Gauges;

/// How long one poll may wait: how late a stop or a fatal error is noticed at most.
const POLL: Duration = Duration::from_millis(100);

/// At most one new producer in this time: a cause that persists must not become a storm of connections.
const REBUILD_INTERVAL: Duration = Duration::from_secs(60);

pub(super) type Producer = BaseProducer<Reports>;

/// What appenders and the poll thread share.
pub(super) struct Inner {
    /// Replaced only after a fatal error, looked at by every append: without a lock or a counter that all threads share.
    current: ArcSwap<Producer>,
    config: ClientConfig,
    gauges: Arc<Gauges>,
    pub(super) counters: Arc<AppendCounters>,
    rebuilds: IntCounter,
    pub(super) stopping: AtomicBool,
}

impl Inner {
    pub(super) fn new(config: ClientConfig, client: &str, metrics: &Metrics) -> Result<Self, ConfigError> {
        let gauges = Arc::new(Gauges::new(metrics, client));
        let counters = Arc::new(AppendCounters::of(metrics, client));
        let producer = make(&config, &gauges, &counters)?;
        Ok(Self {
            current: ArcSwap::from_pointee(producer),
            config,
            gauges,
            counters,
            rebuilds: metrics.rebuilds.with_label_values(&[client]),
            stopping: AtomicBool::new(false),
        })
    }

    /// For the time of one call.
    pub(super) fn current(&self) -> Guard<Arc<Producer>> {
        self.current.load()
    }

    /// The fatal error of the producer in use.
    pub(super) fn fatal(&self) -> AppendError {
        let error = self.current().client().fatal_error();
        let message = error.map_or_else(|| "unknown".to_owned(), |(code, reason)| format!("{code}: {reason}"));
        AppendError::Fatal { message }
    }

    /// The writer's thread: serves delivery reports, logs and statistics.
    pub(super) fn poll_until_stopped(&self) {
        let mut producer = self.current.load_full();
        let mut rebuilt = None;
        while !self.stopping.load(Ordering::Acquire) {
            producer.poll(POLL);
            // Asked for, since the event names the cause and not that it is fatal.
            if producer.client().fatal_error().is_some() {
                self.rebuild(&mut rebuilt);
                producer = self.current.load_full();
            }
        }
        // The producer dies with the last that holds it; it reports whatever is left as purged.
    }

    fn rebuild(&self, rebuilt: &mut Option<Instant>) {
        if rebuilt.is_some_and(|at| at.elapsed() < REBUILD_INTERVAL) {
            return;
        }
        *rebuilt = Some(Instant::now());
        self.rebuilds.inc();
        let error = self.fatal();
        match make(&self.config, &self.gauges, &self.counters) {
            Ok(producer) => {
                tracing::error!(%error, "the producer is broken and is made anew");
                self.current.store(Arc::new(producer));
            }
            Err(refused) => tracing::error!(%error, %refused, "the producer is broken and can't be made anew"),
        }
    }
}

fn make(config: &ClientConfig, gauges: &Arc<Gauges>, counters: &Arc<AppendCounters>) -> Result<Producer, ConfigError> {
    let reports = Reports { gauges: Arc::clone(gauges), counters: Arc::clone(counters) };
    config.create_with_context(reports).map_err(|error| ConfigError::of(&error))
}

/// The producer's callbacks. They run on whichever thread polls and do nothing that could panic or block.
pub(super) struct Reports {
    gauges: Arc<Gauges>,
    counters: Arc<AppendCounters>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_lines::line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.gauges.show_writer(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_lines::error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Arc<Slot>) {
        slot.report_with(|topic| {
            let report = match result {
                Ok(message) => Ok((Partition(message.partition()), Offset(message.offset()))),
                Err((error, message)) => {
                    let size = message.payload_len() + message.key_len();
                    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                    Err(AppendError::of(code, topic, size, true))
                }
            };
            self.counters.count(&report);
            report
        });
    }
}
