//! A file is read in one sitting and says what it is: sizes, first lines and names of source files.

use crate::tree;

/// Nine files in ten have at most so many lines.
const USUAL: usize = 400;
/// None has more.
const MOST: usize = 600;
/// A `main` is a table of contents.
const MAIN: usize = 40;

/// Names that tell nothing and attract everything.
const EMPTY_NAMES: &[&str] =
    &["utils", "util", "common", "commons", "helpers", "helper", "misc", "types", "base", "manager"];

/// The binaries' own files, where the line limit of a `main` holds.
fn is_main(path: &str) -> bool {
    path.ends_with("src/main.rs")
}

fn complaints(path: &str, text: &str) -> Vec<String> {
    let (lines, mut complaints) = (text.lines().count(), Vec::new());
    let limit = if is_main(path) { MAIN } else { MOST };
    if lines > limit {
        complaints.push(format!("{path} has {lines} lines, at most {limit} are taken: split it by what it defines"));
    }
    if !text.starts_with("//! ") {
        complaints.push(format!("{path} does not open with a `//!` sentence that says what it is"));
    }
    complaints
}

fn empty_name(path: &str) -> Option<String> {
    let names = path.split('/').map(|part| part.split('.').next().unwrap_or_default());
    let mut empty = names.filter(|name| EMPTY_NAMES.contains(&name.replace('-', "_").as_str()));
    empty.next().map(|name| format!("{path}: {name:?} names nothing; name the one thing it defines"))
}

#[test]
fn source_files_are_short_and_say_what_they_are() {
    let sources = tree::files_ending(".rs");
    let found: Vec<String> = sources.iter().flat_map(|path| complaints(path, &tree::read(path))).collect();
    tree::none("source files", &found);
    let long: Vec<&String> = sources.iter().filter(|path| tree::read(path).lines().count() > USUAL).collect();
    assert!(
        long.len() * 10 <= sources.len(),
        "{} of {} files have more than {USUAL} lines, one in ten may: {long:?}",
        long.len(),
        sources.len()
    );
}

#[test]
fn files_folders_and_modules_have_names_that_tell() {
    let mut complaints: Vec<String> = tree::files().iter().filter_map(|path| empty_name(path)).collect();
    for path in tree::files_ending(".rs") {
        for line in tree::read(&path).lines().map(str::trim) {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let name = line.strip_prefix("mod ").and_then(|rest| rest.split([';', ' ', '{']).next());
            if name.is_some_and(|name| EMPTY_NAMES.contains(&name)) {
                complaints.push(format!("{path}: `{line}` names nothing"));
            }
        }
    }
    tree::none("names", &complaints);
}

#[test]
fn a_long_a_silent_and_an_empty_named_file_are_seen() {
    let long = format!("//! A file.\n{}", "\n".repeat(MOST));
    assert_eq!(complaints("ingest/src/long.rs", &long).len(), 1);
    assert_eq!(complaints("ingest/src/main.rs", &format!("//! A file.\n{}", "\n".repeat(MAIN))).len(), 1);
    assert_eq!(complaints("ingest/src/silent.rs", "use std::fmt;\n").len(), 1);
    assert!(complaints("ingest/src/good.rs", "//! A file.\n").is_empty());
    assert!(empty_name("ingest/src/utils.rs").is_some() && empty_name("common/src/lib.rs").is_some());
    assert!(empty_name("ingest/src/baseline.rs").is_none());
}
