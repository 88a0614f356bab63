//! What a provider asks before it sends events, and the answer: bounded, and of harmless characters only.

use std::fmt;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use zeroize::Zeroizing;

use crate::bind::{Condition, Expected, HostPattern, is_pinned};
use crate::encoding::Encoding;
use crate::keys::{Keys, Proof};
use crate::mac::{Function, Mac};
use crate::payload::Body;
use crate::place::Place;
use crate::rules::{self, Facts};
use crate::scheme::Scheme;
use crate::verify::{Head, Verified};

/// Bytes of a challenge that is answered; a longer one is no challenge.
pub const MAX_CHALLENGE_BYTES: usize = 512;

/// Bytes of a challenge whose keyed hash is answered.
pub const MAX_HASHED_BYTES: usize = 128;

/// Bytes of a body that is looked at for a challenge: events are larger or smaller, challenges are small.
pub const MAX_HANDSHAKE_BODY_BYTES: usize = 4096;

/// The media type of an answer, unless the file says otherwise.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// What a provider asks before it sends events. In TOML: `[[handshake]]`.
#[derive(Debug, Clone)]
pub struct Handshake {
    pub(crate) method: Method,
    pub(crate) when: Vec<Condition>,
    pub(crate) reaction: Reaction,
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) is_unsigned: bool,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    /// A fixed answer; and what the provider told is handed to the operator.
    Fixed { body: String, content_type: HeaderValue, capture: Option<Place> },
    /// The value as plain text.
    EchoText { value: Place },
    /// The value as a field of a JSON object.
    EchoJson { value: Place, field: String },
    /// The value in a header; it may be the secret, then it is handed to the operator too.
    EchoHeader { value: Place, header: HeaderName, is_captured: bool },
    /// The value's keyed hash in a JSON object, and the value itself too if it has a field.
    Hashed { value: Place, field: Option<String>, hashed: Hashed },
    /// A URL is to be fetched.
    Confirm { url: Place, hosts: Vec<HostPattern> },
}

/// How a value's keyed hash is written.
#[derive(Debug, Clone)]
pub(crate) struct Hashed {
    pub(crate) field: String,
    pub(crate) encoding: Encoding,
    pub(crate) prefix: String,
}

/// What the provider wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeAnswer {
    /// A success.
    pub status: StatusCode,
    /// More headers. Send them with `x-content-type-options: nosniff`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The media type of the body.
    pub content_type: HeaderValue,
    /// The answer, at most [`MAX_CHALLENGE_BYTES`] and the frame around it.
    pub body: String,
    /// The secret that the provider has told, for the operator's eyes only.
    pub captured: Option<Captured>,
    /// The URL that must be fetched, without following redirects, to confirm: https, on a host that the provider's file names.
    pub confirm: Option<String>,
    /// The request's topic is one that the source names: what was proven is proven of it, and not only of its provider.
    pub is_expected: bool,
}

/// A secret that a provider told in its handshake. It has no printable form.
#[derive(Clone, PartialEq, Eq)]
pub struct Captured(Zeroizing<String>);

impl Captured {
    /// The secret, to be kept where only the operator reads.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Captured(…)")
    }
}

/// Whether a request that no signature proves may still be a handshake of this scheme, so that its body must be looked at.
#[must_use]
pub fn may_be_unsigned(scheme: &Scheme, head: Head<'_>) -> bool {
    scheme.handshakes.iter().any(|handshake| handshake.method == head.method && handshake.is_answered(scheme, false))
}

/// The answer to a handshake, or none when the request is an event. `proof` is what the request has proven; without one
/// only handshakes are answered that need none: an answer to anybody is a mirror.
#[must_use]
pub fn answer(
    scheme: &Scheme,
    keys: &Keys,
    head: Head<'_>,
    body: &[u8],
    proof: Option<&Verified>,
) -> Option<HandshakeAnswer> {
    if scheme.handshakes.is_empty() || body.len() > MAX_HANDSHAKE_BODY_BYTES {
        return None;
    }
    let fits = |handshake: &&Handshake| {
        handshake.method == head.method
            && handshake.is_answered(scheme, proof.is_some())
            && rules::all_hold(scheme, head, body, &handshake.when) == Ok(true)
    };
    let handshake = scheme.handshakes.iter().find(fits)?;
    let parsed = Body::new(head, body, scheme.payload.as_deref()).ok()?;
    let facts = Facts { scheme, head, body, token: None, key: None };
    let text = |place: &Place| facts.texts(&parsed, place).ok()?.into_iter().next();
    let answer = handshake.react(keys, proof, &text)?;
    let is_expected = handshake.names_param() || !scheme.settings.topics.is_empty();
    Some(HandshakeAnswer { is_expected, ..answer })
}

impl Scheme {
    /// Whether a handshake that is answered tells the provider's secret.
    #[must_use]
    pub fn captures(&self) -> bool {
        let tells = |reaction: &Reaction| {
            matches!(
                reaction,
                Reaction::Fixed { capture: Some(_), .. } | Reaction::EchoHeader { is_captured: true, .. }
            )
        };
        self.handshakes.iter().any(|handshake| tells(&handshake.reaction) && handshake.is_answered(self, false))
    }

    /// Whether a handshake comes by this method.
    #[must_use]
    pub fn greets_by(&self, method: &Method) -> bool {
        self.handshakes.iter().any(|handshake| handshake.method == *method)
    }
}

impl Handshake {
    /// Whether anybody could make this source say something: then the source must ask for it.
    pub(crate) fn must_be_asked_for(&self) -> bool {
        let is_silent = matches!(self.reaction, Reaction::Fixed { capture: None, .. });
        self.is_unsigned && !is_silent && !self.names_param()
    }

    /// Whether it is held against what only the source's owner knows.
    fn names_param(&self) -> bool {
        self.when.iter().any(|condition| matches!(condition.is, Expected::Param(_)))
    }

    fn is_answered(&self, scheme: &Scheme, is_proven: bool) -> bool {
        let is_allowed = !self.must_be_asked_for() || scheme.settings.unsigned_handshakes;
        is_allowed && (is_proven || self.is_unsigned)
    }

    fn react(
        &self,
        keys: &Keys,
        proof: Option<&Verified>,
        text: &dyn Fn(&Place) -> Option<String>,
    ) -> Option<HandshakeAnswer> {
        let challenge = |place: &Place| text(place).filter(|text| is_harmless(text));
        let mut answer = HandshakeAnswer {
            status: self.status,
            headers: self.headers.clone(),
            content_type: HeaderValue::from_static(TEXT),
            body: String::new(),
            captured: None,
            confirm: None,
            is_expected: false,
        };
        let json = |fields: &[(&str, String)]| {
            let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
            serde_json::Value::from_iter(fields).to_string()
        };
        match &self.reaction {
            Reaction::Fixed { body, content_type, capture } => {
                answer.body.clone_from(body);
                answer.content_type = content_type.clone();
                answer.captured = match capture {
                    Some(place) => Some(Captured(Zeroizing::new(challenge(place)?))),
                    None => None,
                };
            }
            Reaction::EchoText { value } => answer.body = challenge(value)?,
            Reaction::EchoJson { value, field } => {
                answer.content_type = HeaderValue::from_static(JSON);
                answer.body = json(&[(field, challenge(value)?)]);
            }
            Reaction::EchoHeader { value, header, is_captured } => {
                let value = challenge(value)?;
                answer.headers.push((header.clone(), HeaderValue::from_str(&value).ok()?));
                answer.captured = is_captured.then(|| Captured(Zeroizing::new(value)));
            }
            Reaction::Hashed { value, field, hashed } => {
                let value = challenge(value).filter(|text| is_hashable(text.as_bytes()))?;
                let made = hashed.of(keys, proof, &value)?;
                answer.content_type = HeaderValue::from_static(JSON);
                answer.body = match field {
                    Some(field) => json(&[(field, value), (&hashed.field, made)]),
                    None => json(&[(&hashed.field, made)]),
                };
            }
            Reaction::Confirm { url, hosts } => answer.confirm = Some(text(url).filter(|url| is_pinned(url, hosts))?),
        }
        Some(answer)
    }
}

impl Hashed {
    /// Under the key that the request was signed with; the first where it was not signed.
    fn of(&self, keys: &Keys, proof: Option<&Verified>, value: &str) -> Option<String> {
        let used = proof.and_then(|proof| proof.key_id.as_deref());
        let key = keys.iter().find(|key| used.is_none_or(|id| key.id() == id))?;
        if !matches!(key.proof(), Proof::Mac(_)) {
            return None;
        }
        let mut mac = Mac::keyed(Function::HmacSha256, key.secret());
        mac.update(value.as_bytes());
        Some(format!("{}{}", self.prefix, self.encoding.encode(mac.finish().as_bytes())))
    }
}

/// Tokens of the usual alphabets (base64, base64url, hex, UUIDs) and sentences of them; nothing that markup or scripts are
/// made of.
fn is_harmless(text: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=: ".contains(&byte);
    !text.is_empty() && text.len() <= MAX_CHALLENGE_BYTES && text.bytes().all(harmless)
}

/// Whether a text may be hashed with the key that also signs bodies: one word that is no event and no template's text.
pub(crate) fn is_hashable(text: &[u8]) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(byte);
    !text.is_empty() && text.len() <= MAX_HASHED_BYTES && text.iter().all(harmless)
}
