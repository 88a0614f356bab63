//! Key sets that lie at a URL: fetched, kept, renewed, and asked for anew when a token names a key that they lack.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hooklog_ingest::fetch::kept::{FRESH_MS, KEEP_MS, RETRY_MS};
use hooklog_ingest::fetch::remote::ASK_MS;
use hooklog_schemas::codec::decode;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};

use crate::live::live;
use crate::publisher::{Page, Publisher};
use crate::request::{Answer, exchange, post};
use crate::server::{NOW, Server, refused, start};

const HOST: &str = "keys.acme.example";

const PROVIDER: &str = "name = \"acme\"\ntitle = \"Acme\"\nsource = \"https://acme.example\"\nconfidence = \"documented\"\n\
    auth = \"jwt\"\nfn = \"eddsa\"\nsecret = { form = \"jwks\" }\nunsigned_body = true\n\
    signature = { from = { header = \"Authorization\" }, prefix = \"Bearer \" }\n\
    require = [{ from = { claim = \"/iss\" }, equals = \"Acme\" }]\n";

/// A key with its name.
struct Signer {
    kid: &'static str,
    key: KeyPair,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        Self { kid, key: KeyPair::generate_for(&PKCS_ED25519).unwrap() }
    }

    fn jwk(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.key.der_bytes());
        format!(r#"{{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"{}","x":"{x}"}}"#, self.kid)
    }

    /// An event with this header and issuer.
    fn sends_as(&self, jose: &str, issuer: &str) -> Vec<u8> {
        let claims = format!(r#"{{"iss":"{issuer}","exp":{}}}"#, NOW + 30 * 86_400);
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(jose), URL_SAFE_NO_PAD.encode(claims));
        let tag = URL_SAFE_NO_PAD.encode(self.key.sign(input.as_bytes()).unwrap());
        post("acme", &format!("authorization: Bearer {input}.{tag}\r\n"), b"{}")
    }

    fn sends(&self) -> Vec<u8> {
        self.sends_as(&format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.kid), "Acme")
    }
}

fn set(signers: &[&Signer]) -> Page {
    let keys: Vec<String> = signers.iter().map(|signer| signer.jwk()).collect();
    Page::of(format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
}

fn settings(publisher: &Publisher, deadline: &str) -> String {
    std::fs::write(publisher.folder().join("acme.toml"), PROVIDER).unwrap();
    format!(
        "providers = {:?}\n{}[sources.acme]\nprovider = \"acme\"\nkeys_url = \"https://{HOST}/jwks.json\"\n",
        publisher.folder().display().to_string(),
        publisher.settings(deadline)
    )
}

fn fetches(server: &Server, result: &str) -> u64 {
    server.sum(&format!("result=\"{result}\""), "hooklog_ingest_fetches_total")
}

async fn until(server: &Server, what: &str, holds: impl Fn() -> bool) {
    // Each turn of the edge's own look takes a moment: there is nothing else to wait for.
    let deadline = std::time::Instant::now() + crate::request::PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "never: {what}; {} requests", server.outcomes());
        tokio::task::yield_now().await;
    }
}

/// Sends all at once, and lets the publisher answer when all are in hand.
async fn at_once(server: &Arc<Server>, publisher: &Publisher, requests: Vec<Vec<u8>>, page: Page) -> Vec<Answer> {
    publisher.show(page.clone().hanging());
    let count = requests.len();
    let sent: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let server = Arc::clone(server);
            tokio::spawn(async move { exchange(&server, &request).await })
        })
        .collect();
    until(server, "all requests wait", || server.edge.requests_in_hand() == count).await;
    publisher.show(page);
    let mut answers = Vec::new();
    for one in sent {
        answers.push(one.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_source_answers_503_until_its_key_set_is_there_and_then_verifies_with_it() {
    let signer = Signer::new("one");
    let publisher = Publisher::at(HOST, Page::status("500 Oops")).await;
    let server = start(&settings(&publisher, "2s")).await;
    until(&server, "the set was asked for", || fetches(&server, "failed") == 1).await;
    let answer = exchange(&server, &signer.sends()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert_eq!((server.outcome("keys_away"), server.value("hooklog_ingest_key_set_usable")), (1, 0));
    publisher.show(set(&[&signer]));
    server.hand.advance_ms(RETRY_MS);
    assert_eq!(server.until(|status| status != 503, &signer.sends()).await.status, 200);
    until(&server, "the gauge tells", || server.value("hooklog_ingest_key_set_usable") == 1).await;
    assert_eq!(publisher.asked(), ["/jwks.json", "/jwks.json"]);
    let record = server.records().pop().unwrap();
    assert_eq!(decode(record.value.as_ref().unwrap()).unwrap().scheme, "acme:keys-url");
    for (jose, issuer) in [
        (r#"{"alg":"none","kid":"one"}"#, "Acme"),
        (r#"{"alg":"EdDSA","kid":"one","crit":["x"]}"#, "Acme"),
        (r#"{"alg":"EdDSA","kid":"one"}"#, "Evil"),
    ] {
        assert_eq!(exchange(&server, &signer.sends_as(jose, issuer)).await.status, 401, "{jose} of {issuer}");
    }
    assert_eq!(publisher.asked().len(), 2, "a wrong token is no reason to ask");
}

#[tokio::test]
async fn what_is_no_key_set_of_the_right_host_is_refused() {
    let signer = Signer::new("one");
    let good = set(&[&signer]);
    let redirect = Page { headers: format!("location: https://{HOST}/other\r\n"), ..Page::status("302 Found") };
    for (what, page, result) in [
        ("a redirect", redirect, "failed"),
        ("a status", Page::status("404 Not Found"), "failed"),
        ("too large", Page::of(format!("{}{}", " ".repeat(17_000), good.body)), "failed"),
        ("no set", Page::of("<html>"), "unusable"),
        ("a set without a usable key", Page::of(r#"{"keys":[]}"#), "unusable"),
        ("slow", good.clone().hanging(), "failed"),
    ] {
        let publisher = Publisher::at(HOST, page).await;
        let server = start(&settings(&publisher, "300ms")).await;
        until(&server, what, || fetches(&server, result) == 1).await;
        assert_eq!(exchange(&server, &signer.sends()).await.status, 503, "{what}");
        assert_eq!(publisher.asked(), ["/jwks.json"], "{what}");
        assert_eq!(server.stored(), 0, "{what}");
    }
    let other = Publisher::named(HOST, "other.example", good).await;
    let server = start(&settings(&other, "2s")).await;
    until(&server, "another host", || fetches(&server, "failed") == 1).await;
    assert_eq!(exchange(&server, &signer.sends()).await.status, 503);
    assert!(other.asked().is_empty(), "it was asked although it is another host");
}

#[tokio::test]
async fn a_rotated_key_is_asked_for_once_by_all_who_need_it_and_nobody_is_refused() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let publisher = Publisher::at(HOST, set(&[&old])).await;
    let server = Arc::new(start(&settings(&publisher, "20s")).await);
    assert_eq!(server.until(|status| status != 503, &old.sends()).await.status, 200);
    let both = set(&[&old, &new]);
    let answers = at_once(&server, &publisher, (0..50).map(|_| new.sends()).collect(), both).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(publisher.asked().len(), 2, "one fetch for all of them");
    assert_eq!(exchange(&server, &old.sends()).await.status, 200);
    assert_eq!(publisher.asked().len(), 2);
}

#[tokio::test]
async fn made_up_names_make_the_edge_ask_once_in_an_interval() {
    let (signer, stranger) = (Signer::new("one"), Signer::new("made-up"));
    let publisher = Publisher::at(HOST, set(&[&signer])).await;
    let server = Arc::new(start(&settings(&publisher, "20s")).await);
    assert_eq!(server.until(|status| status != 503, &signer.sends()).await.status, 200);
    let requests = (0..50).map(|_| stranger.sends()).collect();
    let answers = at_once(&server, &publisher, requests, set(&[&signer])).await;
    assert!(answers.iter().all(|answer| answer.status == 401), "{answers:?}");
    assert_eq!(publisher.asked().len(), 2);
    for _ in 0..3 {
        let answer = exchange(&server, &stranger.sends()).await;
        assert_eq!(answer.status, 503, "nobody has looked since");
        assert_eq!(exchange(&server, &signer.sends()).await.status, 200, "whom the set proves does not wait");
    }
    assert_eq!(publisher.asked().len(), 2);
    server.hand.advance_ms(ASK_MS);
    assert_eq!(exchange(&server, &stranger.sends()).await.status, 401);
    assert_eq!(publisher.asked().len(), 3);
    publisher.show(Page::status("500 Oops"));
    server.hand.advance_ms(ASK_MS);
    assert_eq!(exchange(&server, &stranger.sends()).await.status, 503, "whether there is such a key is not known");
    assert_eq!((publisher.asked().len(), server.stored()), (4, 4));
}

#[tokio::test]
async fn a_set_that_is_old_serves_while_nobody_gives_a_newer_but_not_for_ever() {
    let (old, new) = (Signer::new("one"), Signer::new("one"));
    let publisher = Publisher::at(HOST, set(&[&old])).await;
    let server = start(&settings(&publisher, "2s")).await;
    assert_eq!(server.until(|status| status != 503, &old.sends()).await.status, 200);
    publisher.show(Page::status("503 Away"));
    server.hand.advance_ms(FRESH_MS);
    until(&server, "it was asked for again", || fetches(&server, "failed") == 1).await;
    assert_eq!(exchange(&server, &old.sends()).await.status, 200, "the last good set serves");
    server.hand.advance_ms(KEEP_MS);
    assert_eq!(exchange(&server, &old.sends()).await.status, 503, "it has served long enough");
    publisher.show(set(&[&new]));
    assert_eq!(server.until(|status| status != 503, &new.sends()).await.status, 200);
    assert_eq!(exchange(&server, &old.sends()).await.status, 401, "the key was withdrawn");
}

#[tokio::test]
async fn what_was_fetched_outlives_a_reload_while_the_publisher_is_away() {
    let signer = Signer::new("one");
    let publisher = Publisher::at(HOST, set(&[&signer])).await;
    let settings = settings(&publisher, "2s");
    let live = live(&settings).await;
    assert_eq!(live.server.until(|status| status != 503, &signer.sends()).await.status, 200);
    publisher.show(Page::status("500 Oops"));
    live.apply(&format!("{settings}rate = 1000\n")).await;
    assert_eq!(exchange(&live.server, &signer.sends()).await.status, 200);
    live.apply(&format!("{}rate = 1000\n", settings.replace("jwks.json", "other.json"))).await;
    assert_eq!(exchange(&live.server, &signer.sends()).await.status, 503, "another URL's keys are others");
}

#[tokio::test]
async fn a_wrong_setting_is_named_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let no_pem = folder.path().join("no.pem");
    std::fs::write(&no_pem, "no certificate").unwrap();
    for (settings, words) in [
        ("ca = \"/nonexistent/ca.pem\"".to_owned(), ["fetch.ca /nonexistent/ca.pem", "can't be read"]),
        (format!("ca = {:?}", no_pem.display().to_string()), ["no.pem", "PEM file of authorities"]),
        ("via = { \"a.example\" = \"10.0.0.7\" }".to_owned(), ["fetch.via", "10.0.0.7:8443"]),
    ] {
        let error = refused(&format!("[fetch]\n{settings}\n")).await;
        assert!(words.iter().all(|word| error.contains(word)), "{settings}: {error}");
    }
}
