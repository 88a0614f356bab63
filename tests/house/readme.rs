//! The README's table of features is a promise a reader can check: every file and every test it names exists.
//!
//! The table has the columns `Feature | Where | Test`. Where holds paths, Test holds `path::test_name` or a path, each in
//! backticks.

use crate::tree;

/// One row: the feature, and what stands in backticks in the other two columns.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    feature: String,
    places: Vec<String>,
    tests: Vec<String>,
}

/// The rows of every table whose head is the three columns.
fn rows(text: &str) -> Vec<Row> {
    let (mut rows, mut inside) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            inside = false;
        } else if cells == ["Feature", "Where", "Test"] {
            inside = true;
        } else if let (true, [feature, places, tests]) = (inside, cells.as_slice())
            && !feature.starts_with("--")
            && !feature.starts_with(":-")
        {
            rows.push(Row { feature: (*feature).to_owned(), places: quoted(places), tests: quoted(tests) });
        } else if inside && cells.len() != 3 {
            rows.push(Row { feature: line.to_owned(), places: Vec::new(), tests: Vec::new() });
        }
    }
    rows
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn complaints(row: &Row, read: &dyn Fn(&str) -> Option<String>, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (column, named) in [("Where", &row.places), ("Test", &row.tests)] {
        if named.is_empty() {
            complaints.push(format!("{:?} names nothing in backticks under {column}", row.feature));
        }
    }
    complaints.extend(row.places.iter().filter(|path| !exists(path)).map(|path| format!("{path} does not exist")));
    for test in &row.tests {
        match test.split_once("::") {
            None if !exists(test) => complaints.push(format!("{test} does not exist")),
            None => {}
            Some((path, name)) => match read(path) {
                None => complaints.push(format!("{path} does not exist")),
                Some(text) if !holds_test(&text, name) => complaints.push(format!("{path} has no test {name}")),
                Some(_) => {}
            },
        }
    }
    complaints
}

/// Whether a function of this name stands below a `test` attribute.
fn holds_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &str| line.contains(&format!("fn {name}(")) || line.contains(&format!("fn {name}<"));
    lines.iter().enumerate().filter(|(_, line)| begins(line)).any(|(at, _)| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.into_iter().any(|line| line.starts_with("#[") && line.contains("test"))
    })
}

#[test]
fn every_file_and_test_that_the_readme_names_exists() {
    let rows = rows(&tree::read("README.md"));
    assert!(!rows.is_empty(), "README.md has no table with the columns Feature | Where | Test");
    let read = |path: &str| std::fs::read_to_string(tree::root().join(path)).ok();
    let found: Vec<String> = rows.iter().flat_map(|row| complaints(row, &read, &tree::exists)).collect();
    tree::none("README.md", &found);
}

#[test]
fn a_test_that_is_none_is_seen() {
    let text =
        "| Feature | Where | Test |\n|---|---|---|\n| It works | `a.rs`, `b/` | `a.rs::works` |\n| Half | `a.rs` |\n";
    let rows = rows(text);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].places, ["a.rs", "b/"]);
    let exists = |path: &str| path != "b/";
    let tested = |_: &str| Some("#[tokio::test]\n/// Why.\nasync fn works() {}".to_owned());
    let untested = |_: &str| Some("fn works() {}\n#[test]\nfn works_not() {}".to_owned());
    assert_eq!(complaints(&rows[0], &tested, &exists), ["b/ does not exist"]);
    assert_eq!(complaints(&rows[0], &untested, &|_| true), ["a.rs has no test works"]);
    assert_eq!(complaints(&rows[1], &tested, &exists).len(), 2);
}
