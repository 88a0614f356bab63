//! What a provider asks before it sends events, and the answer: bounded, and of harmless characters only.

use serde::Deserialize;

use crate::pointer::Pointer;
use crate::scan::{scan, token_text};
use crate::scheme::Scheme;

/// Bytes of a challenge that is answered; a longer one is no challenge.
pub const MAX_CHALLENGE_BYTES: usize = 512;

/// Bytes of a body that is looked at for a challenge: events are larger or smaller, challenges are small.
pub const MAX_HANDSHAKE_BODY_BYTES: usize = 4096;

/// What a provider asks before it sends events. In TOML: `[handshake.echo-json]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handshake {
    /// A text of the JSON body comes back in the answer.
    EchoJson(EchoJson),
}

/// Which body is a challenge, and what of it comes back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EchoJson {
    /// What tells a challenge from an event.
    when: Condition,
    /// Where the challenge is.
    value: Pointer,
    /// The field of the JSON answer; without one the answer is the text itself.
    field: Option<String>,
}

/// A place of the body that must hold a text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    pointer: Pointer,
    equals: String,
}

/// What the provider wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeAnswer {
    /// The media type; send it with `x-content-type-options: nosniff`.
    pub content_type: &'static str,
    /// The answer, at most [`MAX_CHALLENGE_BYTES`] and the frame around it.
    pub body: String,
}

/// The answer to a challenge, or none when the body is an event. Ask only after the signature held: an answer to anybody
/// is a mirror.
#[must_use]
pub fn answer(scheme: &Scheme, body: &[u8]) -> Option<HandshakeAnswer> {
    let Handshake::EchoJson(echo) = scheme.handshake.as_ref()?;
    if body.len() > MAX_HANDSHAKE_BODY_BYTES {
        return None;
    }
    let tokens = scan(body, &[&echo.when.pointer, &echo.value]).ok()?;
    let [asked, challenge] = tokens[..] else { return None };
    if token_text(asked?)? != echo.when.equals {
        return None;
    }
    let challenge = token_text(challenge?).filter(|text| is_harmless(text))?;
    Some(match &echo.field {
        Some(field) => HandshakeAnswer {
            content_type: "application/json",
            body: serde_json::Value::from_iter([(field.as_str(), challenge)]).to_string(),
        },
        None => HandshakeAnswer { content_type: "text/plain; charset=utf-8", body: challenge },
    })
}

/// Tokens of the usual alphabets (base64, base64url, hex, UUIDs); nothing that markup or scripts are made of.
fn is_harmless(text: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=:".contains(&byte);
    !text.is_empty() && text.len() <= MAX_CHALLENGE_BYTES && text.bytes().all(harmless)
}
