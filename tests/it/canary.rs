//! A word stands in every place where a secret may stand. Whatever the edge writes, tells or sends is searched for it, as it is and in
//! every form that one might print it in.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hooklog_tests::bins;
use hooklog_tests::edge::{Edge, Source, Tuning};
use hooklog_tests::http::Connection;
use hooklog_tests::kafka::{Kafka, NodeId};
use hooklog_tests::names::unique;
use hooklog_tests::webhook::{Provider, SECRET, Webhook};
use tempfile::TempDir;

/// What travels with each request of a bearer source, and half of what travels with a basic one.
const TOKEN: &str = "canary-token-6f1d2c3b4a5e";
const PASSWORD: &str = "canary-password-0a9b8c7d6e";
/// In Kafka's own settings.
const BROKER: &str = "canary-broker-1122334455";

/// The forms in which a secret can be found: as it is, hexadecimal, base64 at each of three offsets, percent-encoded, reversed.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms = vec![bytes.to_vec(), hex::encode(bytes).into_bytes(), hex::encode_upper(bytes).into_bytes()];
    forms.push(bytes.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect());
    forms.push(bytes.iter().rev().copied().collect());
    for before in 0..3 {
        // What stands before it changes the digits of its first bytes, and what follows those of its last: only the middle is sure.
        let padded = [&b"xxx"[..before], bytes].concat();
        for engine in [STANDARD, URL_SAFE] {
            let encoded = engine.encode(&padded);
            forms.push(encoded.as_bytes()[if before == 0 { 0 } else { 4 }..encoded.len() - 4].to_vec());
        }
    }
    forms
}

/// Where something was searched, and whether a secret was in it.
fn finds(place: &str, text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for secret in [SECRET, TOKEN, PASSWORD, BROKER] {
        let is_there = |form: &Vec<u8>| text.windows(form.len()).any(|window| window == &form[..]);
        if forms(secret).iter().any(is_there) {
            found.push(format!("{:?} in {place}", &secret[..8]));
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

/// A webhook with this header, and nothing that is signed.
fn with(name: &str, value: String, n: u64) -> Webhook {
    let body = format!("event {n}").into_bytes();
    Webhook { id: n.to_string(), key: String::new(), body, headers: vec![(name.to_owned(), value)] }
}

/// An edge with a secret of each kind, and the topics of its sources.
struct Scene {
    edge: Edge,
    signed: Source,
    bearer: String,
    basic: String,
    /// Where two of the secrets lie.
    _folder: TempDir,
}

impl Scene {
    async fn on(kafka: &Kafka) -> Self {
        let signed = Source::new(&unique("github"), Provider::GitHub);
        let (bearer, basic, quarantine) = (unique("bearer"), unique("basic"), unique("quarantine"));
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let (token, user) =
            (secret_file(&folder, "token", TOKEN), secret_file(&folder, "user", &format!("hooks:{PASSWORD}")));
        let settings = format!(
            "[log]\nfilter = \"trace\"\n[quarantine]\ntopic = \"{quarantine}\"\n\
             [sources.{bearer}]\nprovider = \"bearer\"\nsecrets = [{{ id = \"one\", file = \"{token}\" }}]\n\
             [sources.{basic}]\nprovider = \"basic\"\nsecrets = [{{ id = \"one\", file = \"{user}\" }}]\n"
        );
        let broker = secret_file(&folder, "broker", BROKER);
        let properties =
            format!("properties = {{ \"sasl.username\" = \"edge\", \"sasl.password\" = {{ file = \"{broker}\" }} }}");
        for topic in [signed.topic(), format!("hooks.{bearer}"), format!("hooks.{basic}"), quarantine] {
            kafka.broker().create_topic(&topic, 1).await;
        }
        let tuning = Tuning { settings: &settings, kafka: &properties, spool: "after = \"1500ms\"" };
        let edge = Edge::start_tuned(kafka.bootstrap(), std::slice::from_ref(&signed), tuning).await;
        Self { edge, signed, bearer, basic, _folder: folder }
    }

    async fn send(&self, source: &str, webhook: &Webhook) -> u16 {
        let outcome = Connection::to(&self.edge.address()).send(&format!("/in/{source}"), webhook).await;
        outcome.status.unwrap_or(0)
    }

    /// One request of each kind: who is believed, who is not, and who has put a secret where none belongs. Returns the statuses.
    async fn round(&self, n: u64) -> [u16; 8] {
        let (signed, bearer, basic) = (&self.signed.name, &self.bearer, &self.basic);
        let good = Webhook::github(&format!("d-{n}"), "7", n, 10);
        let token = |token: &str| with("authorization", format!("Bearer {token}"), n);
        let user =
            |name: &str| with("authorization", format!("Basic {}", STANDARD.encode(format!("{name}:{PASSWORD}"))), n);
        [
            self.send(signed, &good).await,
            self.send(bearer, &token(TOKEN)).await,
            self.send(basic, &user("hooks")).await,
            self.send(signed, &good.clone().tampered()).await,
            self.send(bearer, &token(&format!("{TOKEN}x"))).await,
            self.send(basic, &user("other")).await,
            self.send(signed, &token(TOKEN)).await,
            self.send(&format!("{bearer}?token={TOKEN}"), &with("x-nothing", String::new(), n)).await,
        ]
    }

    /// What the commands tell that look at an edge's files, searched.
    fn commands(&self) -> Vec<String> {
        let (config, spool) = (self.edge.config().display().to_string(), self.edge.spool().display().to_string());
        let commands = [
            &["sources", "check", &config, "--log", "trace"][..],
            &["spool", "status", "--dir", &spool, "--log", "trace"],
            &["spool", "export", "--dir", &spool, "--to", "-", "--log", "trace"],
        ];
        let find = |arguments: &&[&str]| {
            let output = Command::new(bins::path("hooklog")).args(*arguments).output().expect("the program can be run");
            let said = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "hooklog {arguments:?}: {}", String::from_utf8_lossy(&said));
            finds(&format!("hooklog {arguments:?}"), &said)
        };
        commands.iter().flat_map(find).collect()
    }
}

/// A file of the owner's that holds a secret: its path.
fn secret_file(folder: &TempDir, name: &str, secret: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, secret).expect("the test's own folder is writable");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("the file is ours");
    path.display().to_string()
}

/// Searches every file under a folder, and counts the bytes.
fn search(folder: &Path) -> (Vec<String>, usize) {
    let mut all = (Vec::new(), 0);
    for path in files(folder) {
        // A broker at work may have removed it meanwhile.
        let text = std::fs::read(&path).unwrap_or_default();
        all.1 += text.len();
        all.0.extend(finds(&path.display().to_string(), &text));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_told_or_sent_anywhere() {
    let mut kafka = Kafka::one().await;
    let mut scene = Scene::on(&kafka).await;
    assert_eq!(scene.round(1).await, [200, 200, 200, 401, 401, 401, 401, 401]);
    kafka.pause(NodeId(1));
    assert_eq!(scene.round(2).await, [202, 202, 202, 401, 401, 401, 401, 401]);

    let mut found = Vec::new();
    for path in ["/metrics", "/configz", "/livez", "/readyz", "/openapi.json", "/openapi", "/nothing"] {
        let page = scene.edge.page(path).await.expect("the admin port answers");
        found.extend(finds(path, page.as_bytes()));
    }
    scene.edge.kill9();
    let (in_spool, spooled) = search(&scene.edge.spool());
    found.extend(in_spool);
    found.extend(scene.commands());
    kafka.resume(NodeId(1));
    scene.edge.restart().await;
    scene.edge.drained(Duration::from_secs(60)).await;
    let log = scene.edge.whole_log();
    found.extend(finds("the log at level trace", log.as_bytes()));
    let (in_kafka, logged) = search(kafka.data());
    found.extend(in_kafka);
    assert!(spooled > 1_000 && log.len() > 1_000 && logged > 10_000, "searched: {spooled}, {}, {logged}", log.len());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_is_searched_for_would_be_found() {
    for before in ["", "a", "ab", "abc", "a longer beginning "] {
        for text in [
            format!("{before}{TOKEN} and more"),
            STANDARD.encode(format!("{before}{TOKEN} and more")),
            URL_SAFE.encode(format!("{before}{TOKEN}")),
            hex::encode(format!("{before}{TOKEN}")),
        ] {
            assert_eq!(finds("here", text.as_bytes()).len(), 1, "{text}");
        }
    }
    assert!(finds("here", b"nothing to see").is_empty());
}
