//! Signatures: no bytes make a provider's verifier panic, and nothing is believed that its sender has not signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use hooklog_signatures::builtin_names;

use crate::request::Request;
use crate::vectors::{PROVIDERS, Provider, folder};

/// Parts of signature headers.
pub const WORDS: &[&str] = &[
    "t=",
    "v0=",
    "v1=",
    "v1,",
    "v1a,",
    "sha256=",
    "sha1=",
    "sha512=",
    "Bearer ",
    "Basic ",
    "HMAC ",
    "Signature ",
    "keyId=",
    "=",
    "==",
    "whsec_",
    "1700000000",
    "1700000000000",
    "2023-11-14T22:13:20Z",
    ",",
    ";",
    ".",
    "..",
    "\n\n",
    ": ",
    "authorization: ",
    "content-type: application/x-www-form-urlencoded",
    "content-type: application/json",
    "POST /in/x?",
    "&",
    "%00",
    "%2B",
];

/// Bytes of a word that stands for a proof: shorter ones are names.
const PROOF_BYTES: usize = 20;

/// Bytes of one that nobody guesses. A proof may be written in several ways (upper case, an escape in its middle), but all of them have
/// a piece in common.
const PIECE_BYTES: usize = 12;

/// What a genuine request of a provider has that the fuzzer could not make.
struct Proven {
    bodies: BTreeSet<Vec<u8>>,
    pieces: BTreeSet<Vec<u8>>,
    signs_whole_body: bool,
}

static PROVEN: LazyLock<Vec<Proven>> = LazyLock::new(|| {
    let whole: BTreeMap<&str, bool> = builtin_names().map(|name| (name, signs_whole_body(name))).collect();
    PROVIDERS.iter().map(|provider| proven(provider, &whole)).collect()
});

fn proven(provider: &Provider, whole: &BTreeMap<&str, bool>) -> Proven {
    let requests: Vec<Request<'_>> = provider.genuine.iter().filter_map(|text| Request::parse(text)).collect();
    let signs_whole_body = provider.scheme.signs_body() && whole.get(provider.scheme.name.as_str()) == Some(&true);
    Proven {
        bodies: requests.iter().map(|request| request.body.to_vec()).collect(),
        pieces: provider.genuine.iter().flat_map(|text| pieces(text)).collect(),
        signs_whole_body,
    }
}

/// Whether the file says that the body is signed as it came, and not what is made of it (a form's fields, a payload in it).
fn signs_whole_body(name: &str) -> bool {
    let path = folder().join(format!("providers/{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut signed = text.lines().filter(|line| line.starts_with("signed = \"") && !line.contains('['));
    signed.any(|line| line.contains("{body}"))
}

/// The pieces of the long words of a request: of signatures, tokens, ids.
fn pieces(text: &[u8]) -> Vec<Vec<u8>> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/_-".contains(byte);
    let words = text.split(|byte| !is_part(byte)).filter(|word| word.len() >= PROOF_BYTES);
    words.flat_map(|word| word.windows(PIECE_BYTES)).map(<[u8]>::to_ascii_lowercase).collect()
}

/// The first two bytes choose the provider, the rest is a request.
///
/// What is believed must have the body of a genuine request where the body is signed as it came, and a piece of its proof in any case:
/// keys are not in the seeds of a scheme that signs, so the fuzzer can't make one.
pub fn check(input: &[u8]) {
    let Some((choice, text)) = input.split_first_chunk() else { return };
    let Some(request) = Request::parse(text) else { return };
    let place = usize::from(u16::from_le_bytes(*choice)) % PROVIDERS.len();
    let provider = &PROVIDERS[place];
    if !provider.scheme.is_authenticated() || !provider.believes(&request) {
        return;
    }
    let (proven, name) = (&PROVEN[place], &provider.scheme.name);
    if proven.signs_whole_body {
        assert!(proven.bodies.contains(request.body), "{name} believes a body that nobody signed");
    }
    let is_known = |piece: &[u8]| proven.pieces.contains(&piece.to_ascii_lowercase());
    assert!(text.windows(PIECE_BYTES).any(is_known), "{name} believes a request without a genuine proof");
}

/// Every vector.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |(place, provider): (usize, &'static Provider)| {
        let choice = u16::try_from(place).unwrap_or_default().to_le_bytes();
        provider.all.iter().map(move |text| [&choice[..], text].concat())
    };
    PROVIDERS.iter().enumerate().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use hooklog_signatures::sign;

    use super::*;
    use crate::request;

    /// Signed with the right key, which the fuzzer has not: the same as a verifier that believes what it should not.
    #[test]
    #[should_panic(expected = "github believes a body that nobody signed")]
    fn a_verifier_that_believes_too_much_is_noticed() {
        let place = PROVIDERS.iter().position(|provider| provider.scheme.name == "github").unwrap();
        let (provider, body) = (&PROVIDERS[place], b"another body");
        let headers = sign(&provider.scheme, provider.keys.iter().next(), "1", provider.now, body);
        let choice = u16::try_from(place).unwrap().to_le_bytes();
        check(&[&choice[..], &request::text("POST /in/x", &headers, body)].concat());
    }

    #[test]
    fn most_providers_have_something_genuine_to_begin_with() {
        let genuine = PROVIDERS.iter().filter(|provider| !provider.genuine.is_empty()).count();
        let whole = PROVEN.iter().filter(|proven| proven.signs_whole_body && !proven.bodies.is_empty()).count();
        assert!(PROVIDERS.len() > 280 && genuine > 200 && whole > 100, "{} {genuine} {whole}", PROVIDERS.len());
    }
}
