//! Every metric that the product declares, and what may be asked of it: a dashboard and an alert can name nothing else.

use std::collections::BTreeSet;

use hooklog_process::metrics::{Def, Kind};

use crate::promql::{Names, names};

/// Labels that a scrape adds to every series.
const OF_THE_SCRAPE: &[&str] = &["job", "instance"];
/// Prometheus' own metrics that we ask for.
const OF_PROMETHEUS: &[&str] = &["up"];

/// All declared metrics.
pub(crate) fn declared() -> Vec<Def> {
    [
        hooklog_ingest::metrics::CATALOGUE,
        hooklog_kafka::metrics::CATALOGUE,
        hooklog_disk::metrics::CATALOGUE,
        hooklog_consumer::metrics::CATALOGUE,
    ]
    .concat()
}

/// The declaration behind a series' name; a histogram has three series.
pub(crate) fn behind(series: &str, declared: &[Def]) -> Option<Def> {
    let exact = declared.iter().find(|def| def.name == series && !matches!(def.kind, Kind::Histogram(_)));
    let part = || {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end))?;
        declared.iter().find(|def| def.name == base && matches!(def.kind, Kind::Histogram(_)))
    };
    exact.or_else(part).copied()
}

/// The labels that the result of an expression can have.
pub(crate) fn labels_of(names: &Names, declared: &[Def]) -> BTreeSet<String> {
    let mut labels: BTreeSet<String> = OF_THE_SCRAPE.iter().map(ToString::to_string).collect();
    for (series, _) in &names.metrics {
        if let Some(def) = behind(series, declared) {
            labels.extend(def.labels.iter().map(ToString::to_string));
            labels.extend(series.ends_with("_bucket").then(|| "le".to_owned()));
        }
    }
    labels
}

/// What is wrong with an expression: metrics and labels that nobody declares.
pub(crate) fn complaints(expression: &str, declared: &[Def]) -> Vec<String> {
    let (names, mut complaints) = (names(expression), Vec::new());
    for (series, labels) in &names.metrics {
        let def = behind(series, declared);
        if def.is_none() && !OF_PROMETHEUS.contains(&series.as_str()) {
            complaints.push(format!("{series} is in no catalogue"));
            continue;
        }
        let own = def.map_or(&[] as &[&str], |def| def.labels);
        let known = |label: &&String| {
            own.contains(&label.as_str())
                || OF_THE_SCRAPE.contains(&label.as_str())
                || (series.ends_with("_bucket") && *label == "le")
        };
        complaints.extend(labels.iter().filter(|label| !known(label)).map(|label| format!("{series} has no {label}")));
    }
    let possible = labels_of(&names, declared);
    let unknown = names.grouping.iter().filter(|label| !possible.contains(*label));
    complaints.extend(unknown.map(|label| format!("nothing in {expression:?} has {label}")));
    complaints
}

#[test]
fn names_are_taken_once_and_say_their_unit() {
    let (declared, mut seen) = (declared(), BTreeSet::new());
    for def in &declared {
        assert!(seen.insert(def.name), "{} is declared twice", def.name);
        assert!(def.name.starts_with("hooklog_"), "{} does not begin with hooklog_", def.name);
        assert_eq!(def.kind == Kind::Counter, def.name.ends_with("_total"), "{}: a counter ends with _total", def.name);
        assert!(def.help.ends_with('.'), "{}: help is a sentence", def.name);
    }
}

#[test]
fn an_undeclared_metric_or_label_is_seen() {
    let declared = declared();
    let fine = "sum by (source, le) (rate(hooklog_ingest_request_seconds_bucket{job=\"ingest\"}[5m])) and up == 0";
    assert!(complaints(fine, &declared).is_empty());
    for wrong in [
        "hooklog_ingest_nothing_total",
        "hooklog_ingest_request_seconds",
        "hooklog_ingest_requests_total_count",
        "hooklog_ingest_requests_total{provider=\"x\"}",
        "sum by (provider) (hooklog_ingest_requests_total)",
        "hooklog_ingest_open_sources_bucket",
    ] {
        assert_eq!(complaints(wrong, &declared).len(), 1, "{wrong}");
    }
}
