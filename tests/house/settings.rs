//! Settings that the deployment makes exist: in the edge's own reading, in the defaults that are the manual, in every mount.

use std::collections::BTreeSet;

use hooklog_ingest::config::Config;
use hooklog_process::config::explain;
use hooklog_process::secret::SecretRef;
use serde_json::Value;

use crate::compose::COMPOSE;
use crate::tree;
use crate::yaml::{self, entries, strings};

/// The edge's configuration in the deployment.
const EDGE: &str = "deploy/ingest.toml";

/// What environment variables begin with, and the defaults that name the settings behind them.
const MANUALS: &[(&str, &str)] =
    &[("HOOKLOG_INGEST__", "ingest/defaults.toml"), ("HOOKLOG_CONSUMER__", "consumers/sdk/defaults.toml")];

/// Environment variables of a service: a mapping, or a list of `NAME=value`.
fn environment(service: &Value) -> Vec<String> {
    let listed = strings(&service["environment"]).into_iter();
    let listed = listed.map(|item| item.split('=').next().unwrap_or_default().to_owned());
    let mapped = entries(service, "environment").into_iter().map(|(name, _)| name.clone());
    listed.chain(mapped).filter(|name| name.starts_with("HOOKLOG_")).collect()
}

fn complaint(variable: &str) -> Option<String> {
    let Some((prefix, manual)) = MANUALS.iter().find(|(prefix, _)| variable.starts_with(prefix)) else {
        return Some(format!("{variable} is read by no binary"));
    };
    let key = variable[prefix.len()..].to_lowercase().replace("__", ".");
    let known = explain(&tree::read(manual)).iter().any(|setting| setting.key == key);
    (!known).then(|| format!("{variable}: {manual} has no {key}"))
}

/// The values that follow a flag, each time it is given.
fn values(command: &[String], flag: &str) -> BTreeSet<String> {
    command.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].clone()).collect()
}

#[test]
fn every_variable_that_compose_sets_is_a_setting() {
    let compose = yaml::read(COMPOSE);
    let mut found = Vec::new();
    for (name, service) in entries(&compose, "services") {
        found.extend(
            environment(service).iter().filter_map(|name| complaint(name)).map(|said| format!("{name}: {said}")),
        );
    }
    tree::none(COMPOSE, &found);
    assert!(complaint("HOOKLOG_INGEST__KAFKA__BOOTSTRAP").is_none());
    assert!(complaint("HOOKLOG_INGEST__KAFKA__BOOTSTRAPS").is_some() && complaint("HOOKLOG_FAILPOINTS").is_some());
}

#[test]
fn the_edges_sources_have_topics_and_secrets_in_compose() {
    let config = Config::load(Some(&tree::root().join(EDGE))).unwrap_or_else(|error| panic!("{error}"));
    let compose = yaml::read(COMPOSE);
    let services = &compose["services"];
    let sources: BTreeSet<String> = config.sources.keys().cloned().collect();
    assert!(!sources.is_empty(), "{EDGE} has no source");
    assert_eq!(values(&strings(&services["topics"]["command"]), "--source"), sources, "sources with topics");
    let made: BTreeSet<String> = strings(&services["secrets"]["command"]).into_iter().collect();
    let mounts = strings(&services["ingest"]["volumes"]);
    for (name, source) in &config.sources {
        for secret in &source.secrets {
            let SecretRef::File(path) = &secret.at else { panic!("{EDGE}: the secret of {name} is not a file") };
            let (folder, file) = (path.parent().unwrap().display(), path.file_name().unwrap().to_string_lossy());
            assert!(mounts.contains(&format!("secrets:{folder}:ro")), "{folder} is not mounted: {mounts:?}");
            assert!(made.contains(file.as_ref()), "no secret {file} is made: {made:?}");
        }
    }
}

#[test]
fn every_example_consumer_has_its_topics_and_its_dead_letters() {
    let compose = yaml::read(COMPOSE);
    let services = &compose["services"];
    let topics = strings(&services["topics"]["command"]);
    for name in values(&topics, "--group") {
        let read = values(&strings(&services[&name]["command"]), "--topics");
        let read: BTreeSet<String> = read.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
        let made = values(&topics, "--source").iter().map(|source| format!("hooks.{source}")).collect();
        assert!(!read.is_empty() && read.is_subset(&made), "{name} reads {read:?}, there are {made:?}");
    }
}
