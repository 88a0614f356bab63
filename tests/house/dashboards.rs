//! A dashboard shows what is counted, says what good looks like, and leaves nothing that is counted unseen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::catalogue::{behind, complaints, declared, labels_of};
use crate::promql::names;
use crate::tree;
use crate::yaml::{self, items};

/// Where the dashboards lie.
const FOLDER: &str = "deploy/grafana/dashboards/";
/// Panels that show no series.
const WITHOUT_SERIES: &[&str] = &["row", "text"];

fn dashboards() -> Vec<(String, Value)> {
    let paths = tree::files_ending(".json").into_iter().filter(|path| path.starts_with(FOLDER));
    // JSON is YAML.
    paths.map(|path| (path.clone(), yaml::read(&path))).collect()
}

/// All panels, those inside rows too.
fn panels(dashboard: &Value) -> Vec<&Value> {
    items(dashboard, "panels").into_iter().flat_map(|panel| [vec![panel], items(panel, "panels")].concat()).collect()
}

/// The `{{label}}` names in a legend or an annotation.
pub(crate) fn templated(text: &str) -> Vec<String> {
    let inside = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    inside.map(|name| name.trim().to_owned()).collect()
}

fn panel_complaints(panel: &Value) -> Vec<String> {
    let (declared, mut found) = (declared(), Vec::new());
    let title = panel["title"].as_str().unwrap_or("a panel without a title");
    if WITHOUT_SERIES.contains(&panel["type"].as_str().unwrap_or_default()) {
        return found;
    }
    if !panel["description"].as_str().unwrap_or_default().contains("Good") {
        found.push(format!("{title}: its description does not say what good looks like (`Good: …`)"));
    }
    if panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default().is_empty() {
        found.push(format!("{title}: no unit"));
    }
    if panel["datasource"]["uid"] != "${datasource}" {
        found.push(format!("{title}: its data source is not the dashboard's variable"));
    }
    if items(panel, "targets").is_empty() {
        found.push(format!("{title}: asks for nothing"));
    }
    for target in items(panel, "targets") {
        let expression = target["expr"].as_str().unwrap_or_default();
        found.extend(complaints(expression, &declared).into_iter().map(|complaint| format!("{title}: {complaint}")));
        let labels = labels_of(&names(expression), &declared);
        for label in templated(target["legendFormat"].as_str().unwrap_or_default()) {
            if !labels.contains(&label) {
                found.push(format!("{title}: its legend names {label}, which no series has"));
            }
        }
    }
    found
}

#[test]
fn panels_show_what_is_counted_with_unit_and_meaning() {
    let dashboards = dashboards();
    assert!(!dashboards.is_empty(), "{FOLDER} holds no dashboard");
    for (path, dashboard) in &dashboards {
        let mut found: Vec<String> = panels(dashboard).into_iter().flat_map(panel_complaints).collect();
        found.extend(items(&dashboard["templating"], "list").into_iter().filter_map(variable_complaint));
        tree::none(path, &found);
        let mut ids = BTreeSet::new();
        for panel in panels(dashboard) {
            assert!(ids.insert(panel["id"].as_u64()), "{path}: two panels have the id {}", panel["id"]);
        }
    }
}

/// A variable's query is `label_values(METRIC, LABEL)`.
fn variable_complaint(variable: &Value) -> Option<String> {
    let query = variable["query"]["query"].as_str()?;
    let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (metric, label) = inside.and_then(|inside| inside.split_once(", "))?;
    let known = behind(metric, &declared()).is_some_and(|def| def.labels.contains(&label));
    (!known).then(|| format!("{query}: no metric {metric} with {label}"))
}

#[test]
fn what_is_counted_is_shown_or_alerted_on() {
    let declared = declared();
    let mut asked: Vec<String> = Vec::new();
    for (_, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            asked
                .extend(items(panel, "targets").iter().filter_map(|target| target["expr"].as_str()).map(str::to_owned));
        }
    }
    asked.extend(crate::alerts::rules().iter().filter_map(|rule| rule["expr"].as_str()).map(str::to_owned));
    let series = asked.iter().flat_map(|expression| names(expression).metrics);
    let seen: BTreeSet<&str> = series.filter_map(|(name, _)| behind(&name, &declared)).map(|def| def.name).collect();
    let unseen = declared.iter().filter(|def| !seen.contains(def.name));
    let unseen: Vec<String> = unseen.map(|def| format!("{}: give it a panel, or do not count it", def.name)).collect();
    tree::none("metrics that nobody sees", &unseen);
}

#[test]
fn the_provisioning_points_at_what_compose_mounts() {
    let provider = yaml::read("deploy/grafana/provisioning/dashboards/hooklog.yml");
    let folder = provider["providers"][0]["options"]["path"].as_str().unwrap().to_owned();
    let compose = yaml::read("docker-compose.yml");
    let mounts = yaml::strings(&compose["services"]["grafana"]["volumes"]);
    let wanted = format!("./deploy/grafana/dashboards:{folder}:ro");
    assert!(mounts.contains(&wanted), "{wanted} is not among {mounts:?}");
    let source = yaml::read("deploy/grafana/provisioning/datasources/prometheus.yml");
    let url = source["datasources"][0]["url"].as_str().unwrap();
    let host = url.trim_start_matches("http://").split(':').next().unwrap();
    assert!(compose["services"].get(host).is_some(), "{url} is no service of docker-compose.yml");
}

#[test]
fn a_panel_that_tells_nothing_is_seen() {
    let panel = serde_json::json!({
        "title": "t", "type": "timeseries", "datasource": { "uid": "x" },
        "targets": [{ "expr": "hooklog_ingest_requests_total", "legendFormat": "{{provider}}" }],
    });
    let found = panel_complaints(&panel).join("\n");
    for part in ["good looks like", "no unit", "data source", "names provider"] {
        assert!(found.contains(part), "{found}");
    }
    assert_eq!(templated("{{group}} of {{ topic }}"), ["group", "topic"]);
}
