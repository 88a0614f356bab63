//! Public vectors, run against the compiled-in schemes. Their secrets are often too short to be configured, so they are
//! run from inside the crate, where that one rule can be left out.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::keys::{Key, KeyError, Keys};
use crate::{Head, UnixMillis, builtin, verify};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    provider: String,
    source: String,
    secret: String,
    headers: serde_json::Map<String, serde_json::Value>,
    method: String,
    url: Option<String>,
    body: String,
    /// Seconds since 1970; none where the scheme has no clock.
    now: Option<i64>,
    expect: Expect,
    note: String,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
enum Expect {
    Accept,
    Reject,
}

fn verdict(vector: &Vector) -> Expect {
    let scheme = builtin(&vector.provider).expect("a vector's provider is compiled in");
    let mut headers = HeaderMap::new();
    for (name, value) in &vector.headers {
        let value = HeaderValue::from_str(value.as_str().expect("a header is a text")).expect("a header value");
        headers.append(name.parse::<HeaderName>().expect("a header name"), value);
    }
    let key = match Key::of_a_vector(vector.secret.as_bytes(), scheme) {
        Ok(key) => key,
        // A public key under a symmetric scheme: refused before any request could come.
        Err(KeyError::Undecodable { .. }) => return Expect::Reject,
        Err(error) => panic!("{}: {error}", vector.note),
    };
    let path_and_query = vector.url.as_deref().unwrap_or("/");
    let head = Head { method: &vector.method, path_and_query, headers: &headers };
    let now = UnixMillis(vector.now.unwrap_or(0) * 1000);
    match verify(scheme, &Keys::of_a_vector(key), head, vector.body.as_bytes(), now) {
        Ok(_) => Expect::Accept,
        Err(_) => Expect::Reject,
    }
}

fn read(file: &str) -> Vec<Vector> {
    serde_json::from_str(file).expect("vectors are JSON")
}

fn run(file: &str) {
    let vectors = read(file);
    assert!(vectors.iter().any(|vector| vector.expect == Expect::Reject));
    for vector in vectors {
        assert_eq!(verdict(&vector), vector.expect, "{}: {} ({})", vector.provider, vector.note, vector.source);
    }
}

#[test]
fn github() {
    run(include_str!("../vectors/github.json"));
}

#[test]
fn stripe() {
    run(include_str!("../vectors/stripe.json"));
}

#[test]
fn shopify() {
    run(include_str!("../vectors/shopify.json"));
}

#[test]
fn slack() {
    run(include_str!("../vectors/slack.json"));
}

#[test]
fn standard_webhooks() {
    run(include_str!("../vectors/standard-webhooks.json"));
}

#[test]
fn svix() {
    run(include_str!("../vectors/svix.json"));
}

/// Slack has published no vector that must be believed today, but the stale one was signed rightly in its time.
#[test]
fn stale_vectors_were_good_in_their_time() {
    let slack = (include_str!("../vectors/slack.json"), "stale", 1_531_420_618);
    let stripe = (include_str!("../vectors/stripe.json"), "outside 300 s", 1_533_204_620);
    let standard = (include_str!("../vectors/standard-webhooks.json"), "older than 300 s", 1_614_265_330);
    for (file, note, signed_at_s) in [slack, stripe, standard] {
        let mut vector = read(file).into_iter().find(|vector| vector.note == note).expect("the stale vector");
        for (shift_s, expect) in
            [(0, Expect::Accept), (300, Expect::Accept), (301, Expect::Reject), (-301, Expect::Reject)]
        {
            vector.now = Some(signed_at_s + shift_s);
            assert_eq!(verdict(&vector), expect, "{} {shift_s} s after", vector.provider);
        }
    }
}
