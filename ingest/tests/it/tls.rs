//! TLS at the edge's own door: who is let in, who is not, and how a certificate is changed while connections go on.

use std::path::Path;
use std::time::Instant;

use hooklog_ingest::config::Config;
use hooklog_ingest::tls::Tls;
use hooklog_process::clock::Clock;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::authority::{Authority, Client, Files, Issued, LONG, setting, shown};
use crate::request::{PATIENCE, github, is_closed, read_answer};
use crate::server::{NOW, Server, start};

const EXPIRY: &str = "hooklog_ingest_tls_certificate_expiry_seconds";
const FAILURES: &str = "hooklog_ingest_tls_reload_failures_total";

/// 2090-01-01T00:00:00Z.
const LONG_ENDS: u64 = 3_786_912_000;

/// Each alone.
const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&TLS13], &[&TLS12]];

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
    }
}

/// Waits until new connections are shown this certificate.
async fn until_shown(server: &Server, client: &Client, issued: &Issued) {
    until("the certificate is shown", async || shown(&client.connect(server).await.unwrap()) == issued.der()).await;
}

#[tokio::test]
async fn requests_are_taken_over_both_versions_and_as_http_1_1_only() {
    let authority = Authority::new();
    let server = start(&Files::holding(&authority.issue(LONG)).settings()).await;
    for versions in VERSIONS {
        let client = Client { versions, protocols: &["h2", "http/1.1"], ..authority.client() };
        let mut stream = client.connect(&server).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]), "{versions:?}");
        for _ in 0..3 {
            stream.write_all(&github(b"{}")).await.unwrap();
            assert_eq!(read_answer(&mut stream).await.unwrap().status, 200, "{versions:?}");
        }
    }
    assert_eq!(server.stored(), 6);
    let http2 = Client { protocols: &["h2"], ..authority.client() };
    assert!(http2.connect(&server).await.is_err(), "a protocol was agreed on that is not spoken");
    assert_eq!(server.closed("tls_refused"), 1);
}

#[tokio::test]
async fn plain_http_is_closed_without_an_answer_and_without_a_reset() {
    let server = start(&Files::holding(&Authority::new().issue(LONG)).settings()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&github(&[b'x'; 100_000])).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.expect("the connection was reset");
    assert_eq!(heard.first(), Some(&21), "not an alert of TLS: {heard:?}");
    assert_eq!((server.closed("tls_refused"), server.outcomes(), server.stored()), (1, 0, 0));
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut_and_so_is_silence_after_it() {
    let authority = Authority::new();
    let files = Files::holding(&authority.issue(LONG));
    let server = start(&format!("{}[timeouts]\nfirst_byte = \"300ms\"", files.settings())).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut begun = TcpStream::connect(server.address).await.unwrap();
    // The head of a record that promises 512 bytes, and the first of them.
    begun.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    assert!(is_closed(&mut silent).await && is_closed(&mut begun).await);
    assert_eq!(server.closed("tls_handshake"), 2);
    let mut shaken = authority.client().connect(&server).await.unwrap();
    assert!(is_closed(&mut shaken).await);
    assert_eq!((server.closed("first_byte"), server.closed("tls_handshake"), server.outcomes()), (1, 2, 0));
}

#[tokio::test]
async fn a_client_needs_a_certificate_of_the_authority_that_holds_by_the_edges_clock() {
    let (authority, other) = (Authority::new(), Authority::new());
    let files = Files::holding(&authority.issue(LONG));
    files.write("ca.pem", &authority.certificate, 0o644);
    let server = start(&format!("{}{}", files.settings(), setting("client_ca", &files.path("ca.pem")))).await;
    let cases = [
        ("none", None, false),
        ("another authority's", Some(other.issue(LONG)), false),
        ("ended", Some(authority.issue((2020, 2023))), false),
        ("still to begin", Some(authority.issue((2024, 2090))), false),
        ("a good one", Some(authority.issue(LONG)), true),
    ];
    for (what, own, is_taken) in cases {
        let client = Client { own, ..authority.client() };
        let answer = client.exchange(&server, &github(b"{}")).await;
        assert_eq!(answer.map(|answer| answer.status), is_taken.then_some(200), "{what}");
    }
    assert_eq!((server.closed("tls_refused"), server.stored()), (4, 1));
    let ending = Client { own: Some(authority.issue((2020, 2024))), ..authority.client() };
    assert!(ending.exchange(&server, &github(b"{}")).await.is_some(), "2023, and it ends with 2023");
    server.hand.advance_ms(60 * 24 * 3_600_000);
    assert!(ending.exchange(&server, &github(b"{}")).await.is_none(), "it has ended");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let authority = Authority::new();
    let (first, second) = (authority.issue((2020, 2080)), authority.issue(LONG));
    let files = Files::holding(&first);
    let server = start(&files.settings()).await;
    let client = authority.client();
    let mut open = client.connect(&server).await.unwrap();
    assert_eq!(shown(&open), first.der());
    files.hold(&second);
    until_shown(&server, &client, &second).await;
    assert_eq!((server.value(EXPIRY), server.value(FAILURES)), (LONG_ENDS, 0));
    open.write_all(&github(b"{}")).await.unwrap();
    assert_eq!(read_answer(&mut open).await.unwrap().status, 200, "an open connection was cut");
}

#[tokio::test]
async fn what_cannot_be_used_leaves_the_last_good_certificate() {
    let authority = Authority::new();
    let (good, better) = (authority.issue(LONG), authority.issue(LONG));
    let files = Files::holding(&good);
    let server = start(&files.settings()).await;
    let client = authority.client();
    let broken: [(&str, &dyn Fn()); 6] = [
        ("another key", &|| files.write("key.pem", &better.key, 0o600)),
        ("a blank file", &|| files.write("certificate.pem", "", 0o644)),
        ("half a file", &|| files.write("certificate.pem", &better.certificate[..300], 0o644)),
        ("one that ended", &|| files.hold(&authority.issue((2020, 2022)))),
        ("a key for everybody", &|| files.write("key.pem", &better.key, 0o644)),
        ("no file", &|| std::fs::remove_file(files.path("certificate.pem")).unwrap()),
    ];
    for (number, (what, spoil)) in (1..).zip(broken) {
        spoil();
        until(what, async || server.value(FAILURES) == number).await;
        assert_eq!(shown(&client.connect(&server).await.unwrap()), good.der(), "{what}");
        assert_eq!(server.value(EXPIRY), LONG_ENDS, "{what}");
    }
    files.hold(&better);
    until_shown(&server, &client, &better).await;
    assert_eq!(server.value(FAILURES), 6, "a change was tried more than once");
}

#[tokio::test]
async fn past_the_limit_a_connection_is_closed_before_its_handshake() {
    let authority = Authority::new();
    let files = Files::holding(&authority.issue(LONG));
    let server = start(&format!("{}[limits]\nconnections = 1", files.settings())).await;
    let mut first = authority.client().connect(&server).await.unwrap();
    assert!(authority.client().connect(&server).await.is_err());
    assert_eq!(server.closed("full"), 1);
    first.write_all(&github(b"{}")).await.unwrap();
    assert_eq!(read_answer(&mut first).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_drain_finishes_what_was_begun_and_a_handshake_does_not_hold_it_up() {
    let authority = Authority::new();
    let mut server = start(&Files::holding(&authority.issue(LONG)).settings()).await;
    let _shaking = TcpStream::connect(server.address).await.unwrap();
    let mut busy = authority.client().connect(&server).await.unwrap();
    let request = github(b"{}");
    busy.write_all(&request[..request.len() - 1]).await.unwrap();
    until("the request is in hand", async || server.has_request_in_hand()).await;
    server.shutdown.request();
    busy.write_all(b"}").await.unwrap();
    let answer = read_answer(&mut busy).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(is_closed(&mut busy).await);
    drop(busy);
    tokio::time::timeout(PATIENCE, &mut server.served).await.expect("the edge did not end").unwrap().unwrap();
}

/// Why an edge with these settings does not start.
fn refused(settings: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config: Config = crate::server::config(folder.path(), settings);
    let (clock, _hand) = Clock::manual(NOW * 1000);
    Tls::open(&config.tls, &clock).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_certificate_that_cannot_serve_is_refused_at_the_start_and_named() {
    let authority = Authority::new();
    let (good, other) = (authority.issue(LONG), authority.issue(LONG));
    let files = Files::holding(&good);
    files.write("ended.pem", &authority.issue((2020, 2023)).certificate, 0o644);
    files.write("early.pem", &authority.issue((2024, 2090)).certificate, 0o644);
    files.write("other.pem", &other.key, 0o600);
    files.write("open.pem", &good.key, 0o644);
    files.write("blank.pem", "", 0o600);
    // A good certificate, and the authority in between that has ended.
    files.write("chain.pem", &format!("{}{}", good.certificate, authority.issue((2020, 2023)).certificate), 0o644);
    files.write("broken.pem", &good.key.replace("MIG", "!!!"), 0o600);
    let nothing = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    files.write("nothing.pem", nothing, 0o600);
    files.write("hollow.pem", &nothing.replace("PRIVATE KEY", "CERTIFICATE"), 0o644);
    for (certificate, key, words) in [
        ("ended.pem", "key.pem", &["tls.certificate", "ended.pem", "ended at 1672531200", "renew"][..]),
        ("early.pem", "key.pem", &["tls.certificate", "early.pem", "begins at"]),
        ("chain.pem", "key.pem", &["tls.certificate", "chain.pem", "ended at"]),
        ("certificate.pem", "other.pem", &["tls.key", "other.pem", "certificate.pem", "belong"]),
        ("certificate.pem", "open.pem", &["tls.key", "open.pem", "chmod 600"]),
        ("certificate.pem", "blank.pem", &["tls.key", "blank.pem", "no key"]),
        ("certificate.pem", "broken.pem", &["tls.key", "broken.pem", "base64"]),
        ("certificate.pem", "nothing.pem", &["tls.key", "nothing.pem", "private key"]),
        ("hollow.pem", "key.pem", &["tls.certificate", "hollow.pem", "can't be used"]),
        ("certificate.pem", "none.pem", &["tls.key", "none.pem", "can't be read"]),
        ("blank.pem", "key.pem", &["tls.certificate", "blank.pem", "no certificate"]),
        ("none.pem", "key.pem", &["tls.certificate", "none.pem", "can't be read"]),
        ("key.pem", "key.pem", &["tls.certificate", "key.pem", "no certificate"]),
    ] {
        let (certificate, key) = (files.path(certificate), files.path(key));
        let error = refused(&format!("[tls]\n{}{}", setting("certificate", &certificate), setting("key", &key)));
        assert!(words.iter().all(|word| error.contains(word)), "{certificate:?}, {key:?} gave: {error}");
        assert!(!error.contains(&good.key[40..60]), "{error}");
    }
}

#[test]
fn half_a_configuration_is_refused_and_never_taken_for_none() {
    let some = setting("certificate", Path::new("c.pem"));
    for (settings, words) in [
        (some.clone(), ["tls.certificate is set", "tls.key is not"]),
        (setting("key", Path::new("k.pem")), ["tls.key is set", "tls.certificate is not"]),
        (setting("client_ca", Path::new("ca.pem")), ["tls.client_ca is set", "tls.certificate is not"]),
    ] {
        let error = refused(&format!("[tls]\n{settings}"));
        assert!(words.iter().all(|word| error.contains(word)), "{settings} gave: {error}");
    }
    let authority = Authority::new();
    let files = Files::holding(&authority.issue(LONG));
    files.write("ca.pem", "no certificate", 0o644);
    let error = refused(&format!("{}{}", files.settings(), setting("client_ca", &files.path("ca.pem"))));
    assert!(error.contains("tls.client_ca") && error.contains("ca.pem"), "{error}");
}
