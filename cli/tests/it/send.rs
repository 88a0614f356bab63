//! `hooklog send` against an edge that is none of ours.

use std::collections::HashSet;

use serde_json::Value;

use crate::program::{Said, hooklog};
use crate::provider::Edge;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn send(edge: &Edge, line: &str) -> Said {
    let words = line.split(' ').chain(["--to", &edge.url, "--secret", SECRET]);
    hooklog(["send"].into_iter().chain(words))
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {} {}", said.out, said.err))
}

#[test]
fn one_event_is_signed_and_told_with_its_place_and_id() {
    let edge = Edge::start("stripe", SECRET, None);
    let said = send(&edge, "stripe --type charge.succeeded --key cus_7 --json");
    assert_eq!(said.code, 0, "{}", said.err);
    let [seen] = &edge.seen()[..] else { panic!("one request") };
    assert!(seen.verified && seen.path == "/in/stripe");
    assert_eq!(seen.headers["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["object"]["customer"]), (&"charge.succeeded".into(), &"cus_7".into()));
    let summary = json(&said);
    assert_eq!(summary["first"]["id"], body["id"]);
    assert_eq!(summary["first"]["position"], "hooks.x/0/0");
    assert_eq!(
        (&summary["sent"], &summary["status"]["200"], &summary["durability"]["log"]),
        (&1.into(), &1.into(), &1.into())
    );
}

#[test]
fn the_printed_line_sends_the_same_event_again() {
    let edge = Edge::start("stripe", SECRET, None);
    let first = send(&edge, "stripe");
    let id = first.out.split(" --id ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let told_line = first.out.lines().last().unwrap();
    assert!(told_line.contains(&format!("--to {}", edge.url)) && !told_line.contains(SECRET), "{told_line}");
    assert_eq!(send(&edge, &format!("stripe --id {id} --count 3")).code, 0);
    let again = edge.seen();
    assert_eq!(again.len(), 4);
    assert!(again.iter().all(|seen| seen.verified));
    let ids: HashSet<Value> =
        again.iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap()["id"].clone()).collect();
    assert_eq!(ids, HashSet::from([Value::from(id)]));
    assert!(again[1..].windows(2).all(|pair| pair[0].body == pair[1].body), "an id is one event, byte for byte");
}

#[test]
fn many_events_share_few_connections_and_add_up() {
    let edge = Edge::start("github", SECRET, None);
    let said = send(&edge, "github --source octo --count 600 --concurrency 4 --duplicates 20 --tamper 10 --json");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let (summary, seen) = (json(&said), edge.seen());
    assert_eq!(seen.len(), 600);
    let refused = seen.iter().filter(|seen| !seen.verified).count();
    assert!(refused > 20 && seen.iter().all(|seen| seen.path == "/in/octo"));
    assert_eq!((&summary["status"]["401"], &summary["tampered"]), (&refused.into(), &refused.into()));
    assert!(seen.iter().map(|seen| seen.connection).max().unwrap() < 8, "connections are kept alive");
    let ids: HashSet<&[u8]> = seen.iter().map(|seen| seen.headers["x-github-delivery"].as_bytes()).collect();
    assert_eq!(600 - ids.len(), usize::try_from(summary["duplicates"].as_u64().unwrap()).unwrap());
}

#[test]
fn a_rate_is_kept_whether_or_not_the_answers_come() {
    let edge = Edge::start("github", SECRET, None);
    let said = send(&edge, "github --rate 200 --count 100 --json");
    let elapsed = json(&said)["elapsed_s"].as_f64().unwrap();
    // 100 events at 200 a second take half a second; a busy machine may take longer, never less.
    assert!((0.49..10.0).contains(&elapsed), "{elapsed}");
}

#[test]
fn a_wrong_answer_is_1_and_counted() {
    for (instead, line) in [(503, "github --json"), (200, "github --tamper 100 --json"), (401, "github --json")] {
        let edge = Edge::start("github", SECRET, Some(instead));
        let said = send(&edge, line);
        assert_eq!(said.code, 1, "{instead}");
        assert_eq!(json(&said)["wrong"], 1);
        assert!(said.err.contains("1 of 1 answers"), "{}", said.err);
    }
}

#[test]
fn the_secret_is_read_from_a_file_that_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let edge = Edge::start("github", SECRET, None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let send = || hooklog(["send", "github", "--to", &edge.url, "--secret-file", file.to_str().unwrap()]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(send().code, 0);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = send();
    assert!(said.code == 64 && said.err.contains("chmod 600"), "{}", said.err);
}
