//! Which key of a set a request says that it was made with: a set that lacks it may be older than the key.

use crate::auth::{Auth, SignatureFrom};
use crate::keys::{Keys, Proof};
use crate::payload::Body;
use crate::place::Place;
use crate::rejection::Rejection;
use crate::rules::Facts;
use crate::scheme::Scheme;
use crate::signature;
use crate::token;
use crate::verify::Head;

impl Scheme {
    /// Whether the request names a key that is not among these. What it says is not proven: it is a reason to look for newer keys, now
    /// and then, and for nothing else. A key without a name may be any.
    #[must_use]
    pub fn names_unknown_key(&self, keys: &Keys, head: Head<'_>, body: &[u8]) -> bool {
        let Ok(Some(kid)) = named(self, head, body) else { return false };
        let is_known = |proof: &Proof| match proof {
            Proof::Public(set) => set.iter().any(|key| key.kid.as_deref().is_none_or(|known| known == kid)),
            _ => true,
        };
        !keys.iter().any(|key| is_known(key.proof()))
    }
}

fn named(scheme: &Scheme, head: Head<'_>, bytes: &[u8]) -> Result<Option<String>, Rejection> {
    let body = Body::new(head, bytes, scheme.payload.as_deref())?;
    let facts = Facts { scheme, head, body: bytes, token: None, key: None };
    let first = |place: &Place| facts.texts(&body, place).map(|texts| texts.into_iter().next());
    let written = |from: &SignatureFrom| match from {
        SignatureFrom::Place(place) => first(place),
        SignatureFrom::Headers(names) => {
            Ok(names.iter().find_map(|name| first(&Place::Header(name.clone())).transpose()).transpose()?)
        }
        SignatureFrom::Body => Ok(std::str::from_utf8(bytes).ok().map(str::to_owned)),
    };
    let (text, prefix) = match &scheme.auth {
        Auth::Jwt(jwt) => (written(&jwt.from)?, jwt.prefix.as_str()),
        Auth::Jws(signed) => (written(&signed.signature.from)?, signed.signature.prefix.as_str()),
        Auth::Sign(signed) => {
            let place = signed.secret.kid.as_ref();
            return place.map_or(Ok(None), first);
        }
        _ => return Ok(None),
    };
    let Some(text) = text else { return Ok(None) };
    let bare = signature::credentials(text.as_bytes(), prefix.as_bytes())?;
    token::kid(std::str::from_utf8(bare).map_err(|_| Rejection::Malformed)?)
}
