//! The providers' grammar: any text is a scheme or is refused, and what a scheme signs, it believes.

use std::fs;

use hooklog_signatures::{Head, Keys, Outgoing, Scheme, UnixMillis, can_sign, sign_request, verify};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::vectors::folder;

/// The grammar's own words.
pub const WORDS: &[&str] = &[
    "auth = \"mac\"",
    "auth = \"hash\"",
    "auth = \"token\"",
    "auth = \"basic\"",
    "auth = \"none\"",
    "auth = \"jwt\"",
    "fn = \"hmac-sha256\"",
    "fn = \"hmac-sha1\"",
    "fn = \"ed25519\"",
    "signed = \"",
    "{body}",
    "{timestamp}",
    "{id}",
    "{url}",
    "{path}",
    "{method}",
    "{secret}",
    "{payload}",
    "{query:a}",
    "{header:x-a}",
    "{form_sorted:unique}",
    "{query_sorted}",
    "{headers_listed}",
    "{param:a}",
    "{sha256(body)}",
    "{hex(sha256(body))}",
    "{lower(path)}",
    "[",
    "|",
    "]",
    "{{",
    "}}",
    "signature = { from = { header = \"X-S\" }, encoding = \"hex\" }",
    "secret = { form = \"raw\" }",
    "list = { ",
    "separator = \",\"",
    "pair = \"=\"",
    "labels = [\"v1\"]",
    "time = { from = { header = \"X-T\" }, unit = \"s\" }",
    "[[bind]]",
    "[[require]]",
    "[[handshake]]",
    "[delivery]",
    "[reply]",
    "[params]",
];

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// Forms that a scheme may want its secret in.
const SECRETS: [&str; 3] = [
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "user:00112233445566778899aabbccddeeff",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
];

/// A provider's file.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let scheme = match Scheme::from_toml(text) {
        Ok(scheme) => scheme,
        Err(error) => return assert!(!error.to_string().is_empty(), "a refusal says why"),
    };
    let keys = SECRETS.iter().find_map(|secret| Keys::new(&scheme, [("a", secret)]).ok());
    let Some(keys) = keys.filter(|_| can_sign(&scheme)) else { return };
    let (body, path_and_query) = (&b"{\"id\":\"1\"}"[..], "/in/x");
    let outgoing = Outgoing { method: "POST", path_and_query, id: "evt1", body };
    let signed = sign_request(&scheme, keys.iter().next(), outgoing, NOW);
    let Some(headers) = distinct(&signed) else { return };
    let head = Head { method: "POST", path_and_query, headers: &headers };
    let judged = verify(&scheme, &keys, head, body, NOW);
    assert!(judged.is_ok(), "{:?} does not believe what it signed: {judged:?} {signed:?}", scheme.name);
}

/// The headers, if each stands once: a file may give one header two meanings, and then no request can have both.
fn distinct(signed: &[(String, String)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in signed {
        let (name, value) = (name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?);
        if headers.insert(name, value).is_some() {
            return None;
        }
    }
    Some(headers)
}

/// Every provider's file.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder().join("providers")).expect("the providers' folder can be read");
    let mut paths: Vec<_> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}
