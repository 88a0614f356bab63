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
    assert!(said.err.starts_with("hooklog: there is no provider \"strype\"; did you mean stripe?"), "{}", said.err);
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
fn a_captured_request_is_believed_or_it_is_said_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let secret = file("slack.secret", "8f742231b10e8888abcd99yyyzzz85a5\n");
    // Slack's published example.
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let request = |body: &str| {
        let headers = "\"X-Slack-Request-Timestamp\":\"1531420618\",\"X-Slack-Signature\":\"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503\"";
        format!("{{\"method\":\"POST\",\"headers\":{{{headers}}},\"body\":\"{body}\"}}")
    };
    let (good, changed) = (file("good.json", &request(body)), file("changed.json", &request("text=")));
    let test = |request: &str, now: &str, more: &[&str]| {
        let fixed = ["sources", "test", "slack", "--request", request, "--now", now];
        hooklog(fixed.iter().copied().chain(more.iter().copied()))
    };
    let with_secret = ["--secret-file", secret.as_str()];
    let said = test(&good, "1531420618", &with_secret);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("signed  v0:1531420618:token=xyzz") && said.out.contains("believed: slack"),
        "{}",
        said.out
    );
    let said = test(&changed, "1531420618", &with_secret);
    assert!(said.code == 1 && said.out.contains("failed  made with a key"), "{}", said.out);
    let said = test(&good, "1531420919", &with_secret);
    assert!(said.code == 1 && said.err.contains("too old"), "{}", said.err);
    let json = test(&changed, "1531420618", &["--secret-file", &secret, "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["reason"].as_str(), json["believed"].as_bool()), (Some("mismatch"), Some(false)));
    for (said, word) in [
        (test(&good, "1", &[]), "--secret-file"),
        (test("/nonexistent.json", "1", &with_secret), "/nonexistent.json"),
        (test(&file("bad.json", "{}"), "1", &with_secret), "body_base64"),
        (hooklog(["sources", "test", "slak", "--request", &good]), "slak"),
    ] {
        assert!(said.code == 2 && said.err.contains(word), "{} {}", said.code, said.err);
    }
    for said in [test(&good, "1531420618", &with_secret), test(&changed, "1531420618", &with_secret)] {
        assert!(!format!("{}{}", said.out, said.err).contains("8f742231"), "a secret is printed");
    }
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
