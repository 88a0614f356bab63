//! The verdict: the head is judged before the body is read, the body is hashed as it arrives where the scheme allows it.
//!
//! ```text
//! begin(head) ──► Rejection            missing, malformed, stale, … (or a wrong static secret): no body is read
//!     │
//!     ▼
//! Verifier ──update(chunk)*──► finish(body) ──► Verified | Rejection
//! ```
//!
//! A scheme that signs the body once and in one piece is hashed chunk by chunk; every other one is judged in `finish`, over
//! the body that the caller has kept. Which it is, is the scheme's business alone.

use std::sync::Arc;

use http::HeaderMap;

use crate::auth::{Auth, Jwt, SignatureFrom, Signed, Time, TokenAuth};
use crate::digest::Hash;
use crate::keys::{Key, Keys, Proof};
use crate::mac::{Mac, Tag};
use crate::payload::{self, Body};
use crate::place::Place;
use crate::rejection::Rejection;
use crate::render::{Parts, render};
use crate::rules::{self, Facts};
use crate::scheme::Scheme;
use crate::signature::{self, Offered, Offering};
use crate::template::Template;
use crate::token::{self, Accepted};
use crate::whole;
use crate::window::UnixMillis;

/// What of a request can be signed beside its body.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method, in upper case: `POST`.
    pub method: &'a str,
    /// The path and query as received: `/in/github?a=1`.
    pub path_and_query: &'a str,
    /// The headers as received.
    pub headers: &'a HeaderMap,
}

/// The proof that a request came from somebody who holds a secret of the source. Only this crate makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The id of the secret that matched; none for a scheme without authentication.
    pub key_id: Option<Arc<str>>,
    /// The signed timestamp, where the scheme has one.
    pub timestamp: Option<UnixMillis>,
}

/// What a request has proven of itself.
pub(crate) struct Proven<'a> {
    pub(crate) key: Option<&'a Key>,
    pub(crate) timestamp: Option<UnixMillis>,
    pub(crate) token: Option<Accepted<'a>>,
}

/// A verification under way: the head is judged, the body not yet.
#[must_use = "a request is believed only when `finish` says so"]
pub struct Verifier<'a> {
    scheme: &'a Scheme,
    keys: &'a Keys,
    head: Head<'a>,
    now: UnixMillis,
    progress: Progress<'a>,
    timestamp: Option<UnixMillis>,
}

enum Progress<'a> {
    /// One hash per live secret.
    Hashing(Hashing<'a>),
    /// The head alone decided.
    Decided(Option<&'a Key>),
    /// A token in the head is good; what it says of the body is to be seen.
    Token(Box<Accepted<'a>>),
    /// The whole body is needed.
    Waiting,
}

struct Hashing<'a> {
    signed: &'a Signed,
    template: &'a Template,
    /// Where the body stands among the template's segments.
    body_at: usize,
    offered: Offered<'a>,
    timestamp: &'a str,
    id: &'a str,
    hashes: Vec<(&'a Key, Running)>,
}

/// A hash under way.
pub(crate) enum Running {
    Mac(Mac),
    Hash(Hash),
}

impl Running {
    /// A key's hash, before anything is fed; none for public keys.
    pub(crate) fn of(signed: &Signed, key: &Key) -> Option<Self> {
        match (key.proof(), signed.algorithm) {
            (Proof::Mac(keyed), _) => Some(Self::Mac(Mac::clone(keyed))),
            (Proof::Secret, crate::algorithm::Algorithm::Hash(digest)) => Some(Self::Hash(digest.start())),
            _ => None,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Mac(mac) => mac.update(bytes),
            Self::Hash(hash) => hash.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Tag {
        match self {
            Self::Mac(mac) => mac.finish(),
            Self::Hash(hash) => Tag::of_digest(&hash.finish()),
        }
    }
}

impl Scheme {
    /// Judges the request's head, and gets ready for the body.
    ///
    /// # Errors
    /// [`Rejection`] for everything that can be known without the body.
    pub fn begin<'a>(&'a self, keys: &'a Keys, head: Head<'a>, now: UnixMillis) -> Result<Verifier<'a>, Rejection> {
        let mut verifier = Verifier { scheme: self, keys, head, now, progress: Progress::Waiting, timestamp: None };
        rules::check_head(self, head)?;
        match &self.auth {
            Auth::Mac(signed) | Auth::Hash(signed) => {
                if let [template] = &signed.templates[..]
                    && let Some(body_at) = signed.streams_at
                {
                    verifier.begin_hashing(signed, template, body_at)?;
                } else {
                    whole::check_head(signed, head, now)?;
                }
            }
            Auth::Sign(signed) | Auth::Jws(signed) => whole::check_head(signed, head, now)?,
            Auth::Jwt(jwt) => verifier.begin_token(jwt)?,
            Auth::Token(token) => verifier.begin_static(token)?,
            Auth::Basic => verifier.progress = Progress::Decided(Some(holder(keys, &signature::basic(head.headers)?)?)),
            Auth::None => verifier.progress = Progress::Decided(None),
        }
        Ok(verifier)
    }
}

impl<'a> Verifier<'a> {
    /// Hashes the next chunk of the body, exactly as it came off the wire.
    pub fn update(&mut self, chunk: &[u8]) {
        if let Progress::Hashing(hashing) = &mut self.progress {
            hashing.hashes.iter_mut().for_each(|(_, hash)| hash.update(chunk));
        }
    }

    /// The verdict, once the whole body has been given; `body` is the chunks in one piece.
    ///
    /// # Errors
    /// [`Rejection`]: [`Rejection::Mismatch`] when no live secret made any of the signatures, others when what else the
    /// scheme asks of the body does not hold.
    pub fn finish(self, body: &[u8]) -> Result<Verified, Rejection> {
        let (scheme, head) = (self.scheme, self.head);
        let proven = self.prove(body)?;
        let facts = Facts { scheme, head, body, token: proven.token.as_ref(), key: proven.key };
        rules::check(&facts)?;
        Ok(Verified { key_id: proven.key.map(Key::shared_id), timestamp: proven.timestamp })
    }

    /// What the request has proven of itself, before the scheme's other conditions.
    pub(crate) fn prove(self, body: &[u8]) -> Result<Proven<'a>, Rejection> {
        let Self { scheme, keys, head, now, progress, timestamp } = self;
        match progress {
            Progress::Decided(key) => Ok(Proven { key, timestamp, token: None }),
            Progress::Hashing(hashing) => {
                Ok(Proven { key: Some(hashing.finish(scheme, head)?), timestamp, token: None })
            }
            Progress::Token(token) => Ok(Proven { key: Some(token.key), timestamp, token: Some(*token) }),
            Progress::Waiting => whole::believe(scheme, keys, head, body, now),
        }
    }

    fn begin_hashing(&mut self, signed: &'a Signed, template: &'a Template, body_at: usize) -> Result<(), Rejection> {
        let offered = Offered::in_headers(signed, self.head.headers)?;
        let mut timestamp = "";
        if let Some(time) = &signed.time
            && let Some(text) = offered.timestamp(time, self.head.headers)?
        {
            timestamp = text;
            self.timestamp = Some(checked(time, text, self.now)?);
        }
        let id = match &signed.id_header {
            Some(name) => signature::signed_id(&signed.templates, name, self.head.headers)?,
            None => "",
        };
        let mut hashing = Hashing { signed, template, body_at, offered, timestamp, id, hashes: Vec::new() };
        let mut hashes = Vec::with_capacity(self.keys.iter().len());
        for key in self.keys.iter() {
            let Some(hash) = Running::of(signed, key) else { continue };
            hashes.push((key, hash));
            if let (Some((_, hash)), 1..) = (hashes.last_mut(), body_at) {
                let before = &template.0[..body_at];
                render(before, &hashing.parts(self.scheme, self.head, key), &mut |bytes| hash.update(bytes))?;
            }
        }
        hashing.hashes = hashes;
        self.progress = Progress::Hashing(hashing);
        Ok(())
    }

    fn begin_token(&mut self, jwt: &'a Jwt) -> Result<(), Rejection> {
        let parts = Parts::new(self.scheme, self.head);
        let text = match &jwt.from {
            SignatureFrom::Place(place) if !place.is_in_body() => parts.place(place)?.ok_or(Rejection::Missing)?,
            _ => return Ok(()),
        };
        let accepted = token::accept(jwt, self.keys, text.as_bytes(), self.now)?;
        self.timestamp = accepted.timestamp;
        self.progress = Progress::Token(Box::new(accepted));
        Ok(())
    }

    fn begin_static(&mut self, token: &'a TokenAuth) -> Result<(), Rejection> {
        let tag = match &token.from {
            Place::Header(name) => signature::header_token(name, &token.prefix, self.head.headers)?,
            place if place.is_in_body() => return Ok(()),
            place => {
                let text = Parts::new(self.scheme, self.head).place(place)?.ok_or(Rejection::Missing)?;
                Tag::sha256(signature::credentials(text.as_bytes(), token.prefix.as_bytes())?)
            }
        };
        self.progress = Progress::Decided(Some(holder(self.keys, &tag)?));
        Ok(())
    }
}

impl<'a> Hashing<'a> {
    fn parts<'b>(&'b self, scheme: &'b Scheme, head: Head<'b>, key: &'b Key) -> Parts<'b> {
        Parts {
            timestamp: self.timestamp,
            id: self.id,
            items: &self.offered.items,
            secret: key.secret(),
            listed: self.signed.listed.as_ref(),
            ..Parts::new(scheme, head)
        }
    }

    fn finish(mut self, scheme: &Scheme, head: Head<'_>) -> Result<&'a Key, Rejection> {
        for (key, mut hash) in std::mem::take(&mut self.hashes) {
            let after = &self.template.0[self.body_at + 1..];
            if !after.is_empty() {
                render(after, &self.parts(scheme, head, key), &mut |bytes| hash.update(bytes))?;
            }
            let made = hash.finish();
            let is_made = |offer: &signature::Offer<'_>| {
                offer.is_for(key) && matches!(&offer.proof, Offering::Tag(tag) if made.matches(tag))
            };
            if self.offered.signatures.iter().any(is_made) {
                return Ok(key);
            }
        }
        Err(Rejection::Mismatch)
    }
}

/// The same verdict for a body that is there in one piece.
///
/// # Errors
/// [`Rejection`], as [`Scheme::begin`] and [`Verifier::finish`].
pub fn verify(
    scheme: &Scheme,
    keys: &Keys,
    head: Head<'_>,
    body: &[u8],
    now: UnixMillis,
) -> Result<Verified, Rejection> {
    let mut verifier = scheme.begin(keys, head, now)?;
    verifier.update(body);
    verifier.finish(body)
}

/// A timestamp that is well formed and near enough.
pub(crate) fn checked(time: &Time, text: &str, now: UnixMillis) -> Result<UnixMillis, Rejection> {
    let at = time.unit.parse(text).ok_or(Rejection::Malformed)?;
    time.window.check(at, now)?;
    Ok(at)
}

/// The key whose static secret has this digest.
pub(crate) fn holder<'a>(keys: &'a Keys, offered: &Tag) -> Result<&'a Key, Rejection> {
    let same = |key: &&Key| matches!(key.proof(), Proof::Digest(digest) if digest.matches(offered));
    keys.iter().find(same).ok_or(Rejection::Mismatch)
}

/// The key whose static secret stands in the body, in every element if it is a batch's.
pub(crate) fn holder_in_body<'a>(token: &TokenAuth, keys: &'a Keys, body: &Body<'_>) -> Result<&'a Key, Rejection> {
    let texts = match &token.from {
        Place::Json(pointer) => payload::texts(body.payload(), pointer)?,
        Place::Form(name) => body.field(name)?.map(str::to_owned).into_iter().collect(),
        _ => Vec::new(),
    };
    let mut believed = None;
    for text in texts {
        let key = holder(keys, &Tag::sha256(signature::credentials(text.as_bytes(), token.prefix.as_bytes())?))?;
        believed = believed.or(Some(key));
    }
    believed.ok_or(Rejection::Missing)
}
