//! Lines that can't be done: the message names cause and mend on standard error, the code says what kind of trouble it is.

use crate::program::{Said, hooklog};

fn fails(line: &str) -> Said {
    let said = hooklog(line.split(' '));
    assert_ne!(said.code, 0, "{line}");
    assert_eq!(said.out, "", "{line}: nothing but the answer belongs on standard output");
    said
}

#[test]
fn a_line_that_can_not_be_understood_is_2() {
    for line in ["sned stripe", "send", "send stripe --count 0", "send stripe --tamper 101", "tail", "lag --broker"] {
        assert_eq!(fails(line).code, 2, "{line}");
    }
    let said = fails("send strype --to http://127.0.0.1:1 --secret 0123456789abcdef");
    assert_eq!(said.code, 2);
    assert!(
        said.err.starts_with("hooklog: there is no provider \"strype\"; there are: github, stripe,"),
        "{}",
        said.err
    );
}

#[test]
fn what_does_not_answer_is_69_and_named() {
    // The summary is printed all the same: it is what was asked for.
    let said = hooklog("send stripe --to http://127.0.0.1:1 --secret 0123456789abcdef".split(' '));
    assert_eq!(said.code, 69, "{}", said.err);
    assert!(said.err.contains("http://127.0.0.1:1/in/stripe does not answer"), "{}", said.err);
    let said = fails("send stripe");
    assert_eq!(said.code, 69);
    assert!(said.err.contains("no `hooklog dev` runs") && said.err.contains("--to URL"), "{}", said.err);
    for line in [
        "topics check --source github",
        "lag",
        "dlq list",
        "tail github",
        "schemas infer --source github --out never-made",
    ] {
        let said = fails(&format!("{line} --broker 127.0.0.1:1"));
        assert_eq!(said.code, 69, "{line}: {}", said.err);
        assert!(said.err.starts_with("hooklog: ") && said.err.contains("127.0.0.1:1"), "{line}: {}", said.err);
    }
}

#[test]
fn a_bad_file_is_64_with_its_line_and_a_missing_one_74() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let broken = file("broken.toml", "auth = \"mac\"\nname =\n");
    let said = fails(&format!("sources check {broken}"));
    assert_eq!(said.code, 64, "{}", said.err);
    assert!(said.err.contains(&broken) && said.err.contains("line 2"), "{}", said.err);
    let half = file(
        "half.toml",
        "name = \"x\"\ntitle = \"X\"\nsource = \"https://x\"\nconfidence = \"documented\"\nauth = \"mac\"\n",
    );
    let said = fails(&format!("sources check {half}"));
    assert!(said.code == 64 && said.err.contains("hmac-sha256"), "the mend is named: {}", said.err);
    let edge = file(
        "edge.toml",
        "[sources.github]\nprovider = \"github\"\nsecrets = [{ id = \"a\", file = \"/nonexistent\" }]\n",
    );
    let said = fails(&format!("sources check {edge}"));
    assert!(said.code == 64 && said.err.contains("/nonexistent"), "{}", said.err);
    let open = file("open.toml", "[sources.lab]\nprovider = \"none\"\n");
    assert!(hooklog(["sources", "check", &open]).out.contains("a good edge configuration (lab)"));
    assert_eq!(fails("sources check /nonexistent/file.toml").code, 74);
}

#[test]
fn providers_and_settings_are_listed_for_people_and_machines() {
    let people = hooklog(["sources", "list"]);
    assert!(people.out.starts_with("NAME ") && people.out.contains("https://docs.stripe.com/"), "{}", people.out);
    let machines = hooklog(["sources", "list", "--json"]);
    let names: Vec<String> = machines
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"standard-webhooks".to_owned()), "{names:?}");
    let settings = hooklog(["config", "ingest", "--json"]);
    assert!(settings.out.lines().any(|line| line.contains("HOOKLOG_INGEST__KAFKA__BOOTSTRAP")));
    assert!(hooklog(["config"]).out.contains("kafka.bootstrap = "));
}
