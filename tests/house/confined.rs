//! The log, the disk and the MAC have one door each: one product crate names the library behind it, nobody else.
//!
//! `tests/` and `tests/bench/` are left out on purpose. They are outside parties: they check and measure the product with
//! clients and signatures that are not the product's own, since a mistake in a shared part would otherwise hide itself.

use crate::ranks::{Crate, crates};
use crate::tree;

/// The libraries, and the folder of the one crate that may name each.
const DOORS: &[(&str, &str)] =
    &[("rdkafka", "platform/kafka"), ("rocksdb", "platform/disk"), ("hmac", "ingest/signatures")];

/// The outside parties' folder.
const OUTSIDE: &str = "tests";

/// Complaints about what manifests name.
fn named_by_manifests(crates: &[Crate]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (library, door) in DOORS {
        let names = |one: &&Crate| one.dependencies.iter().any(|name| name == library) && !outside(&one.folder);
        let by: Vec<&str> = crates.iter().filter(names).map(|one| one.folder.as_str()).collect();
        if by != [*door] {
            complaints.push(format!("{library} is named by the manifests of {by:?}, it may be by {door:?} alone"));
        }
    }
    complaints
}

/// Complaints about what a source file names.
fn named_by_source(path: &str, text: &str) -> Vec<String> {
    let outsider =
        |(library, door): &&(&str, &str)| !path.starts_with(&format!("{door}/")) && text_names(text, library);
    let complain = |(library, door): &(&str, &str)| format!("{path} names {library}, only {door} may");
    DOORS.iter().filter(outsider).map(complain).collect()
}

/// Whether code, not a comment, uses the library by its path.
fn text_names(text: &str, library: &str) -> bool {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.into_iter().any(|line| {
        line.match_indices(library).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let alone = !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
            let after = &line[at + library.len()..];
            let imported = line[..at].trim_end().ends_with("use") && !after.starts_with('_');
            alone && (after.starts_with("::") || imported)
        })
    })
}

fn outside(path: &str) -> bool {
    path == OUTSIDE || path.starts_with(&format!("{OUTSIDE}/"))
}

#[test]
fn each_library_is_named_by_one_crate() {
    let mut complaints = named_by_manifests(&crates());
    for path in tree::files_ending(".rs").iter().filter(|path| !outside(path)) {
        complaints.extend(named_by_source(path, &tree::read(path)));
    }
    tree::none("doors", &complaints);
}

#[test]
fn a_second_door_is_seen() {
    for line in ["use rocksdb::DB;", "let x = rocksdb::DB::open();", "pub use rocksdb as store;", "use rocksdb;"] {
        assert_eq!(named_by_source("cli/src/dev.rs", line).len(), 1, "{line}");
        assert!(named_by_source("platform/disk/src/store.rs", line).is_empty(), "{line}");
    }
    for line in ["// rocksdb::DB is elsewhere", "use librocksdb::X;", "let provider = \"hmac\";", "use hmac_free::X;"] {
        assert!(named_by_source("cli/src/dev.rs", line).is_empty(), "{line}");
    }
    let mut crates = crates();
    crates.iter_mut().find(|one| one.name == "hooklog").unwrap().dependencies.push("hmac".to_owned());
    assert_eq!(named_by_manifests(&crates).len(), 1);
}
