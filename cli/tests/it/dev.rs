//! `hooklog dev` as a process: everything serves, three sends of one event are one charge, and a power cut changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Dev, eventually, hooklog};

const SOON: Duration = Duration::from_secs(30);

/// A folder for one test; its dev's files lie beside each other below it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("dev");
    (root, folder)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ledger's rows as customer → (sum, count).
fn balances(dev: &Dev) -> Vec<(String, Value)> {
    let said = dev.hooklog(&["state", "dump", "ledger", "--table", "balances", "--json"]);
    json_lines(&said.out).iter().map(|row| (row["key"].as_str().unwrap().to_owned(), row["value"].clone())).collect()
}

/// Sends one Stripe event so often.
fn send_stripe(dev: &Dev, id: &str, times: &str) {
    let said = dev.hooklog(&["send", "stripe", "--id", id, "--key", "cus_1", "--count", times, "--json"]);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
}

/// Waits until both consumers have done everything.
fn caught_up(dev: &Dev) {
    eventually(SOON, "lag 0", || {
        let rows = json_lines(&dev.hooklog(&["lag", "--json"]).out);
        let groups: std::collections::BTreeSet<&str> = rows.iter().filter_map(|row| row["group"].as_str()).collect();
        (groups.len() == 2 && rows.iter().all(|row| row["lag_records"] == 0)).then_some(())
    });
}

#[test]
fn three_sends_are_one_charge_also_after_a_power_cut() {
    let (_root, folder) = folder();
    let dev = Dev::start(&folder, &[]);
    send_stripe(&dev, "evt_1", "3");
    let one = eventually(SOON, "the charge", || balances(&dev).into_iter().next());
    caught_up(&dev);
    assert_eq!(balances(&dev), std::slice::from_ref(&one));
    assert_eq!((one.0.as_str(), &one.1["count"]), ("cus_1", &1.into()));
    eventually(SOON, "the lines on the screen", || {
        let screen = dev.screen();
        let of_event: Vec<&str> = screen.lines().filter(|line| line.contains("evt_1")).collect();
        let charged = of_event.iter().filter(|line| line.contains("ledger charged cus_1")).count();
        let skipped = of_event.iter().filter(|line| line.contains("ledger duplicate, skipped")).count();
        ((charged, skipped) == (1, 2)).then_some(())
    });
    dev.kill9();

    let dev = Dev::start(&folder, &[]);
    send_stripe(&dev, "evt_1", "2");
    caught_up(&dev);
    assert_eq!(balances(&dev), [one]);
    send_stripe(&dev, "evt_2", "1");
    let two =
        eventually(SOON, "the second charge", || balances(&dev).into_iter().find(|(_, value)| value["count"] == 2));
    assert_eq!(two.0, "cus_1");
    assert_eq!(dev.terminate(), 0);
}

#[test]
fn everything_is_told_and_found() {
    let (_root, folder) = folder();
    let dev = Dev::start(&folder, &[]);
    for key in ["ingest", "admin", "consumers", "bootstrap", "payments", "data_dir", "secrets", "providers", "pid"] {
        assert!(!dev.ready[key].is_null(), "{key}");
    }
    let said = hooklog(["dev", "--data-dir", dev.folder.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("another `hooklog dev`") && said.err.contains("--data-dir"), "{}", said.err);
    let screen = eventually(SOON, "the first screen", || Some(dev.screen()).filter(|text| text.contains("Ctrl-C")));
    for told in [
        "never for production",
        dev.ready["ingest"].as_str().unwrap(),
        "hooklog send stripe",
        "x-hub-signature-256: sha256=",
    ] {
        assert!(screen.contains(told), "{told} is not on {screen}");
    }
    for source in ["github", "stripe", "shopify", "slack", "standard"] {
        assert_eq!(dev.hooklog(&["send", source]).code, 0, "{source}");
        let tail = dev.hooklog(&["tail", source, "--from-beginning", "--no-follow", "--json"]);
        let [event] = &json_lines(&tail.out)[..] else { panic!("{source}: {} {}", tail.out, tail.err) };
        assert_eq!((&event["source"], event["sha256"].as_str().unwrap().len()), (&source.into(), 64));
    }
    let out = folder.with_extension("schemas");
    let infer =
        dev.hooklog(&["schemas", "infer", "--source", "stripe", "--limit", "1", "--out", out.to_str().unwrap()]);
    assert!(infer.out.ends_with("charge.succeeded.json  1 events\n"), "{} {}", infer.out, infer.err);
    let schema: Value = serde_json::from_slice(&std::fs::read(out.join("charge.succeeded.json")).unwrap()).unwrap();
    assert_eq!(schema["properties"]["id"]["type"], "string");
    assert_eq!(dev.hooklog(&["send", "github", "--count", "20", "--tamper", "50", "--json"]).code, 0);
    let sources = "github,stripe,shopify,slack,standard";
    let check = dev.hooklog(&["topics", "check", "--source", sources, "--partitions", "2"]);
    // The dead-letter topics have four partitions in the registry, and two here.
    assert_eq!(check.code, 0, "{} {}", check.out, check.err);
    let check = dev.hooklog(&["topics", "check", "--source", "nobody"]);
    assert!(check.code == 1 && check.out.contains("hooks.nobody does not exist"), "{} {}", check.out, check.err);
    let applied = dev.hooklog(&["topics", "apply", "--source", "github,more", "--json"]);
    let states: Vec<Value> = json_lines(&applied.out).iter().map(|topic| topic["state"].clone()).collect();
    assert_eq!(states, ["existing", "created", "existing", "existing", "existing"]);
    assert_eq!(dev.hooklog(&["dlq", "list", "--json"]).out, "");
}

#[test]
fn what_the_ledger_can_not_book_is_listed_as_a_dead_letter() {
    let (_root, folder) = folder();
    let dev = Dev::start(&folder, &["--quiet"]);
    // A customer without a name is none.
    assert_eq!(dev.hooklog(&["send", "stripe", "--key", "", "--id", "evt_dead"]).code, 0);
    let letter = eventually(SOON, "the dead letter", || {
        json_lines(&dev.hooklog(&["dlq", "list", "--group", "ledger", "--json"]).out).into_iter().next()
    });
    assert_eq!(
        (&letter["id"], &letter["class"], &letter["group"]),
        (&"evt_dead".into(), &"permanent".into(), &"ledger".into())
    );
    assert!(letter["origin"].as_str().unwrap().starts_with("hooks.stripe/"), "{letter}");
    assert!(!dev.screen().contains("Ctrl-C") && !dev.screen().contains("evt_dead  "), "{}", dev.screen());
}

#[test]
fn a_reset_removes_log_and_states_together() {
    let (_root, folder) = folder();
    let dev = Dev::start(&folder, &[]);
    send_stripe(&dev, "evt_1", "1");
    eventually(SOON, "the charge", || balances(&dev).into_iter().next());
    let secret = std::fs::read(dev.ready["secrets"]["stripe"].as_str().unwrap()).unwrap();
    assert_eq!(dev.terminate(), 0);

    let dev = Dev::start(&folder, &["--reset"]);
    assert!(dev.screen().contains("removed"));
    assert_eq!(balances(&dev), []);
    assert_eq!(std::fs::read(dev.ready["secrets"]["stripe"].as_str().unwrap()).unwrap(), secret);
    send_stripe(&dev, "evt_1", "1");
    eventually(SOON, "the charge in the new log", || balances(&dev).into_iter().next());
}

#[test]
fn sources_of_a_file_replace_the_samples() {
    use std::os::unix::fs::PermissionsExt;
    let (root, folder) = folder();
    let secret = root.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = root.path().join("edge.toml");
    let text = format!(
        "[sources.stripe-eu]\nprovider = \"stripe\"\ntopic = \"payments\"\nsecrets = [{{ id = \"a\", file = {:?} }}]\n",
        secret.display().to_string()
    );
    std::fs::write(&file, text).unwrap();
    let dev = Dev::start(&folder, &["--sources", file.to_str().unwrap()]);
    assert_eq!(dev.hooklog(&["send", "stripe", "--key", "cus_eu"]).code, 0);
    let (customer, _) = eventually(SOON, "the charge", || balances(&dev).into_iter().next());
    assert_eq!(customer, "cus_eu");
    let tail = dev.hooklog(&["tail", "stripe-eu", "--topic", "payments", "--from-beginning", "--no-follow"]);
    assert!(tail.out.contains("stripe-eu  charge.succeeded"), "{} {}", tail.out, tail.err);
}
