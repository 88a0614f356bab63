//! Handshakes: whatever is asked, the answer is short, is no page, and sends nobody to an address that the provider's file does not name.

use std::sync::LazyLock;

use hooklog_ingest::respond;
use hooklog_signatures::handshake::MAX_CHALLENGE_BYTES;
use hooklog_signatures::{Head, Scheme, Verified, answer, verify};

use crate::request::{self, Request};
use crate::vectors::{PROVIDERS, Provider};

/// What providers ask with.
pub const WORDS: &[&str] = &[
    "GET /in/x?",
    "OPTIONS /in/x",
    "HEAD /in/x",
    "POST /in/x",
    "hub.challenge=",
    "hub.mode=subscribe",
    "hub.verify_token=",
    "challenge=",
    "crc_token=",
    "validationToken=",
    "verification=",
    "{\"challenge\":\"",
    "{\"type\":\"url_verification\",",
    "\"event\":\"endpoint.url_validation\"",
    "{\"payload\":{\"plainToken\":\"",
    "\"SubscribeURL\":\"https://",
    "x-amz-sns-message-type: SubscriptionConfirmation",
    "x-hook-secret: ",
    "webhook-request-origin: ",
    "aeg-event-type: SubscriptionValidation",
    "[{\"eventType\":\"Microsoft.EventGrid.SubscriptionValidationEvent\",",
    "content-type: application/json",
    "content-type: application/x-www-form-urlencoded",
    "{\"type\":1}",
    "<script>",
    "unset",
    "\n\n",
];

/// Bytes that may stand around a challenge, such as a JSON object's, or that a provider's file gives as a fixed answer.
const FRAME_BYTES: usize = 512;

/// A provider that greets, and the proof of its genuine request, if there is one.
struct Greeting {
    provider: &'static Provider,
    scheme: Scheme,
    proof: Option<Verified>,
}

static GREETINGS: LazyLock<Vec<Greeting>> =
    LazyLock::new(|| PROVIDERS.iter().filter(|provider| greets(&provider.scheme)).map(Greeting::of).collect());

fn greets(scheme: &Scheme) -> bool {
    let methods = [http::Method::GET, http::Method::HEAD, http::Method::OPTIONS, http::Method::POST];
    methods.iter().any(|method| scheme.greets_by(method))
}

impl Greeting {
    fn of(provider: &'static Provider) -> Self {
        // As an operator who wants them all answered would set it.
        let settings = toml::Table::from_iter([("unsigned_handshakes".to_owned(), true.into())]);
        let scheme = provider.scheme.with_overrides(&settings).unwrap_or_else(|_| provider.scheme.clone());
        let proof = provider.genuine.iter().find_map(|text| {
            let request = Request::parse(text)?;
            let head = Head { method: request.method, path_and_query: request.target, headers: &request.headers };
            verify(&scheme, &provider.keys, head, request.body, provider.now).ok()
        });
        Self { provider, scheme, proof }
    }
}

/// The first byte chooses the provider, the second whether the request is proven, the rest is a request.
pub fn check(input: &[u8]) {
    let Some((&[choice, proven], text)) = input.split_first_chunk() else { return };
    let Some(request) = Request::parse(text) else { return };
    let greeting = &GREETINGS[usize::from(choice) % GREETINGS.len()];
    let proof = greeting.proof.as_ref().filter(|_| proven & 1 == 1);
    let head = Head { method: request.method, path_and_query: request.target, headers: &request.headers };
    let Some(answer) = answer(&greeting.scheme, &greeting.provider.keys, head, request.body, proof) else { return };
    let name = &greeting.scheme.name;
    assert!(answer.status.is_success(), "{name} answers {}", answer.status);
    assert!(answer.body.len() <= MAX_CHALLENGE_BYTES + FRAME_BYTES, "{name} answers {} bytes", answer.body.len());
    assert!(!answer.body.contains('<'), "{name} answers markup: {:?}", answer.body);
    // Whoever asks with the secret has it already.
    let knows = |piece: &[u8]| text.windows(piece.len()).any(|given| given == piece);
    let secret = &greeting.provider.secret;
    let is_told = answer.body.contains(secret) && !secret.as_bytes().windows(8).any(knows);
    assert!(!is_told, "{name} tells its secret");
    assert!(answer.confirm.as_ref().is_none_or(|url| url.starts_with("https://")), "{name}: {:?}", answer.confirm);
    let challenge = answer.body.len() > 64;
    let response = respond::handshake(answer);
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header("x-content-type-options"), "nosniff", "{name}");
    let kind = header("content-type");
    assert!(!challenge || kind.starts_with("text/plain") || kind.starts_with("application/json"), "{name}: {kind}");
}

/// What the words say, put together for every provider that greets, and its vectors.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let queries = [
        "GET /in/x?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=unset&challenge=abc&crc_token=abc",
        "POST /in/x?validationToken=abc",
        "OPTIONS /in/x",
        "HEAD /in/x",
    ];
    let bodies = [
        r#"{"type":"url_verification","challenge":"abc","token":"unset"}"#,
        r#"{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}"#,
        r#"{"Type":"SubscriptionConfirmation","SubscribeURL":"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription"}"#,
        r#"{"type":1}"#,
        "",
    ];
    let headers =
        [("x-hook-secret", "abc"), ("webhook-request-origin", "example.com"), ("content-type", "application/json")];
    let mut seeds = Vec::new();
    for (place, greeting) in GREETINGS.iter().enumerate() {
        let choice = u8::try_from(place).unwrap_or_default();
        let asked = queries.iter().map(|line| request::text(line, &headers, b""));
        let told = bodies.iter().map(|body| request::text("POST /in/x", &headers, body.as_bytes()));
        let texts = asked.chain(told).chain(greeting.provider.all.iter().cloned());
        seeds.extend(texts.flat_map(|text| [0, 1].map(|proven| [&[choice, proven][..], &text].concat())));
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_answered_by_many_providers() {
        let is_answered = |greeting: &Greeting, text: &[u8]| {
            let request = Request::parse(text).unwrap();
            let head = Head { method: request.method, path_and_query: request.target, headers: &request.headers };
            answer(&greeting.scheme, &greeting.provider.keys, head, request.body, greeting.proof.as_ref()).is_some()
        };
        let seeds = seeds();
        let answered = GREETINGS.iter().filter(|greeting| seeds.iter().any(|seed| is_answered(greeting, &seed[2..])));
        assert!(answered.count() > 10);
    }
}
