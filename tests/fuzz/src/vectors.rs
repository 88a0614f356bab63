//! What providers really send: the published vectors, and for those without one a request that this project signs itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hooklog_signatures::{Head, Keys, Scheme, UnixMillis, builtin, builtin_names, can_sign, sign, verify};
use serde::Deserialize;

use crate::request::{self, Request};

/// Secrets for providers whose vectors have none that could be configured: text, base64 and hex at once; a pair; with a prefix.
const SECRETS: [&str; 4] = [
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "user:00112233445566778899aabbccddeeff",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "name.00112233445566778899aabbccddeeff",
];

/// 2023-11-14T22:13:20Z, where nothing says otherwise.
const NOW_S: i64 = 1_700_000_000;

/// A published vector.
#[derive(Debug, Clone, Deserialize)]
pub struct Vector {
    secret: String,
    headers: BTreeMap<String, String>,
    method: String,
    url: Option<String>,
    body: String,
    now: Option<i64>,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

/// A provider as one source has it, with what is known to be genuine.
pub struct Provider {
    /// Its scheme with the source's settings.
    pub scheme: Scheme,
    /// The source's secret.
    pub keys: Keys,
    /// The secret as it is configured.
    pub secret: String,
    /// When its genuine requests are judged.
    pub now: UnixMillis,
    /// Texts of requests that are believed; none where nobody has published one and we can't sign.
    pub genuine: Vec<Vec<u8>>,
    /// Texts of all vectors, refused ones too.
    pub all: Vec<Vec<u8>>,
}

/// Every provider that can be configured, by name.
pub static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| builtin_names().filter_map(provider).collect());

/// The folder of the signatures' crate.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ingest/signatures")
}

impl Vector {
    fn text(&self) -> Vec<u8> {
        let target = self.url.as_deref().map_or("/in/x", |url| {
            let host = url.find("://").map_or(0, |at| at + 3);
            url[host..].find(['/', '?']).map_or("/", |at| &url[host + at..])
        });
        let headers: Vec<_> = self.headers.iter().collect();
        request::text(&format!("{} {target}", self.method), &headers, self.body.as_bytes())
    }
}

impl Provider {
    /// What a request's text is judged to be.
    #[must_use]
    pub fn believes(&self, request: &Request<'_>) -> bool {
        let head = Head { method: request.method, path_and_query: request.target, headers: &request.headers };
        verify(&self.scheme, &self.keys, head, request.body, self.now).is_ok()
    }

    fn believes_text(&self, text: &[u8]) -> bool {
        Request::parse(text).is_some_and(|request| self.believes(&request))
    }

    fn configured(name: &str, secret: &str, vector: Option<&Vector>) -> Option<Self> {
        let scheme = scheme(name, vector)?;
        let keys = match scheme.is_authenticated() {
            true => Keys::new(&scheme, [("a", secret)]).ok()?,
            false => Keys::new::<&str, &str>(&scheme, []).ok()?,
        };
        let now = UnixMillis(vector.and_then(|vector| vector.now).unwrap_or(NOW_S) * 1000);
        Some(Self { scheme, keys, secret: secret.to_owned(), now, genuine: Vec::new(), all: Vec::new() })
    }
}

/// The scheme as a source would set it.
fn scheme(name: &str, vector: Option<&Vector>) -> Option<Scheme> {
    let known = builtin(name)?;
    let mut settings = toml::Table::new();
    match vector.and_then(|vector| vector.url.as_deref()) {
        Some(url) => settings.insert("url".to_owned(), url.split('?').next().unwrap_or(url).into()),
        None if known.needs_url() => settings.insert("url".to_owned(), "https://hooks.example/in/x".into()),
        None => None,
    };
    let value = |name: &str| vector.and_then(|vector| vector.params.get(name)).map_or("unset", String::as_str);
    let params: toml::Table = known.params().map(|(name, _)| (name.to_owned(), value(name).into())).collect();
    if !params.is_empty() {
        settings.insert("params".to_owned(), params.into());
    }
    known.with_overrides(&settings).ok()
}

fn provider(name: &str) -> Option<Provider> {
    let vectors: Vec<Vector> = std::fs::read_to_string(folder().join(format!("vectors/{name}.json")))
        .map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("vectors of {name}: {error}")))
        .unwrap_or_default();
    let texts: Vec<Vec<u8>> = vectors.iter().map(Vector::text).collect();
    // The first vector that is believed says how the source is set; then those that are believed by the same setting.
    let set = vectors.iter().zip(&texts).find_map(|(vector, text)| {
        Provider::configured(name, &vector.secret, Some(vector)).filter(|provider| provider.believes_text(text))
    });
    let mut provider =
        set.or_else(|| SECRETS.iter().find_map(|secret| Provider::configured(name, secret, vectors.first())))?;
    let signed = signed(&provider);
    provider.genuine = texts.iter().chain(&signed).filter(|text| provider.believes_text(text)).cloned().collect();
    provider.all = texts.into_iter().chain(signed).collect();
    Some(provider)
}

/// A request of our own making, where we can.
fn signed(provider: &Provider) -> Option<Vec<u8>> {
    if !can_sign(&provider.scheme) {
        return None;
    }
    let body = br#"{"id":"evt_1","type":"thing.happened","data":{"id":"d1"}}"#;
    let headers = sign(&provider.scheme, provider.keys.iter().next(), "evt_1", provider.now, body);
    Some(request::text("POST /", &headers, body))
}
