//! Public vectors, run against the compiled-in schemes. Their secrets are often too short to be configured, so they are
//! run from inside the crate, where that one rule can be left out.

use std::collections::BTreeMap;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::keys::{Key, KeyError, Keys};
use crate::window::TimeUnit;
use crate::{Auth, Head, Rejection, Scheme, UnixMillis, builtin, builtin_names, verify};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    provider: String,
    source: String,
    secret: String,
    headers: serde_json::Map<String, serde_json::Value>,
    method: String,
    /// The URL as the provider has it, with its query.
    url: Option<String>,
    body: String,
    /// Seconds since 1970; none where the scheme has no clock, or the vector's source looks at none.
    now: Option<i64>,
    expect: Expect,
    note: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
enum Expect {
    Accept,
    Reject,
}

/// The scheme with what a source would set.
fn scheme(vector: &Vector) -> Scheme {
    let known = builtin(&vector.provider).unwrap_or_else(|| panic!("no provider {}", vector.provider));
    let mut settings = toml::Table::new();
    if let Some(url) = &vector.url {
        let base = url.split_once('?').map_or(url.as_str(), |(base, _)| base);
        settings.insert("url".to_owned(), base.into());
    }
    let named =
        |(name, _): (&str, &str)| (name.to_owned(), vector.params.get(name).map_or("unset", String::as_str).into());
    let params: toml::Table = known.params().map(named).collect();
    if !params.is_empty() {
        settings.insert("params".to_owned(), params.into());
    }
    let mut scheme = known.with_overrides(&settings).unwrap_or_else(|error| panic!("{}: {error}", vector.provider));
    if let (None, Auth::Mac(signed) | Auth::Hash(signed) | Auth::Sign(signed)) = (vector.now, &mut scheme.auth)
        && let Some(time) = &mut signed.time
    {
        time.unit = TimeUnit::Ignored;
    }
    scheme
}

fn verdict(vector: &Vector) -> Result<(), Rejection> {
    let scheme = scheme(vector);
    let mut headers = HeaderMap::new();
    for (name, value) in &vector.headers {
        let value = HeaderValue::from_str(value.as_str().expect("a header is a text")).expect("a header value");
        headers.append(name.parse::<HeaderName>().expect("a header name"), value);
    }
    let keys = match Key::of_a_vector("vector", vector.secret.as_bytes(), &scheme) {
        _ if !scheme.is_authenticated() => Keys::of_a_vector(Vec::new()),
        Ok(key) => Keys::of_a_vector(vec![key]),
        // An empty secret, or a public key under a symmetric scheme: refused before any request could come.
        Err(KeyError::Undecodable { .. } | KeyError::Empty { .. }) => return Err(Rejection::Mismatch),
        Err(error) => panic!("{}: {error}", vector.note),
    };
    let target = vector.url.as_deref().map_or("/", |url| {
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        url[after_scheme..].find(['/', '?']).map_or("/", |at| &url[after_scheme + at..])
    });
    let head = Head { method: &vector.method, path_and_query: target, headers: &headers };
    let now = UnixMillis(vector.now.unwrap_or(0) * 1000);
    verify(&scheme, &keys, head, vector.body.as_bytes(), now).map(drop)
}

fn read(path: &Path) -> Vec<Vector> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

#[test]
fn every_vector_is_judged_as_its_source_says() {
    let mut faults = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        for vector in read(&file) {
            let outcome = verdict(&vector);
            if outcome.is_ok() != (vector.expect == Expect::Accept) {
                let Vector { provider, note, source, expect, .. } = &vector;
                faults.push(format!("{provider}: {note} ({source}): {expect:?}, but {outcome:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} vectors fail:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_file_has_what_is_believed_and_what_is_not() {
    for name in builtin_names() {
        let file = folder().join(format!("{name}.json"));
        if file.exists() {
            let vectors = read(&file);
            assert!(vectors.iter().all(|vector| vector.provider == name), "{name}: a vector of another provider");
            assert!(vectors.iter().any(|vector| vector.expect == Expect::Reject), "{name}: nothing is refused");
        }
    }
}

/// Slack has published no vector that must be believed today, but the stale one was signed rightly in its time.
#[test]
fn stale_vectors_were_good_in_their_time() {
    let slack = ("slack", "stale", 1_531_420_618);
    let stripe = ("stripe", "outside 300 s", 1_533_204_620);
    let standard = ("standard-webhooks", "older than 300 s", 1_614_265_330);
    for (name, note, signed_at_s) in [slack, stripe, standard] {
        let vectors = read(&folder().join(format!("{name}.json")));
        let mut vector = vectors.into_iter().find(|vector| vector.note == note).expect("the stale vector");
        for (shift_s, expect) in [(0, true), (300, true), (301, false), (-301, false)] {
            vector.now = Some(signed_at_s + shift_s);
            assert_eq!(verdict(&vector).is_ok(), expect, "{name} {shift_s} s after");
        }
    }
}
