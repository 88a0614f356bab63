//! `docker-compose.yml` starts everything on one machine: seen from that machine alone, watched, pinned, unprivileged.

use serde_json::Value;

use crate::dockerfile::stages;
use crate::flags;
use crate::tree;
use crate::yaml::{self, entries, strings};

/// The file.
pub(crate) const COMPOSE: &str = "docker-compose.yml";

/// A service that runs once and ends: others wait for its success.
fn is_job(name: &str, service: &Value, compose: &Value) -> bool {
    let waits = |other: &Value| other["depends_on"][name]["condition"] == "service_completed_successfully";
    let waited_for = entries(compose, "services").iter().any(|(_, other)| waits(other));
    service["restart"] == "no" && (waited_for || service.get("profiles").is_some())
}

fn image_is_pinned(image: &str) -> bool {
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("", |(_, tag)| tag);
    image.contains("@sha256:") || (tag.contains('.') && tag.contains(|sign: char| sign.is_ascii_digit()))
}

fn service_complaints(name: &str, service: &Value, compose: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for port in strings(&service["ports"]) {
        if !port.starts_with("127.0.0.1:") {
            found.push(format!("port {port} is published to other machines"));
        }
    }
    if service.get("healthcheck").is_none() && !is_job(name, service, compose) {
        found.push("it has no health check and is no job that ends".to_owned());
    }
    let image = service["image"].as_str().unwrap_or_default();
    if !image_is_pinned(image) {
        found.push(format!("image {image:?} is not pinned to a version"));
    }
    for volume in strings(&service["volumes"]) {
        let source = volume.split(':').next().unwrap_or_default();
        if source.starts_with("./") {
            if !tree::exists(source.trim_start_matches("./")) {
                found.push(format!("{source} does not exist"));
            }
            if !volume.ends_with(":ro") {
                found.push(format!("{volume}: the repository's files are mounted read-only"));
            }
        } else if compose["volumes"].get(source).is_none() {
            found.push(format!("volume {source} is not declared"));
        }
    }
    for other in entries(service, "depends_on").iter().map(|(other, _)| other.as_str()) {
        if compose["services"].get(other).is_none() {
            found.push(format!("it waits for {other}, which is no service"));
        }
    }
    if service.get("build").is_some() {
        found.extend(own_complaints(service));
    }
    found.into_iter().map(|complaint| format!("{name}: {complaint}")).collect()
}

/// What a service that is built here owes besides: a stage, flags its binary knows, no privileges.
fn own_complaints(service: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let target = service["build"]["target"].as_str().unwrap_or_default();
    let Some(stage) = stages().into_iter().find(|stage| stage.name == target) else {
        return vec![format!("{target:?} is no stage of the Dockerfile")];
    };
    let entrypoint = strings(&service["entrypoint"]);
    let entrypoint = if entrypoint.is_empty() { stage.entrypoint } else { entrypoint };
    if !entrypoint[0].ends_with(".sh") {
        found.extend(flags::complaints(&[entrypoint, strings(&service["command"])].concat()));
    }
    let privileged = [
        (service["read_only"] != true, "its root file system is writable"),
        (service["cap_drop"] != serde_json::json!(["ALL"]), "it keeps capabilities"),
        (service["security_opt"] != serde_json::json!(["no-new-privileges:true"]), "it can gain privileges"),
    ];
    found.extend(privileged.iter().filter(|(is, _)| *is).map(|(_, what)| (*what).to_owned()));
    found
}

#[test]
fn every_service_is_local_watched_pinned_and_unprivileged() {
    let compose = yaml::read(COMPOSE);
    let services = entries(&compose, "services");
    assert!(!services.is_empty(), "{COMPOSE} has no service");
    let found: Vec<String> =
        services.iter().flat_map(|(name, service)| service_complaints(name, service, &compose)).collect();
    tree::none(COMPOSE, &found);
}

#[test]
fn an_open_unwatched_or_floating_service_is_seen() {
    let text = "services:\n  a:\n    image: kafka:latest\n    ports: ['8080:8080']\n    volumes: ['./nowhere:/x', 'v:/y']\n  \
                b:\n    image: x/kafka:4.1.1\n    restart: 'no'\n    depends_on: { c: { condition: service_started } }\n";
    let compose = yaml::parse(text).unwrap();
    let of = |name: &str| service_complaints(name, &compose["services"][name], &compose).join("\n");
    for part in ["other machines", "no health check", "latest", "nowhere does not exist", "read-only", "volume v"] {
        assert!(of("a").contains(part), "{}", of("a"));
    }
    assert!(of("b").contains("no job that ends") && of("b").contains("waits for c"), "{}", of("b"));
    assert!(image_is_pinned("a/b:1.2") && image_is_pinned("a@sha256:0") && !image_is_pinned("localhost:5000/a"));
}
