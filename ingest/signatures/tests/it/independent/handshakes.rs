//! What providers ask before they send events, as their documentation shows it, and what they want to hear.

use hooklog_signatures::{Head, Keys, Scheme, answer, builtin, verify};

use super::senders::FORMULAS;
use super::{Base64, Hex, Key, Sent, Sha256};
use crate::outside::{NOW, SECRET, header_map};

/// Provider, method, target, headers, body; then the status and body of the answer.
type Ask = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    &'static str,
);

/// What a source sets for every parameter of the scheme.
const PARAM: &str = "token-1";

const UNSIGNED: &[Ask] = &[
    ("dropbox", "GET", "/in/x?challenge=abc123", &[], "", 200, "abc123"),
    ("nylas", "GET", "/in/x?challenge=abc123", &[], "", 200, "abc123"),
    (
        "meta",
        "GET",
        "/in/x?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=token-1",
        &[],
        "",
        200,
        "1158201444",
    ),
    ("whatsapp", "GET", "/in/x?hub.mode=subscribe&hub.verify_token=token-1&hub.challenge=7", &[], "", 200, "7"),
    (
        "strava",
        "GET",
        "/in/x?hub.verify_token=token-1&hub.challenge=15f7d1a91c1f40f8&hub.mode=subscribe",
        &[],
        "",
        200,
        r#"{"hub.challenge":"15f7d1a91c1f40f8"}"#,
    ),
    ("oura", "GET", "/in/x?verification_token=token-1&challenge=abc", &[], "", 200, r#"{"challenge":"abc"}"#),
    (
        "microsoft-graph",
        "POST",
        "/in/x?validationToken=Validation%3A+Testing+client+application+reachability+for+subscription+Request-Id%3A+6c1",
        &[("content-type", "text/plain; charset=utf-8")],
        "",
        200,
        "Validation: Testing client application reachability for subscription Request-Id: 6c1",
    ),
    ("okta", "GET", "/in/x", &[("x-okta-verification-challenge", "abc-1")], "", 200, r#"{"verification":"abc-1"}"#),
    (
        "event-grid",
        "POST",
        "/in/x",
        &[("aeg-event-type", "SubscriptionValidation"), ("content-type", "application/json")],
        r#"[{"id":"1","data":{"validationCode":"512d38b6-c7b8","validationUrl":"https://x"}}]"#,
        200,
        r#"{"validationResponse":"512d38b6-c7b8"}"#,
    ),
    ("monday", "POST", "/in/x", &[], r#"{"challenge":"3eZbrw1aBm2r"}"#, 200, r#"{"challenge":"3eZbrw1aBm2r"}"#),
    ("trello", "HEAD", "/in/x", &[], "", 200, ""),
    ("mandrill", "HEAD", "/in/x", &[], "", 200, ""),
    ("asana", "POST", "/in/x", &[("x-hook-secret", "b537207f20cbfa02357cf448134da559")], "", 200, ""),
    ("notion", "POST", "/in/x", &[], r#"{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZ"}"#, 200, ""),
    ("cloudevents", "OPTIONS", "/in/x", &[("webhook-request-origin", "events.example.com")], "", 200, ""),
];

/// The headers of the answers that have some.
const HEADERS: &[(&str, &str, &str)] = &[
    ("asana", "x-hook-secret", "b537207f20cbfa02357cf448134da559"),
    ("cloudevents", "webhook-allowed-origin", "events.example.com"),
    ("cloudevents", "webhook-allowed-rate", "*"),
];

/// A source that answers handshakes, with all its parameters set.
fn source(provider: &str) -> Scheme {
    let known = builtin(provider).unwrap_or_else(|| panic!("{provider} is no provider"));
    let params: toml::Table = known.params().map(|(name, _)| (name.to_owned(), PARAM.into())).collect();
    let url = "https://hooks.example.com/in/x";
    let mut settings =
        toml::Table::from_iter([("unsigned_handshakes".to_owned(), true.into()), ("url".to_owned(), url.into())]);
    if !params.is_empty() {
        settings.insert("params".to_owned(), params.into());
    }
    known.with_overrides(&settings).unwrap_or_else(|error| panic!("{provider}: {error}"))
}

fn keys(scheme: &Scheme) -> Keys {
    let secret = [("k1", SECRET)];
    if scheme.is_authenticated() { Keys::new(scheme, secret) } else { Keys::new::<&str, &str>(scheme, []) }
        .unwrap_or_else(|error| panic!("{}: {error}", scheme.name))
}

#[test]
fn unsigned_handshakes_are_answered_as_documented() {
    for &(provider, method, target, headers, body, status, expected) in UNSIGNED {
        let scheme = source(provider);
        let headers = header_map(headers);
        let head = Head { method, path_and_query: target, headers: &headers };
        let answer = answer(&scheme, &keys(&scheme), head, body.as_bytes(), None);
        let answer = answer.unwrap_or_else(|| panic!("{provider} gets no answer"));
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, expected), "{provider}");
        for &(_, name, value) in HEADERS.iter().filter(|(of, ..)| *of == provider) {
            let found = answer.headers.iter().find(|(found, _)| found == name);
            assert_eq!(found.and_then(|(_, value)| value.to_str().ok()), Some(value), "{provider}: {name}");
        }
        let tells_the_secret = ["asana", "notion"].contains(&provider);
        assert_eq!(answer.captured.is_some(), tells_the_secret, "{provider}");
    }
}

#[test]
fn a_wrong_verify_token_gets_no_answer() {
    for provider in ["meta", "whatsapp", "instagram", "messenger", "facebook-lead-ads", "strava"] {
        let scheme = source(provider);
        let headers = header_map::<&str>(&[]);
        let path_and_query = "/in/x?hub.mode=subscribe&hub.challenge=1&hub.verify_token=token-2";
        let head = Head { method: "GET", path_and_query, headers: &headers };
        assert_eq!(answer(&scheme, &keys(&scheme), head, b"", None), None, "{provider}");
    }
}

#[test]
fn x_gets_the_hash_of_its_token() {
    let scheme = source("x");
    let headers = header_map::<&str>(&[]);
    let head = Head { method: "GET", path_and_query: "/in/x?crc_token=9b4507b3-9040&nonce=1", headers: &headers };
    let answer = answer(&scheme, &keys(&scheme), head, b"", None).expect("an answer");
    let hash = Base64.write(&Sha256.mac(SECRET.as_bytes(), &[b"9b4507b3-9040"]));
    assert_eq!(answer.body, format!(r#"{{"response_token":"sha256={hash}"}}"#));
}

/// The answer to a body that the provider signs.
fn signed(provider: &str, body: &str) -> String {
    let &(_, key, _, formula) = FORMULAS.iter().find(|row| row.0 == provider).expect("a formula");
    let scheme = source(provider);
    let secret = key.configured(SECRET);
    let keys = Keys::new(&scheme, [("k1", secret.as_str())]).expect("a key");
    let mut headers = formula(&Sent { key: Key::bytes(key, &secret), body: body.as_bytes() });
    if provider == "twitch" {
        headers.push(("Twitch-Eventsub-Message-Type", "webhook_callback_verification".to_owned()));
    }
    let headers = header_map(&headers);
    let head = Head { method: "POST", path_and_query: "/in/x", headers: &headers };
    let proof = verify(&scheme, &keys, head, body.as_bytes(), NOW).expect("signed just now");
    answer(&scheme, &keys, head, body.as_bytes(), Some(&proof)).expect("an answer").body
}

#[test]
fn signed_handshakes_are_answered_as_documented() {
    let zoom = r#"{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event":"endpoint.url_validation"}"#;
    let hash = Hex.write(&Sha256.mac(SECRET.as_bytes(), &[b"qgg8vlvZRS6UYooatFL8Aw"]));
    let answered: serde_json::Value = serde_json::from_str(&signed("zoom", zoom)).expect("JSON");
    assert_eq!(answered, serde_json::json!({ "plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": hash }));
    let twitch = r#"{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"id":"f1c2a387"}}"#;
    assert_eq!(signed("twitch", twitch), "pogchamp-kappa-360noscope-vohiyo");
    assert_eq!(
        signed("tebex", r#"{"id":"87d1b4f9","type":"validation.webhook","subject":{}}"#),
        r#"{"id":"87d1b4f9"}"#
    );
}
