//! The configuration changes while the edge serves: whole or not at all, and what is broken leaves the last good one in use.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hooklog_schemas::TopicName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::live::{Live, live, looking_every};
use crate::request::{Answer, exchange, github, post, read_answer, signed, signed_with};
use crate::server::SECRET;

/// As long as the other, so that no length tells them apart.
const OTHER: &str = "another one, of thirty-two bytes!";

const FAR: Duration = Duration::from_secs(3600);

async fn status(live: &Live, request: &[u8]) -> u16 {
    exchange(&live.server, request).await.status
}

#[tokio::test]
async fn sources_come_and_go_and_change_their_secret_while_the_edge_serves() {
    let live = live("").await;
    let (first, second) = (live.secret("first", SECRET), live.secret("second", OTHER));
    let github_by = |secret: &str| format!("[sources.github]\nprovider = \"github\"\nsecrets = [{secret}]\n");
    assert_eq!(status(&live, &post("forms", "", b"x")).await, 404);

    live.apply(&format!("{}[sources.forms]\nprovider = \"none\"", github_by(&first))).await;
    assert_eq!(status(&live, &post("forms", "", b"x")).await, 200);
    assert_eq!(status(&live, &github(b"{}")).await, 200);
    assert_eq!(*live.topics.lock().unwrap(), Ok(vec![TopicName::parse("hooks.forms").unwrap()]), "only what is new");
    assert_eq!(live.server.sum("", "hooklog_ingest_open_sources"), 1);
    assert_eq!(live.shown.get()["sources"]["forms"]["provider"], "none");

    live.apply(&github_by(&second)).await;
    assert_eq!(status(&live, &post("forms", "", b"x")).await, 404);
    assert_eq!(status(&live, &github(b"{}")).await, 401);
    assert_eq!(status(&live, &signed_with(OTHER, "github", "github", "2", b"{}")).await, 200);
    assert_eq!(live.server.sum("", "hooklog_ingest_open_sources"), 0);
    assert_eq!(live.server.outcome("appended"), 3, "what was counted goes on");
}

#[tokio::test]
async fn a_secrets_file_that_changes_is_read_again() {
    let live = live("").await;
    assert_eq!(status(&live, &github(b"{}")).await, 200);
    live.secret("secret", OTHER);
    live.until("the new secret is in use", || live.reloads("applied") == 1).await;
    assert_eq!(status(&live, &github(b"{}")).await, 401);
    assert_eq!(status(&live, &signed_with(OTHER, "github", "github", "2", b"{}")).await, 200);
}

#[tokio::test]
async fn whatever_is_broken_leaves_the_last_good_one_in_use_until_it_is_mended() {
    let live = live("").await;
    let (short, exposed) = (live.secret("short", "fifteen bytes!!"), live.secret("exposed", OTHER));
    std::fs::set_permissions(live.file("exposed"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let good = std::fs::read_to_string(live.file("edge.toml")).unwrap();
    let source = |secret: &str| format!("[sources.github]\nprovider = \"github\"\nsecrets = [{secret}]");
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("blank", Vec::new()),
        ("only comments", b"# all of it was here\n".to_vec()),
        ("cut within a string", good.as_bytes()[..good.trim_end().len() - 4].to_vec()),
        ("cut within a key", good.as_bytes()[..good.find("provider").unwrap() + 4].to_vec()),
        ("a key twice", format!("{good}\n[limits]\nuri = \"1KiB\"\nuri = \"2KiB\"").into_bytes()),
        ("a source twice", format!("{good}\n{good}").into_bytes()),
        ("a wrong type", format!("{good}\n[limits]\nuri = true").into_bytes()),
        ("an unknown key", format!("{good}\n[limits]\nurl = \"1KiB\"").into_bytes()),
        ("a list for a table", b"sources = []".to_vec()),
        ("no source", b"[limits]\nuri = \"1KiB\"".to_vec()),
        ("an empty table of sources", b"[sources]".to_vec()),
        ("an unknown provider", b"[sources.github]\nprovider = \"githib\"".to_vec()),
        ("no secret", b"[sources.github]\nprovider = \"github\"".to_vec()),
        ("a secret that is not there", source("{ id = \"a\", file = \"/nonexistent\" }").into_bytes()),
        ("a secret that is short", source(&short).into_bytes()),
        ("a secret that all can read", source(&exposed).into_bytes()),
        ("a secret that says nothing of where it is", source("{ id = \"a\" }").into_bytes()),
        ("a filter that is none", format!("{good}\n[log]\nfilter = \"loud=shout\"").into_bytes()),
        ("no text", vec![0xff, 0xfe, 0x00, 0x80]),
        ("too much", vec![b'#'; 1024 * 1024 + 1]),
    ];
    for (times, (what, text)) in (1_u64..).zip(&broken) {
        live.write(text);
        live.until(&format!("{what} is refused"), || live.reloads("refused") == times).await;
        assert!(live.is_refused(), "{what}");
        assert_eq!(status(&live, &github(b"{}")).await, 200, "{what} took the source away");
        live.write(&good);
        live.until(&format!("{what} is mended"), || live.reloads("unchanged") == times).await;
        assert!(!live.is_refused(), "{what}");
    }
    std::fs::remove_file(live.file("edge.toml")).unwrap();
    live.until("a file that is gone is refused", || live.is_refused()).await;
    assert_eq!(status(&live, &github(b"{}")).await, 200);
    live.apply(&format!("{good}\n[sources.forms]\nprovider = \"none\"")).await;
    assert_eq!(status(&live, &post("forms", "", b"x")).await, 200);
}

#[tokio::test]
async fn a_secret_that_was_missing_and_comes_is_enough() {
    let live = live("").await;
    let second = live.secret("second", OTHER);
    std::fs::remove_file(live.file("second")).unwrap();
    live.write(format!("[sources.github]\nprovider = \"github\"\nsecrets = [{second}]"));
    live.until("the missing secret is refused", || live.is_refused()).await;
    assert_eq!(status(&live, &github(b"{}")).await, 200);
    live.secret("second", OTHER);
    live.until("the secret that came is used", || live.reloads("applied") == 1).await;
    assert_eq!(status(&live, &signed_with(OTHER, "github", "github", "2", b"{}")).await, 200);
    assert!(!live.is_refused());
}

#[tokio::test]
async fn a_signal_has_it_read_at_once_and_nothing_new_changes_nothing() {
    let live = looking_every(FAR, "").await;
    live.hangup.request();
    live.until("the signal is heard", || live.reloads("unchanged") == 1).await;
    let good = std::fs::read_to_string(live.file("edge.toml")).unwrap();
    live.write(format!("{good}\n[sources.forms]\nprovider = \"none\""));
    live.hangup.request();
    live.until("the change is read", || live.reloads("applied") == 1).await;
    assert_eq!(status(&live, &post("forms", "", b"x")).await, 200);
    live.write("");
    live.hangup.request();
    live.until("the blank file is refused", || live.reloads("refused") == 1).await;
    assert_eq!((status(&live, &post("forms", "", b"x")).await, live.is_refused()), (200, true));
}

#[tokio::test]
async fn what_needs_a_restart_is_not_in_use_and_the_sources_beside_it_are() {
    let live = live("[limits]\nmax_body = \"1KiB\"").await;
    let secret = live.secret("first", SECRET);
    live.apply(&format!(
        "[limits]\nmax_body = \"2B\"\n[kafka]\nlinger = \"9ms\"\n[log]\nfilter = \"warn\"\n[sources.github]\nprovider = \"github\"\nsecrets = [{secret}]\ntopic = \"elsewhere\""
    ))
    .await;
    let answer = exchange(&live.server, &github(b"{\"long\":\"enough\"}")).await;
    assert_eq!((answer.status, answer.header("hooklog-position")), (200, Some("elsewhere/0/0")));
    let shown = live.shown.get();
    assert_eq!((&shown["kafka"]["linger"], &shown["limits"]["max_body"]), (&"1ms".into(), &"1KiB".into()));
    assert_eq!((&shown["log"]["filter"], &shown["sources"]["github"]["topic"]), (&"warn".into(), &"elsewhere".into()));
    assert!(!shown.to_string().contains(SECRET));
}

#[tokio::test]
async fn a_topic_that_cannot_be_made_ready_is_tried_again_by_itself() {
    let live = live("").await;
    *live.topics.lock().unwrap() = Err("the registry does not answer".to_owned());
    let good = std::fs::read_to_string(live.file("edge.toml")).unwrap();
    live.write(format!("{good}\n[sources.forms]\nprovider = \"none\""));
    live.until("the new topic is refused", || live.is_refused()).await;
    assert_eq!((status(&live, &post("forms", "", b"x")).await, live.reloads("refused")), (404, 1));
    *live.topics.lock().unwrap() = Ok(Vec::new());
    live.until("the new topic is ready", || live.reloads("applied") == 1).await;
    assert_eq!(status(&live, &post("forms", "", b"x")).await, 200);
    assert_eq!(live.reloads("refused"), 1, "what stays wrong is told once");
}

#[tokio::test]
async fn a_source_keeps_what_is_left_of_its_share_unless_its_rate_changes() {
    let forms = |rest: &str| format!("[sources.forms]\nprovider = \"none\"\n{rest}");
    let live = live(&forms("rate = 7")).await;
    let rate = || live.server.edge.sources().find("forms").unwrap().rate.clone().unwrap();
    let first = rate();
    live.apply(&forms("rate = 7\nmax_body = \"1KiB\"\n[sources.more]\nprovider = \"none\"")).await;
    assert!(Arc::ptr_eq(&first, &rate()), "a change beside it filled the bucket");
    live.apply(&forms("rate = 8")).await;
    assert!(!Arc::ptr_eq(&first, &rate()), "the old rate goes on");
}

#[tokio::test]
async fn a_request_ends_with_the_source_that_it_began_with() {
    let live = live("").await;
    let request = github(b"{}");
    let mut stream = TcpStream::connect(live.server.address).await.unwrap();
    stream.write_all(&request[..request.len() - 1]).await.unwrap();
    live.until("the request is in hand", || live.server.has_request_in_hand()).await;
    live.apply("[sources.forms]\nprovider = \"none\"").await;
    assert_eq!(status(&live, &request).await, 404);
    stream.write_all(b"}").await.unwrap();
    let answer = read_answer(&mut stream).await.unwrap();
    assert_eq!((answer.status, answer.header("hooklog-position")), (200, Some("hooks.github/0/0")));
}

/// The two configurations differ in all that an answer shows: the secret that is believed, the topic, the body.
#[tokio::test]
async fn under_load_no_request_sees_a_mixture_of_two_configurations() {
    let live = Arc::new(live("[sources.shop]\nprovider = \"hmac\"\nsecrets = [$SECRET]").await);
    let texts = [("left", SECRET), ("right", OTHER)].map(|(side, secret)| {
        let secret = live.secret(side, secret);
        format!(
            "[sources.shop]\nprovider = \"hmac\"\nsecrets = [{secret}]\ntopic = {side:?}\nscheme = {{ reply = {{ body = {side:?} }} }}"
        )
    });
    live.apply(&texts[0]).await;
    let (done, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
    let senders: Vec<_> = [("left", SECRET), ("right", OTHER)].into_iter().cycle().take(6).enumerate().collect();
    let senders: Vec<_> = senders
        .into_iter()
        .map(|(number, (side, secret))| {
            let (live, done, accepted) = (Arc::clone(&live), Arc::clone(&done), Arc::clone(&accepted));
            tokio::spawn(async move {
                let request = signed_with(secret, "hmac", "shop", &number.to_string(), b"{}");
                let mut stream = TcpStream::connect(live.server.address).await.unwrap();
                while !done.load(Ordering::SeqCst) {
                    stream.write_all(&request).await.unwrap();
                    let answer: Answer = read_answer(&mut stream).await.unwrap();
                    if answer.status == 401 {
                        stream = TcpStream::connect(live.server.address).await.unwrap();
                        continue;
                    }
                    let topic = answer.header("hooklog-position").and_then(|position| position.split('/').next());
                    assert_eq!((answer.status, answer.body.as_str(), topic), (200, side, Some(side)));
                    accepted[number % 2].fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for turn in 1..=12 {
        let before = accepted[turn % 2].load(Ordering::SeqCst);
        live.apply(&texts[turn % 2]).await;
        live.until("the new configuration serves", || accepted[turn % 2].load(Ordering::SeqCst) > before).await;
    }
    done.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.expect("an answer mixed two configurations");
    }
    assert_eq!(status(&live, &signed("hmac", "shop", "x", b"{}")).await, 200, "the last turn was the left one's");
}

const PROVIDER: &str = "name = \"acme\"\ntitle = \"Acme\"\nsource = \"https://acme.example\"\nconfidence = \"documented\"\n\
    auth = \"mac\"\nfn = \"hmac-sha256\"\nsigned = \"{body}\"\nsignature = { from = { header = \"X-Old\" }, encoding = \"hex\" }\n";

/// What a provider of one's own would send, with its signature in this header.
fn acme(header: &str) -> Vec<u8> {
    let scheme = hooklog_signatures::Scheme::from_toml(&PROVIDER.replace("X-Old", header)).unwrap();
    let key = hooklog_signatures::Key::new("a", SECRET.as_bytes(), &scheme).unwrap();
    let signed = hooklog_signatures::sign(&scheme, &key, "1", hooklog_signatures::UnixMillis(0), b"{}");
    let headers: String = signed.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    post("acme", &headers, b"{}")
}

#[tokio::test]
async fn a_provider_file_that_changes_is_read_again_and_a_broken_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.toml");
    std::fs::write(&file, PROVIDER).unwrap();
    let providers = folder.path().display().to_string();
    let live =
        live(&format!("providers = {providers:?}\n[sources.acme]\nprovider = \"acme\"\nsecrets = [$SECRET]")).await;
    assert_eq!(status(&live, &acme("X-Old")).await, 200);
    std::fs::write(&file, PROVIDER.replace("X-Old", "X-New")).unwrap();
    live.until("the new file is in use", || live.reloads("applied") == 1).await;
    assert_eq!((status(&live, &acme("X-Old")).await, status(&live, &acme("X-New")).await), (401, 200));
    std::fs::write(&file, "name = \"acme\"").unwrap();
    live.until("the broken file is refused", || live.is_refused()).await;
    assert_eq!(status(&live, &acme("X-New")).await, 200, "the last good one stays");
    std::fs::write(&file, PROVIDER).unwrap();
    live.until("the mended file is in use", || live.reloads("applied") == 2).await;
    assert_eq!((status(&live, &acme("X-Old")).await, live.is_refused()), (200, false));
}

#[tokio::test]
async fn a_schema_that_changes_is_read_again_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("default.json");
    std::fs::write(&schema, "{\"type\": \"object\"}").unwrap();
    let dir = folder.path().display().to_string();
    let live =
        live(&format!("[sources.forms]\nprovider = \"none\"\nschema = {{ dir = {dir:?}, mode = \"enforce\" }}\n"))
            .await;
    let sent =
        async || (status(&live, &post("forms", "", b"{}")).await, status(&live, &post("forms", "", b"[]")).await);
    assert_eq!(sent().await, (200, 422));
    std::fs::write(&schema, "{\"$ref\": \"parts/one.json\"}").unwrap();
    live.until("a schema that refers to nothing is refused", || live.is_refused()).await;
    assert_eq!(sent().await, (200, 422), "the last good one stays");
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    std::fs::write(folder.path().join("parts/one.json"), "{\"type\": \"array\"}").unwrap();
    live.until("what it refers to is seen too", || live.reloads("applied") == 1).await;
    assert_eq!((sent().await, live.is_refused()), ((422, 200), false));
}

#[tokio::test]
async fn a_signal_reads_providers_and_schemas_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("default.json");
    std::fs::write(&schema, "{\"type\": \"object\"}").unwrap();
    let dir = folder.path().display().to_string();
    let settings = format!("[sources.forms]\nprovider = \"none\"\nschema = {{ dir = {dir:?}, mode = \"enforce\" }}\n");
    let live = looking_every(FAR, &settings).await;
    assert_eq!(status(&live, &post("forms", "", b"[]")).await, 422);
    std::fs::write(&schema, "{\"type\": \"array\"}").unwrap();
    live.hangup.request();
    live.until("it is read", || live.reloads("applied") == 1).await;
    assert_eq!(status(&live, &post("forms", "", b"[]")).await, 200);
}
