//! An alert wakes somebody: it names what is counted, has a runbook and a test, and Prometheus itself accepts it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::catalogue::{complaints, declared, labels_of};
use crate::dashboards::templated;
use crate::promql::names;
use crate::tree;
use crate::yaml::{self, entries, items};

/// The rules, and the tests of the rules.
const RULES: &str = "deploy/prometheus/rules.yml";
const RULE_TESTS: &str = "deploy/prometheus/rules.test.yml";
/// Where the runbooks lie.
const RUNBOOKS: &str = "deploy/runbooks/";
/// What a runbook has to say, as headings.
const SECTIONS: &[&str] = &["## What it means", "## Look here", "## Do this"];

/// Every rule of every group.
pub(crate) fn rules() -> Vec<Value> {
    let file = yaml::read(RULES);
    items(&file, "groups").into_iter().flat_map(|group| items(group, "rules")).cloned().collect()
}

fn rule_complaints(rule: &Value) -> Vec<String> {
    let declared = declared();
    let alert = rule["alert"].as_str().unwrap_or("a rule that is no alert");
    let expression = rule["expr"].as_str().unwrap_or_default();
    let mut found = complaints(expression, &declared);
    for key in ["summary", "runbook"] {
        if rule["annotations"][key].as_str().unwrap_or_default().is_empty() {
            found.push(format!("no {key}"));
        }
    }
    if !matches!(rule["labels"]["severity"].as_str(), Some("page" | "ticket")) {
        found.push("its severity is neither page nor ticket".to_owned());
    }
    if rule["annotations"]["runbook"] != format!("{RUNBOOKS}{alert}.md").as_str() {
        found.push(format!("its runbook is not {RUNBOOKS}{alert}.md"));
    }
    let labels = labels_of(&names(expression), &declared);
    for (_, text) in entries(rule, "annotations") {
        for inside in templated(text.as_str().unwrap_or_default()) {
            let used = inside.split_whitespace().filter_map(|word| word.strip_prefix("$labels."));
            found.extend(used.filter(|label| !labels.contains(*label)).map(|label| format!("no series has {label}")));
        }
    }
    found.into_iter().map(|complaint| format!("{alert}: {complaint}")).collect()
}

#[test]
fn alerts_name_what_is_counted_and_have_a_runbook() {
    let rules = rules();
    assert!(!rules.is_empty(), "{RULES} has no rule");
    let mut found: Vec<String> = rules.iter().flat_map(rule_complaints).collect();
    let mut alerts = BTreeSet::new();
    for rule in &rules {
        let alert = rule["alert"].as_str().unwrap_or_default().to_owned();
        let path = format!("{RUNBOOKS}{alert}.md");
        let text = if tree::exists(&path) { tree::read(&path) } else { String::new() };
        let missing = SECTIONS.iter().filter(|section| !text.contains(*section));
        found.extend(missing.map(|section| format!("{path} does not say {section:?}")));
        assert!(alerts.insert(alert), "two alerts have one name");
    }
    for path in tree::files_ending(".md").iter().filter(|path| path.starts_with(RUNBOOKS)) {
        let name = path.trim_start_matches(RUNBOOKS).trim_end_matches(".md");
        if !alerts.contains(name) {
            found.push(format!("{path} belongs to no alert"));
        }
    }
    tree::none(RULES, &found);
}

#[test]
fn every_alert_is_tested_to_fire_and_to_stay_silent() {
    let tests = yaml::read(RULE_TESTS);
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for test in items(&tests, "tests").into_iter().flat_map(|test| items(test, "alert_rule_test")) {
        let into = if items(test, "exp_alerts").is_empty() { &mut silent } else { &mut fires };
        into.insert(test["alertname"].as_str().unwrap_or_default().to_owned());
    }
    let alerts: BTreeSet<String> =
        rules().iter().filter_map(|rule| rule["alert"].as_str()).map(str::to_owned).collect();
    assert_eq!(fires, alerts, "alerts tested to fire, and all alerts");
    assert_eq!(silent, alerts, "alerts tested to stay silent, and all alerts");
}

#[test]
fn prometheus_scrapes_services_that_compose_starts() {
    let (config, compose) = (yaml::read("deploy/prometheus/prometheus.yml"), yaml::read("docker-compose.yml"));
    let mut found = Vec::new();
    for job in items(&config, "scrape_configs").into_iter().flat_map(|job| items(job, "static_configs")) {
        for target in yaml::strings(&job["targets"]) {
            let host = target.split(':').next().unwrap_or_default();
            if compose["services"].get(host).is_none() {
                found.push(format!("{target} is no service of docker-compose.yml"));
            }
        }
    }
    tree::none("deploy/prometheus/prometheus.yml", &found);
}

#[test]
fn promtool_accepts_the_configuration_and_the_rules_pass_their_tests() {
    if Command::new("promtool").arg("--version").output().is_err() {
        tree::skipped("promtool is not installed (it comes with Debian's package prometheus)");
        return;
    }
    for arguments in [
        ["check", "config", "deploy/prometheus/prometheus.yml"],
        ["check", "rules", RULES],
        ["test", "rules", RULE_TESTS],
    ] {
        let ran = Command::new("promtool").args(arguments).current_dir(tree::root()).output().unwrap();
        let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(ran.status.success(), "promtool {}:\n{said}", arguments.join(" "));
    }
}

#[test]
fn an_alert_without_meaning_is_seen() {
    let rule = serde_json::json!({
        "alert": "Odd", "expr": "hooklog_ingest_requests_total > 0",
        "annotations": { "summary": "{{ $labels.provider }} is odd" }, "labels": { "severity": "loud" },
    });
    let found = rule_complaints(&rule).join("\n");
    for part in ["no series has provider", "no runbook", "severity", "deploy/runbooks/Odd.md"] {
        assert!(found.contains(part), "{found}");
    }
}
