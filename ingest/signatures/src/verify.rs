//! The verdict: the head is judged before the body is read, the body is hashed as it arrives.
//!
//! ```text
//! begin(head) ──► Rejection            missing, malformed, stale, … (or a wrong static secret): no body is read
//!     │
//!     ▼
//! Verifier ──update(chunk)*──► finish() ──► Verified | Rejection::Mismatch
//! ```

use std::sync::Arc;

use http::HeaderMap;

use crate::keys::{Key, Keys, Proof};
use crate::mac::{Mac, Tag};
use crate::rejection::Rejection;
use crate::scheme::{Auth, MacAuth, Scheme};
use crate::signature;
use crate::template::Values;
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

/// A verification under way: the head is judged, the body not yet.
#[must_use = "a request is believed only when `finish` says so"]
pub struct Verifier<'a> {
    progress: Progress<'a>,
    timestamp: Option<UnixMillis>,
}

enum Progress<'a> {
    /// One hash per live secret.
    Hashing { auth: &'a MacAuth, values: Values<'a>, offered: Vec<Tag>, macs: Vec<(&'a Key, Mac)> },
    /// The head alone decided.
    Decided(Option<Arc<str>>),
}

impl Scheme {
    /// Judges the request's head, and gets ready to hash the body.
    ///
    /// # Errors
    /// [`Rejection`] for everything that can be known without the body.
    pub fn begin<'a>(&'a self, keys: &'a Keys, head: Head<'a>, now: UnixMillis) -> Result<Verifier<'a>, Rejection> {
        let decided = |key_id| Ok(Verifier { progress: Progress::Decided(key_id), timestamp: None });
        match &self.auth {
            Auth::Mac(auth) => begin_mac(auth, keys, head, now),
            Auth::Token(auth) => decided(Some(holder(keys, &signature::token(auth, head.headers)?)?)),
            Auth::Basic => decided(Some(holder(keys, &signature::basic(head.headers)?)?)),
            Auth::None => decided(None),
        }
    }
}

impl Verifier<'_> {
    /// Hashes the next chunk of the body, exactly as it came off the wire.
    pub fn update(&mut self, chunk: &[u8]) {
        if let Progress::Hashing { macs, .. } = &mut self.progress {
            macs.iter_mut().for_each(|(_, mac)| mac.update(chunk));
        }
    }

    /// The verdict, once the whole body has been given.
    ///
    /// # Errors
    /// [`Rejection::Mismatch`] when no live secret made any of the signatures.
    pub fn finish(self) -> Result<Verified, Rejection> {
        let key_id = match self.progress {
            Progress::Decided(key_id) => key_id,
            Progress::Hashing { auth, values, offered, macs } => {
                let matching = macs.into_iter().find_map(|(key, mut mac)| {
                    auth.signed.feed_after(values, |part| mac.update(part));
                    let made = mac.finish();
                    offered.iter().any(|tag| made.matches(tag)).then(|| key.shared_id())
                });
                Some(matching.ok_or(Rejection::Mismatch)?)
            }
        };
        Ok(Verified { key_id, timestamp: self.timestamp })
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
    verifier.finish()
}

fn begin_mac<'a>(
    auth: &'a MacAuth,
    keys: &'a Keys,
    head: Head<'a>,
    now: UnixMillis,
) -> Result<Verifier<'a>, Rejection> {
    let mut values = Values::of(head);
    let signatures = signature::signatures(auth, head.headers)?;
    let timestamp = match (&auth.time, signature::timestamp(auth, &signatures, head.headers)?) {
        (Some(time), Some(text)) => {
            let at = time.unit.parse(text).ok_or(Rejection::Malformed)?;
            time.window.check(at, now)?;
            values.timestamp = text;
            Some(at)
        }
        _ => None,
    };
    if let Some(name) = &auth.id_header {
        values.id = signature::signed_id(&auth.signed, name, head.headers)?;
    }
    let macs = keys.iter().filter_map(|key| match key.proof() {
        Proof::Mac(keyed) => {
            let mut mac = Mac::clone(keyed);
            auth.signed.feed_before(values, |part| mac.update(part));
            Some((key, mac))
        }
        Proof::Digest(_) => None,
    });
    let progress = Progress::Hashing { auth, values, offered: signatures.tags, macs: macs.collect() };
    Ok(Verifier { progress, timestamp })
}

/// The key whose static secret has this digest.
fn holder(keys: &Keys, offered: &Tag) -> Result<Arc<str>, Rejection> {
    let same = |key: &&Key| matches!(key.proof(), Proof::Digest(digest) if digest.matches(offered));
    keys.iter().find(same).map(Key::shared_id).ok_or(Rejection::Mismatch)
}
