//! What providers send, by formulas written by hand over another crypto crate: a check of the provider files themselves.

mod handshakes;
mod senders;

use std::path::Path;

use hooklog_signatures::{Head, Keys, Scheme, UnixMillis, builtin, builtin_names, verify};
use http::HeaderMap;
use ring::{digest, hmac};

use Encoding::{Base64, Base64Url, Hex};
use Hash::{Sha1, Sha256, Sha512};
use Key::{Decoded, Hexed, Text, Whsec};

use self::senders::{FORMULAS, OVER_BODY, STANDARD};
use crate::outside::{BODY, NOW, SECRET, header_map};

const OTHER_SECRET: &str = "aW5kZXBlbmRlbnQgb3RoZXIga2V5ISEh";
const SECONDS: &str = "1700000000";
/// A day: further off than any tolerance.
const FAR_S: i64 = 86_401;
/// What the constructed vectors give as their source.
const CONSTRUCTED: &str = "constructed: independent implementation";

/// How the configured text becomes the key.
#[derive(Clone, Copy)]
enum Key {
    /// As it is.
    Text,
    /// From base64.
    Decoded,
    /// From base64 after `whsec_`.
    Whsec,
    /// From hex.
    Hexed,
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Clone, Copy)]
enum Encoding {
    Hex,
    Base64,
    Base64Url,
}

/// One delivery: what the formulas sign.
struct Sent<'a> {
    key: Vec<u8>,
    body: &'a [u8],
}

type Headers = Vec<(&'static str, String)>;

/// Provider, key, hash, encoding, header, prefix: the body alone is signed.
type OverBody = (&'static str, Key, Hash, Encoding, &'static str, &'static str);

/// Provider, key, seconds of age that are accepted (0: no clock is read), and the headers.
type Formula = (&'static str, Key, i64, fn(&Sent<'_>) -> Headers);

impl Key {
    fn configured(self, secret: &str) -> String {
        match self {
            Text | Decoded => secret.to_owned(),
            Whsec => format!("whsec_{secret}"),
            Hexed => hex::encode(secret),
        }
    }

    fn bytes(self, configured: &str) -> Vec<u8> {
        match self {
            Text => configured.as_bytes().to_vec(),
            Decoded => crate::outside::unbase64(configured),
            Whsec => crate::outside::unbase64(configured.trim_start_matches("whsec_")),
            Hexed => hex::decode(configured).expect("hex"),
        }
    }
}

impl Hash {
    fn mac(self, key: &[u8], text: &[&[u8]]) -> Vec<u8> {
        let algorithm = match self {
            Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Sha256 => hmac::HMAC_SHA256,
            Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), &text.concat()).as_ref().to_vec()
    }

    fn digest(self, text: &[&[u8]]) -> Vec<u8> {
        let algorithm = match self {
            Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Sha256 => &digest::SHA256,
            Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, &text.concat()).as_ref().to_vec()
    }
}

impl Encoding {
    fn write(self, bytes: &[u8]) -> String {
        match self {
            Hex => hex::encode(bytes),
            Base64 => crate::outside::base64(bytes),
            Base64Url => crate::outside::base64(bytes).replace('+', "-").replace('/', "_"),
        }
    }
}

impl Sent<'_> {
    fn hex(&self, text: &[&[u8]]) -> String {
        Hex.write(&Sha256.mac(&self.key, text))
    }

    fn base64(&self, text: &[&[u8]]) -> String {
        Base64.write(&Sha256.mac(&self.key, text))
    }

    /// `{time label}={time},{label}={hex}` over the time, a dot and the body.
    fn dotted(&self, at: &str, time_label: &str, label: &str) -> String {
        format!("{time_label}={at},{label}={}", self.hex(&[at.as_bytes(), b".", self.body]))
    }

    fn standard(&self, [id, time, signature]: [&'static str; 3]) -> Headers {
        let signed = self.base64(&[b"msg_1.", SECONDS.as_bytes(), b".", self.body]);
        vec![(signature, format!("v1,{signed}")), (id, "msg_1".to_owned()), (time, SECONDS.to_owned())]
    }
}

/// Calls with every provider of the three tables: its name, key, accepted age and formula.
fn each_sender(mut call: impl FnMut(&'static str, Key, i64, &dyn Fn(&Sent<'_>) -> Headers)) {
    for &(provider, key, hash, encoding, header, prefix) in OVER_BODY {
        call(provider, key, 0, &|sent| {
            vec![(header, format!("{prefix}{}", encoding.write(&hash.mac(&sent.key, &[sent.body]))))]
        });
    }
    for &(provider, key, names) in STANDARD {
        call(provider, key, 300, &|sent| sent.standard(names));
    }
    for &(provider, key, past_s, formula) in FORMULAS {
        call(provider, key, past_s, &formula);
    }
}

fn accepted(scheme: &Scheme, secret: &str, headers: &HeaderMap, body: &[u8], now: UnixMillis) -> bool {
    let keys = Keys::new(scheme, [("k1", secret)]).unwrap_or_else(|error| panic!("{}: {error}", scheme.name));
    verify(scheme, &keys, Head { method: "POST", path_and_query: "/in/x", headers }, body, now).is_ok()
}

#[test]
fn what_a_provider_signs_is_believed_and_nothing_else() {
    each_sender(|provider, key, past_s, formula| {
        let scheme = builtin(provider).unwrap_or_else(|| panic!("{provider} is no provider"));
        let secret = key.configured(SECRET);
        let headers = formula(&Sent { key: key.bytes(&secret), body: BODY });
        let map = header_map(&headers);
        let later = |seconds: i64| UnixMillis(NOW.0 + seconds * 1000);
        assert!(accepted(scheme, &secret, &map, BODY, NOW), "{provider}: honest");
        assert!(accepted(scheme, &secret, &map, BODY, later(past_s)), "{provider}: {past_s} s old");
        assert!(!accepted(scheme, &secret, &map, &[BODY, b" "].concat(), NOW), "{provider}: another body");
        let other = key.configured(OTHER_SECRET);
        assert!(!accepted(scheme, &other, &map, BODY, NOW), "{provider}: another secret");
        let missing = header_map(&headers[1..]);
        assert!(!accepted(scheme, &secret, &missing, BODY, NOW), "{provider}: no {}", headers[0].0);
        for seconds in [past_s + 1, -FAR_S] {
            let stale = accepted(scheme, &secret, &map, BODY, later(seconds));
            assert_eq!(stale, past_s == 0, "{provider}: {seconds} s after");
        }
    });
}

/// The vectors of a provider, if it has any.
fn vectors(provider: &str) -> Vec<serde_json::Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/{provider}.json"));
    match std::fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())),
        Err(_) => Vec::new(),
    }
}

#[test]
fn every_provider_that_proves_itself_has_what_is_believed_and_what_is_not() {
    let has = |provider: &str, verdict: &str| vectors(provider).iter().any(|vector| vector["expect"] == verdict);
    let proves = |name: &&str| builtin(name).is_some_and(Scheme::is_authenticated);
    let bare: Vec<_> =
        builtin_names().filter(proves).filter(|name| !has(name, "accept") || !has(name, "reject")).collect();
    assert!(bare.is_empty(), "without vectors: {bare:?}");
}

#[test]
fn the_constructed_vectors_are_fixed_copies_of_the_formulas() {
    each_sender(|provider, key, _, formula| {
        let vectors = vectors(provider);
        let honest = vectors.iter().filter(|vector| vector["source"] == CONSTRUCTED && vector["expect"] == "accept");
        let mut copies = 0;
        for vector in honest {
            let text = |field: &str| vector[field].as_str().expect("a text");
            let sent = Sent { key: key.bytes(text("secret")), body: text("body").as_bytes() };
            for (name, value) in formula(&sent) {
                assert_eq!(vector["headers"][name], value, "{provider}: {name}");
            }
            copies += 1;
        }
        assert!(copies > 0, "{provider} has no constructed vector");
    });
}
