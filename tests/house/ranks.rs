//! Arrows point down only: a crate depends on lower ranks, also for its tests, and the edge and the consumers never meet.

use std::path::Path;

use serde_json::Value;

use crate::tree;
use crate::yaml::items;

/// Every crate's rank. Whoever adds a crate decides here where it stands.
const RANKS: &[(&str, u8)] = &[
    ("hooklog-schemas", 0),
    ("hooklog-signatures", 0),
    ("hooklog-process", 0),
    ("hooklog-devbroker", 0),
    ("hooklog-kafka", 1),
    ("hooklog-disk", 1),
    ("hooklog-ingest", 2),
    ("hooklog-consumer", 2),
    ("hooklog-ledger", 3),
    ("hooklog-tally", 3),
    ("hooklog", 4),
    ("hooklog-tests", 4),
    // The bench measures with the harness of the tests, so it stands above it.
    ("hooklog-bench", 5),
    ("hooklog-fuzz", 5),
];

/// The two sides of the log, by folder: no crate of one names a crate of the other.
const EDGE: &str = "ingest";
const CONSUMERS: &str = "consumers";

/// A crate as this check sees it.
#[derive(Debug, Clone)]
pub(crate) struct Crate {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, from the root.
    pub(crate) folder: String,
    /// The names of all its dependencies: for the library, for tests, for builds.
    pub(crate) dependencies: Vec<String>,
}

/// The crates of the workspace, as cargo tells; renamed dependencies go by their real names.
pub(crate) fn crates() -> Vec<Crate> {
    let (root, metadata) = (tree::root(), tree::cargo_metadata(&["--no-deps"]));
    let of = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(&root).ok());
        Crate {
            name: text(package, "name"),
            folder: folder.expect("crates lie in the repository").to_string_lossy().into_owned(),
            dependencies: items(package, "dependencies").iter().map(|dependency| text(dependency, "name")).collect(),
        }
    };
    items(&metadata, "packages").into_iter().map(of).collect()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn rank(name: &str) -> Option<u8> {
    RANKS.iter().find(|(ranked, _)| *ranked == name).map(|(_, rank)| *rank)
}

fn side(folder: &str) -> &str {
    folder.split('/').next().unwrap_or_default()
}

fn complaints(crates: &[Crate]) -> Vec<String> {
    let mut complaints = Vec::new();
    for from in crates {
        let Some(own) = rank(&from.name) else {
            complaints.push(format!("{} has no rank: give it one in tests/house/ranks.rs", from.name));
            continue;
        };
        for to in crates.iter().filter(|to| from.dependencies.contains(&to.name)) {
            if rank(&to.name).is_some_and(|other| other >= own) {
                complaints
                    .push(format!("{} (rank {own}) depends on {}, which does not stand lower", from.name, to.name));
            }
            // Signatures know nobody and belong to no side: whoever signs may use them.
            let sides = [side(&from.folder), side(&to.folder)];
            let meet = sides == [EDGE, CONSUMERS] || sides == [CONSUMERS, EDGE];
            if meet && to.name != "hooklog-signatures" {
                complaints.push(format!("{} and {} meet only in Kafka", from.name, to.name));
            }
        }
    }
    for (name, _) in RANKS {
        if !crates.iter().any(|one| one.name == *name) {
            complaints.push(format!("{name} has a rank and is no crate: take it out of tests/house/ranks.rs"));
        }
    }
    complaints
}

#[test]
fn arrows_point_down_only() {
    tree::none("ranks", &complaints(&crates()));
}

#[test]
fn an_arrow_that_points_up_or_across_is_seen() {
    let mut crates = crates();
    let of = |crates: &mut Vec<Crate>, name: &str, to: &str| {
        crates.iter_mut().find(|one| one.name == name).unwrap().dependencies.push(to.to_owned());
    };
    of(&mut crates, "hooklog-schemas", "hooklog-kafka");
    of(&mut crates, "hooklog-ledger", "hooklog-ingest");
    crates.push(Crate { name: "hooklog-misfit".to_owned(), folder: "misfit".to_owned(), dependencies: Vec::new() });
    let found = complaints(&crates).join("\n");
    assert!(found.contains("hooklog-schemas (rank 0) depends on hooklog-kafka"), "{found}");
    assert!(found.contains("hooklog-ledger and hooklog-ingest meet only in Kafka"), "{found}");
    assert!(found.contains("hooklog-misfit has no rank"), "{found}");
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    let without = |one: &Crate| {
        let manifest: toml::Table = tree::read(&format!("{}/Cargo.toml", one.folder)).parse().unwrap();
        let taken = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        (taken != Some(true)).then(|| format!("{} lacks `[lints] workspace = true`", one.folder))
    };
    tree::none("lints", &crates().iter().filter_map(without).collect::<Vec<_>>());
}
