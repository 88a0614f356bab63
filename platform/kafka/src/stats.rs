//! What the client library says of itself every few seconds, as gauges. Partitions that are no longer owned lose their series.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdkafka::Statistics;
use rdkafka::statistics::{Broker, Partition};

use crate::metrics::Metrics;

/// The gauges of one client.
#[derive(Debug)]
pub(crate) struct Gauges {
    metrics: Metrics,
    client: String,
    /// Which partitions have series now.
    shown: Mutex<BTreeSet<(String, String)>>,
}

impl Gauges {
    pub(crate) fn new(metrics: &Metrics, client: &str) -> Self {
        Self { metrics: metrics.clone(), client: client.to_owned(), shown: Mutex::new(BTreeSet::new()) }
    }

    /// Shows a writer's statistics.
    pub(crate) fn show_writer(&self, statistics: &Statistics) {
        let labels = &[self.client.as_str()];
        self.metrics.queue_records.with_label_values(labels).set(signed(statistics.msg_cnt));
        self.metrics.queue_bytes.with_label_values(labels).set(signed(statistics.msg_size));
        self.metrics.queue_limit_bytes.with_label_values(labels).set(signed(statistics.msg_size_max));
        self.show_brokers(statistics);
    }

    /// Shows a reader's statistics; `owned` says which partitions are this member's.
    pub(crate) fn show_reader(&self, statistics: &Statistics, owned: impl Fn(&str, i32) -> bool) {
        self.show_brokers(statistics);
        let mut shown = BTreeSet::new();
        for topic in statistics.topics.values() {
            for partition in topic.partitions.values().filter(|partition| owned(&topic.topic, partition.partition)) {
                let labels = (topic.topic.clone(), partition.partition.to_string());
                self.show_partition(partition, &[&self.client, &labels.0, &labels.1]);
                shown.insert(labels);
            }
        }
        let mut before = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, partition) in before.difference(&shown) {
            self.hide_partition(&[&self.client, topic, partition]);
        }
        *before = shown;
    }

    fn show_partition(&self, partition: &Partition, labels: &[&str; 3]) {
        // Offsets are negative until they are known; a lag of a place that is not known yet would be a lie.
        if partition.hi_offset >= 0 {
            self.metrics.end_offset.with_label_values(labels).set(partition.hi_offset);
        }
        if let Some(lag) = lag(partition) {
            self.metrics.lag_records.with_label_values(labels).set(lag);
        }
        self.metrics.prefetch_records.with_label_values(labels).set(partition.fetchq_cnt);
        self.metrics.prefetch_bytes.with_label_values(labels).set(signed(partition.fetchq_size));
    }

    fn hide_partition(&self, labels: &[&str; 3]) {
        let Metrics { end_offset, lag_records, prefetch_records, prefetch_bytes, .. } = &self.metrics;
        for gauge in [end_offset, lag_records, prefetch_records, prefetch_bytes] {
            // A series that was never shown has nothing to be removed.
            let _ = gauge.remove_label_values(labels);
        }
    }

    fn show_brokers(&self, statistics: &Statistics) {
        // Negative ids are the addresses asked first and the group's coordinator: the same brokers under other names.
        for broker in statistics.brokers.values().filter(|broker| broker.nodeid >= 0) {
            self.show_broker(broker, &broker.nodeid.to_string());
        }
    }

    fn show_broker(&self, broker: &Broker, id: &str) {
        let labels = &[self.client.as_str(), id];
        self.metrics.broker_up.with_label_values(labels).set(i64::from(broker.state == "UP"));
        self.metrics.broker_tx_errors.with_label_values(labels).set(signed(broker.txerrs));
        self.metrics.broker_timeouts.with_label_values(labels).set(signed(broker.req_timeouts));
        let Some(window) = broker.rtt.as_ref().filter(|window| window.cnt > 0) else { return };
        for (quantile, micros) in [("0.5", window.p50), ("0.99", window.p99)] {
            let seconds = std::time::Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64();
            self.metrics.broker_round_trip_seconds.with_label_values(&[&self.client, id, quantile]).set(seconds);
        }
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        let shown = std::mem::take(&mut *self.shown.lock().unwrap_or_else(PoisonError::into_inner));
        for (topic, partition) in shown {
            self.hide_partition(&[&self.client, &topic, &partition]);
        }
    }
}

/// Records that can be read (up to the last stable offset) and were not taken yet; none while either is unknown.
fn lag(partition: &Partition) -> Option<i64> {
    let end = if partition.ls_offset >= 0 { partition.ls_offset } else { partition.hi_offset };
    (end >= 0 && partition.app_offset >= 0).then(|| (end - partition.app_offset).max(0))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use hooklog_process::metrics::{Registry, text};
    use rdkafka::statistics::Topic;

    use super::*;

    fn partition(number: i32, app: i64, stable: i64, high: i64) -> Partition {
        Partition { partition: number, app_offset: app, ls_offset: stable, hi_offset: high, ..Partition::default() }
    }

    fn statistics(partitions: Vec<Partition>) -> Statistics {
        let partitions = partitions.into_iter().map(|partition| (partition.partition, partition)).collect();
        let topic = Topic { topic: "t".to_owned(), partitions, ..Topic::default() };
        let broker = Broker { nodeid: 3, state: "UP".to_owned(), txerrs: 2, ..Broker::default() };
        Statistics {
            topics: HashMap::from([("t".to_owned(), topic)]),
            brokers: HashMap::from([("b/3".to_owned(), broker)]),
            ..Statistics::default()
        }
    }

    #[test]
    fn lag_counts_to_the_last_stable_record_and_is_absent_while_unknown() {
        assert_eq!(lag(&partition(0, 10, 15, 20)), Some(5));
        assert_eq!(lag(&partition(0, 10, -1001, 20)), Some(10));
        assert_eq!(lag(&partition(0, -1001, 15, 20)), None);
        assert_eq!(lag(&partition(0, 16, 15, 20)), Some(0));
    }

    #[test]
    fn a_partition_that_is_gone_loses_its_series() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let gauges = Gauges::new(&metrics, "c");
        gauges.show_reader(&statistics(vec![partition(0, 1, 5, 5), partition(1, 1, 9, 9)]), |_, _| true);
        let both = text(&registry).unwrap();
        assert!(both.contains(r#"hooklog_kafka_lag_records{client="c",partition="1",topic="t"} 8"#), "{both}");
        assert!(both.contains(r#"hooklog_kafka_broker_up{broker="3",client="c"} 1"#), "{both}");
        gauges.show_reader(&statistics(vec![partition(0, 2, 5, 5), partition(1, 1, 9, 9)]), |_, number| number == 0);
        let one = text(&registry).unwrap();
        assert!(one.contains(r#"hooklog_kafka_lag_records{client="c",partition="0",topic="t"} 3"#), "{one}");
        assert!(!one.contains(r#"partition="1""#), "{one}");
        drop(gauges);
        assert!(!text(&registry).unwrap().contains("hooklog_kafka_lag_records{"));
    }
}
