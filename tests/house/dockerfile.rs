//! The images: built by the toolchain that the tests ran with, pinned, and run by nobody in particular.

use crate::tree;

/// The file.
const DOCKERFILE: &str = "deploy/Dockerfile";

/// One stage, as far as the checks need it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    /// What comes after `AS`.
    pub(crate) name: String,
    /// What it is built on: an image or an earlier stage.
    from: String,
    /// The program and its first arguments.
    pub(crate) entrypoint: Vec<String>,
    /// `USER`.
    user: String,
    /// `STOPSIGNAL`.
    stop_signal: String,
    /// Whether it has a `HEALTHCHECK`.
    has_health_check: bool,
}

/// The stages in order; each begins with what it inherits from the stage it is built on.
pub(crate) fn stages() -> Vec<Stage> {
    parse(&tree::read(DOCKERFILE))
}

fn parse(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in text.replace("\\\n", " ").lines().map(str::trim) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "FROM" {
            let (from, name) = rest.split_once(" AS ").unwrap_or((rest, ""));
            let mut stage = stages.iter().find(|stage| stage.name == from).cloned().unwrap_or_default();
            (stage.from, stage.name) = (from.to_owned(), name.to_owned());
            stages.push(stage);
        } else if let Some(stage) = stages.last_mut() {
            match word {
                "ENTRYPOINT" => stage.entrypoint = serde_json::from_str(rest).expect("ENTRYPOINT is a JSON list"),
                "USER" => rest.clone_into(&mut stage.user),
                "STOPSIGNAL" => rest.clone_into(&mut stage.stop_signal),
                "HEALTHCHECK" => stage.has_health_check = true,
                _ => {}
            }
        }
    }
    stages
}

fn complaints(stages: &[Stage]) -> Vec<String> {
    let mut found = Vec::new();
    for stage in stages {
        let own = stages.iter().any(|other| other.name == stage.from);
        let tag = stage.from.split_once(':').map_or("", |(_, tag)| tag);
        if !own && !tag.contains('.') {
            found.push(format!("{}: {} is not pinned to a version", stage.name, stage.from));
        }
        if stage.entrypoint.is_empty() {
            continue;
        }
        let id = stage.user.split(':').next().unwrap_or_default();
        if id.parse().unwrap_or(0_u32) == 0 {
            found.push(format!("{}: it runs as {:?}, give it a number above 0", stage.name, stage.user));
        }
        if stage.stop_signal != "SIGTERM" {
            found.push(format!("{}: it is not stopped by SIGTERM", stage.name));
        }
        // `hooklog` runs a command and ends.
        if !stage.has_health_check && stage.name != "hooklog" {
            found.push(format!("{}: no health check", stage.name));
        }
    }
    found
}

#[test]
fn images_are_pinned_watched_and_unprivileged() {
    let stages = stages();
    for name in ["ingest", "ledger", "tally", "hooklog"] {
        let stage = stages.iter().find(|stage| stage.name == name);
        assert!(stage.is_some_and(|stage| !stage.entrypoint.is_empty()), "{DOCKERFILE} has no image {name}");
    }
    tree::none(DOCKERFILE, &complaints(&stages));
}

#[test]
fn the_images_toolchain_is_the_tested_one() {
    let toolchain: toml::Table = tree::read("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap().to_owned();
    let build = stages().into_iter().find(|stage| stage.name == "build").unwrap();
    assert!(build.from.starts_with(&format!("rust:{channel}-")), "{} is not Rust {channel}", build.from);
}

#[test]
fn a_careless_image_is_seen() {
    let text = "FROM debian:12 AS a\nENTRYPOINT [\"x\"]\nUSER root\nFROM a AS b\nUSER 7:7\nSTOPSIGNAL SIGTERM\nHEALTHCHECK CMD x\n";
    let stages = parse(text);
    assert_eq!(complaints(&stages[..1]).len(), 4);
    assert_eq!(stages[1].entrypoint, ["x"]);
    assert_eq!(complaints(&stages).len(), 4, "b is built on a and mends the rest");
}
