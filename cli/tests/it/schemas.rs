//! Schemas proposed from a file: what is written, what is never overwritten, and that the edge takes them.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Said, hooklog};

fn write(folder: &Path, name: &str, lines: &[Value]) -> String {
    let path = folder.join(name);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn line(kind: &str, body: &Value) -> Value {
    json!({ "position": "hooks.x/0/1", "type": kind, "body": body.to_string() })
}

fn infer(from: &str, out: &Path, more: &[&str]) -> Said {
    let out = out.display().to_string();
    hooklog([&["schemas", "infer", "--from", from, "--out", &out], more].concat())
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn one_schema_a_type_is_written_and_the_edge_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/schemas");
    let events = [
        line("push", &json!({ "ref": "main", "forced": false, "head": null })),
        line("push", &json!({ "ref": "topic", "head": { "id": 7 } })),
        line("a/b", &json!({ "at": "2026-11-28T12:00:00Z" })),
        json!({ "body": "alone" }),
    ];
    let from = write(folder.path(), "events.jsonl", &events);
    let said = infer(&from, &out, &["--json"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let written: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let file = |name: &str| out.join(name).display().to_string();
    let wanted = [("a%2Fb.json", 1), ("default.json", 1), ("push.json", 2)];
    assert_eq!(written, wanted.map(|(name, events)| json!({ "file": file(name), "events": events })));

    let push = read(&out.join("push.json"));
    assert_eq!((&push["title"], &push["required"]), (&json!("push"), &json!(["head", "ref"])));
    assert_eq!(push["properties"]["head"]["type"], json!(["null", "object"]));
    assert_eq!(read(&out.join("a%2Fb.json"))["properties"]["at"], json!({ "type": "string", "format": "date-time" }));
    assert_eq!(read(&out.join("default.json"))["required"], json!(["body"]));

    let edge = format!("[sources.lab]\nprovider = \"none\"\nschema = {{ dir = {out:?}, mode = \"enforce\" }}\n");
    let config = folder.path().join("edge.toml");
    std::fs::write(&config, edge).unwrap();
    let checked = hooklog(["sources", "check", config.to_str().unwrap()]);
    assert!(checked.out.contains("a good edge configuration (lab)"), "{}", checked.err);
}

#[test]
fn what_is_there_is_overwritten_only_by_force_and_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let from = write(folder.path(), "events.jsonl", &[line("a", &json!({ "x": 1 })), line("b", &json!([]))]);
    assert_eq!(infer(&from, folder.path(), &[]).code, 0);
    let first = std::fs::read(folder.path().join("a.json")).unwrap();
    std::fs::remove_file(folder.path().join("a.json")).unwrap();
    std::fs::write(folder.path().join("b.json"), "mine").unwrap();
    let said = infer(&from, folder.path(), &[]);
    assert!(
        said.code == 1 && said.err.contains("b.json is there already") && said.err.contains("--force"),
        "{}",
        said.err
    );
    assert!(said.out.is_empty() && !folder.path().join("a.json").exists(), "nothing is written if one is there");
    assert_eq!(infer(&from, folder.path(), &["--force"]).code, 0);
    assert_eq!(std::fs::read(folder.path().join("a.json")).unwrap(), first);
    assert_eq!(read(&folder.path().join("b.json"))["type"], "array");
}

#[test]
fn lists_of_values_are_proposed_only_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let events: Vec<Value> =
        (0..20).map(|n| line("a", &json!({ "x": if n % 2 == 0 { "on" } else { "off" } }))).collect();
    let from = write(folder.path(), "events.jsonl", &events);
    for (more, list) in [(&["--force"][..], Value::Null), (&["--force", "--enums"], json!(["off", "on"]))] {
        assert_eq!(infer(&from, folder.path(), more).code, 0);
        assert_eq!(read(&folder.path().join("a.json"))["properties"]["x"]["enum"], list);
    }
}

#[test]
fn what_teaches_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let form = json!({ "position": "hooks.x/0/2", "type": "a", "body": "payload=1" });
    let from = write(folder.path(), "some.jsonl", &[line("a", &json!(1)), form.clone()]);
    let said = infer(&from, &folder.path().join("some"), &[]);
    assert!(said.code == 0 && said.err.contains("1 of 2 bodies taught nothing"), "{}", said.err);
    for (lines, code, words) in [(&[][..], 1, "has no event to learn from"), (&[form], 1, "has no event to learn from")]
    {
        let said = infer(&write(folder.path(), "none.jsonl", lines), &folder.path().join("none"), &[]);
        assert!(said.code == code && said.err.contains(words), "{}", said.err);
    }
    let broken = folder.path().join("broken.jsonl");
    std::fs::write(&broken, "{}\n{\n").unwrap();
    let said = infer(broken.to_str().unwrap(), &folder.path().join("broken"), &[]);
    assert!(said.code == 64 && said.err.contains("broken.jsonl") && said.err.contains("line 3"), "{}", said.err);
    assert_eq!(infer("/nonexistent.jsonl", &folder.path().join("none"), &[]).code, 74);
    assert!(!folder.path().join("none").exists());
}
