//! `deny.toml` agrees with what is in the tree, also where `cargo deny` is not installed: licences, doors, sources.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::ranks::crates;
use crate::tree;
use crate::yaml::items;

/// What the images run on; other systems' packages are not in them.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

fn deny() -> Table {
    tree::read("deny.toml").parse().expect("deny.toml is TOML")
}

fn list(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Every package that is built on our platform, ours included.
fn packages() -> Vec<Json> {
    let metadata = tree::cargo_metadata(&["--filter-platform", PLATFORM]);
    let used: BTreeSet<&str> =
        items(&metadata["resolve"], "nodes").iter().filter_map(|node| node["id"].as_str()).collect();
    let is_used = |package: &&Json| package["id"].as_str().is_some_and(|id| used.contains(id));
    items(&metadata, "packages").into_iter().filter(is_used).cloned().collect()
}

/// Whether the allowed licences satisfy an SPDX expression (`/` is an old way to write OR), and which of them do.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    either(&mut words, allowed)
}

fn either(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let mut best = both(words, allowed);
    while words.last() == Some(&"OR") {
        words.pop();
        let other = both(words, allowed);
        best = best.or(other);
    }
    best
}

fn both(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let mut all = one(words, allowed);
    while words.last() == Some(&"AND") {
        words.pop();
        let other = one(words, allowed);
        all = all.zip(other).map(|(mut all, other)| {
            all.extend(other);
            all
        });
    }
    all
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let word = words.pop().unwrap_or_default();
    if word == "(" {
        let inside = either(words, allowed);
        words.pop();
        return inside;
    }
    let mut name = word.to_owned();
    if words.last() == Some(&"WITH") {
        words.pop();
        name = format!("{name} WITH {}", words.pop().unwrap_or_default());
    }
    allowed.contains(&name).then(|| BTreeSet::from([name]))
}

#[test]
fn every_licence_in_the_tree_is_listed_and_every_listed_one_is_in_it() {
    let allowed = list(&deny()["licenses"]["allow"]);
    let (mut used, mut refused) = (BTreeSet::new(), Vec::new());
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        match satisfied(licence, &allowed) {
            Some(licences) => used.extend(licences),
            None => refused.push(format!("{} is under {licence:?}", package["id"])),
        }
    }
    tree::none("licences that deny.toml does not list", &refused);
    assert_eq!(used, allowed, "licences in use, and licences listed");
}

#[test]
fn everything_comes_from_the_registry() {
    // Ours have no source at all.
    let foreign = |package: &Json| package["source"].as_str().is_some_and(|source| !source.contains("crates.io"));
    let foreign = packages().into_iter().filter(foreign).map(|package| package["id"].to_string());
    tree::none("sources", &foreign.collect::<Vec<_>>());
    let sources = &deny()["sources"];
    assert_eq!((&sources["unknown-registry"], &sources["unknown-git"]), (&"deny".into(), &"deny".into()));
}

#[test]
fn the_confined_libraries_are_confined_to_those_who_name_them() {
    let denied = deny()["bans"]["deny"].as_array().unwrap().clone();
    for library in ["rdkafka", "rocksdb"] {
        let entry = denied.iter().find(|entry| entry["crate"].as_str() == Some(library));
        let wrappers = list(&entry.unwrap_or_else(|| panic!("deny.toml does not confine {library}"))["wrappers"]);
        let names = |name: &String| name == library;
        let by = crates().into_iter().filter(|one| one.dependencies.iter().any(names)).map(|one| one.name).collect();
        assert_eq!(wrappers, by, "who may name {library}, and who does");
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0", "BSD-3-Clause"].map(str::to_owned).into();
    for fine in ["MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Unicode-3.0", "BSD-3-Clause AND MIT"] {
        assert!(satisfied(fine, &allowed).is_some(), "{fine}");
    }
    for wrong in ["", "GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0 WITH LLVM-exception", "(GPL-3.0 OR X) AND MIT"] {
        assert!(satisfied(wrong, &allowed).is_none(), "{wrong}");
    }
}
