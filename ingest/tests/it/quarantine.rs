//! The quarantine: what a wrong secret refused is kept within its quota, and admitted once the secret is right, as of when it came.

use hooklog_ingest::config::Config;
use hooklog_ingest::quarantine::{NotAdmitted, Suspect};
use hooklog_ingest::source::Sources;
use hooklog_kafka::Incoming;
use hooklog_kafka::testing::MemoryLog;
use hooklog_process::random::Random;
use hooklog_schemas::codec::decode;
use hooklog_schemas::{Frame, Timestamp, TopicName};
use hooklog_signatures::{Key, Rejection, UnixMillis, builtin, sign};

use crate::request::{exchange, github, post};
use crate::server::{NOW, SECRET, Server, config, start_with};

const OTHER: &str = "another secret of thirty-two bytes";
const KEPT: &str = "[quarantine]\ntopic = \"hooks.quarantine\"";

fn topic() -> TopicName {
    TopicName::parse("hooks.quarantine").unwrap()
}

/// A log with the quarantine's topic.
fn log() -> MemoryLog {
    MemoryLog::new().with_topic(&topic(), std::num::NonZeroU32::MIN)
}

/// What GitHub sends when its secret is not ours.
fn wrong(id: &str, body: &[u8]) -> Vec<u8> {
    let scheme = builtin("github").unwrap();
    let key = Key::new("b", OTHER.as_bytes(), scheme).unwrap();
    let headers = sign(scheme, &key, id, UnixMillis(NOW * 1000), body);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    post("github", &format!("content-type: application/json\r\ncookie: a=b\r\n{headers}"), body)
}

/// The sources of an edge whose one secret is this.
fn sources(secret: &str) -> Sources {
    let folder = tempfile::tempdir().unwrap();
    let config: Config = config(folder.path(), "");
    std::fs::write(folder.path().join("secret"), secret).unwrap();
    Sources::build(&config).unwrap()
}

fn kept(server: &Server) -> Vec<Incoming> {
    server.log.all(&topic())
}

fn suspect(record: &Incoming) -> Suspect {
    let envelope = decode(record.value.as_ref().unwrap()).unwrap();
    Suspect::of(record, envelope).unwrap()
}

#[tokio::test]
async fn a_request_with_a_wrong_signature_is_refused_kept_and_admitted_when_the_secret_is_right() {
    let server = start_with(KEPT, log()).await;
    let body = br#"{"repository":{"id":7},"n":1}"#;
    let answer = exchange(&server, &wrong("delivery-1", body)).await;
    assert_eq!((answer.status, server.outcome("unverified"), server.stored()), (401, 1, 0));
    let records = kept(&server);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].headers.get("ce_id"), None, "no consumer takes it for an event");
    let suspect = suspect(&records[0]);
    assert_eq!((suspect.source().as_str(), suspect.received_at()), ("github", Timestamp(NOW * 1000)));

    let (still, mended, random) = (sources(SECRET), sources(OTHER), Random::seeded(1));
    let source = |sources: &Sources| std::sync::Arc::clone(sources.find("github").unwrap());
    let refused = suspect.admit(&source(&still), Frame::SingleObject, &random).err();
    assert_eq!(refused, Some(NotAdmitted::Unverified(Rejection::Mismatch)));
    let sealed = suspect.admit(&source(&mended), Frame::SingleObject, &random).unwrap();
    let envelope = decode(&sealed.value.into()).unwrap();
    assert_eq!((envelope.id.as_str(), envelope.key.as_str(), &envelope.body[..]), ("delivery-1", "7", &body[..]));
    assert_eq!((envelope.received_at, envelope.scheme.as_str()), (Timestamp(NOW * 1000), "github:a"));
    assert!(envelope.headers.iter().all(|(name, _)| name != "cookie"));
}

#[tokio::test]
async fn nothing_is_kept_unless_it_is_asked_for_and_verified_events_never_are() {
    let server = start_with("", log()).await;
    assert_eq!(exchange(&server, &wrong("1", b"{}")).await.status, 401);
    assert_eq!(kept(&server).len(), 0);
    let server = start_with(KEPT, log()).await;
    assert_eq!(exchange(&server, &github(b"{}")).await.status, 200);
    // Without a signature, or with one of another shape, no secret will ever prove it.
    assert_eq!(exchange(&server, &post("github", "x-hub-signature-256: sha256=00\r\n", b"{}")).await.status, 401);
    assert_eq!(exchange(&server, &post("github", "", b"{}")).await.status, 401);
    assert_eq!(kept(&server).len(), 0);
}

#[tokio::test]
async fn the_quota_and_the_size_are_held_and_a_secret_that_travels_is_not_kept() {
    let server = start_with(&format!("{KEPT}\nrate = 3\nmax_body = \"1KiB\""), log()).await;
    assert_eq!(exchange(&server, &wrong("large", &[b'x'; 1025])).await.status, 401);
    for n in 0..20 {
        assert_eq!(exchange(&server, &wrong(&n.to_string(), b"{}")).await.status, 401);
    }
    let now = kept(&server).len();
    assert!((3..15).contains(&now), "{now} of 20 within a quota of 3 a second");
    assert_eq!(server.quarantined("too_large"), 1);
    assert_eq!(server.quarantined("over_quota") + server.quarantined("kept"), 20);

    let bearer = "[sources.box]\nprovider = \"bearer\"\nsecrets = [$SECRET]";
    let server = start_with(&format!("{KEPT}\n{bearer}"), log()).await;
    assert_eq!(
        exchange(&server, &post("box", "authorization: Bearer wrong-secret-of-somebody\r\n", b"{}")).await.status,
        401
    );
    assert_eq!(kept(&server).len(), 0);
}

#[tokio::test]
async fn the_quarantine_never_shares_a_topic_with_a_source() {
    let settings = "[quarantine]\ntopic = \"hooks.github\"";
    let refused = crate::server::refused(settings).await;
    assert!(refused.contains("hooks.github") && refused.contains("of its own"), "{refused}");
}
