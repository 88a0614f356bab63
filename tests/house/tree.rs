//! The repository as files: where it is, what lies in it, and how a list of complaints fails a test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that are not the project's work: version control and what is built.
const SKIPPED: &[&str] = &[".git", "target", "node_modules"];

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests lie one folder below the root").to_owned()
}

/// Every file, by its path from the root, in order.
pub(crate) fn files() -> Vec<String> {
    let (root, mut found) = (root(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry of a folder can be read").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() {
                if !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else {
                let inside = path.strip_prefix(&root).expect("the walk began at the root");
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// The files whose name ends so.
pub(crate) fn files_ending(end: &str) -> Vec<String> {
    files().into_iter().filter(|path| path.ends_with(end)).collect()
}

/// A file's text, by its path from the root.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a file or folder is there, by its path from the root.
pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// What cargo tells of the workspace.
pub(crate) fn cargo_metadata(arguments: &[&str]) -> serde_json::Value {
    let fixed = ["metadata", "--format-version", "1"];
    let ran = Command::new(env!("CARGO")).args(fixed).args(arguments).current_dir(root()).output();
    let ran = ran.expect("the cargo that built this test runs");
    assert!(ran.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).expect("cargo metadata is JSON")
}

/// Fails with every complaint at once: whoever mends one wants to know the others.
pub(crate) fn none(what: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{what}:\n  {}", complaints.join("\n  "));
}

/// Says aloud that a check can't be made here: past the output that the test runner holds back.
pub(crate) fn skipped(why: &str) {
    // Standard error that is closed changes no verdict.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
