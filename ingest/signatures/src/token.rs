//! Compact tokens: JWTs with their claims, and detached JWSs. The algorithm is the scheme's; nothing in a token chooses it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::algorithm::Algorithm;
use crate::auth::{Jwt, TimeFrom};
use crate::keys::{Key, Keys, Proof};
use crate::mac::{Mac, Tag};
use crate::payload;
use crate::place::Place;
use crate::pointer::Pointer;
use crate::public::PublicKey;
use crate::rejection::Rejection;
use crate::signature;
use crate::verify::checked;
use crate::window::UnixMillis;

/// Bytes that a token's header may have once decoded.
const MAX_JOSE_BYTES: usize = 4096;

/// A token whose signature and times are good.
pub(crate) struct Accepted<'a> {
    pub(crate) key: &'a Key,
    pub(crate) timestamp: Option<UnixMillis>,
    /// Its header, as JSON.
    pub(crate) jose: Vec<u8>,
    /// Its claims, as JSON.
    pub(crate) claims: Vec<u8>,
}

/// Judges a token with its prefix.
pub(crate) fn accept<'a>(jwt: &Jwt, keys: &'a Keys, text: &[u8], now: UnixMillis) -> Result<Accepted<'a>, Rejection> {
    let bare = signature::credentials(text, jwt.prefix.as_bytes())?;
    let bare = std::str::from_utf8(bare).map_err(|_| Rejection::Malformed)?;
    let (input, tag) = bare.rsplit_once('.').ok_or(Rejection::Malformed)?;
    let (jose, claims) = input.split_once('.').ok_or(Rejection::Malformed)?;
    let (jose, claims, tag) = (decoded(jose)?, decoded(claims)?, decoded(tag)?);
    let algorithm = named_algorithm(&jose, &jwt.algorithms)?;
    let kid = text_at(&jose, "/kid")?;
    let made_by = |key: &&Key| is_made(key, algorithm, kid.as_deref(), input.as_bytes(), &tag);
    let key = keys.iter().find(made_by).ok_or(Rejection::Mismatch)?;
    check_times(jwt, &claims, now)?;
    let timestamp = match jwt.time.as_ref().map(|time| (time, &time.from)) {
        Some((time, TimeFrom::Place(Place::Claim(pointer)))) => {
            let text = payload::texts(&claims, pointer)?.pop().ok_or(Rejection::Missing)?;
            Some(checked(time, &text, now)?)
        }
        _ => None,
    };
    Ok(Accepted { key, timestamp, jose, claims })
}

/// A detached JWS, taken apart.
pub(crate) struct Detached<'t> {
    /// Its header, as JSON.
    pub(crate) jose: Vec<u8>,
    /// Its header, as it is signed.
    encoded: &'t str,
    tag: Vec<u8>,
    kid: Option<String>,
    algorithm: Algorithm,
}

/// Reads `header..signature`.
pub(crate) fn detached(text: &str, algorithm: Algorithm) -> Result<Detached<'_>, Rejection> {
    let (encoded, tag) = text.split_once("..").ok_or(Rejection::Malformed)?;
    let (jose, tag) = (decoded(encoded)?, decoded(tag)?);
    named_algorithm(&jose, &[algorithm])?;
    let kid = text_at(&jose, "/kid")?;
    Ok(Detached { jose, encoded, tag, kid, algorithm })
}

impl Detached<'_> {
    /// Whether the key made it over this payload.
    pub(crate) fn is_made_by(&self, key: &Key, payload: &[u8]) -> bool {
        let input = format!("{}.{}", self.encoded, URL_SAFE_NO_PAD.encode(payload));
        is_made(key, self.algorithm, self.kid.as_deref(), input.as_bytes(), &self.tag)
    }
}

/// The key that a token's header names, before anything of it is proven.
pub(crate) fn kid(token: &str) -> Result<Option<String>, Rejection> {
    let (jose, _) = token.split_once('.').ok_or(Rejection::Malformed)?;
    let jose = decoded(jose)?;
    if jose.len() > MAX_JOSE_BYTES { Err(Rejection::Malformed) } else { text_at(&jose, "/kid") }
}

fn is_made(key: &Key, algorithm: Algorithm, kid: Option<&str>, input: &[u8], tag: &[u8]) -> bool {
    match (key.proof(), algorithm) {
        (Proof::Secret | Proof::Mac(_), Algorithm::Mac(function)) => {
            let Some(tag) = Tag::exact(tag, function.tag_bytes()) else { return false };
            let mut mac = Mac::keyed(function, key.secret());
            mac.update(input);
            mac.finish().matches(&tag)
        }
        (Proof::Public(keys), Algorithm::Public(algorithm)) => {
            // A key without a name is the only one there is.
            let named = |key: &&PublicKey| key.kid.is_none() || kid.is_none() || key.kid.as_deref() == kid;
            keys.iter().filter(named).any(|key| key.verifies(algorithm, input, tag))
        }
        _ => false,
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejection::Malformed)
}

/// Which of the scheme's algorithms the header names; extensions that must be understood are not.
fn named_algorithm(jose: &[u8], accepted: &[Algorithm]) -> Result<Algorithm, Rejection> {
    if jose.len() > MAX_JOSE_BYTES {
        return Err(Rejection::Malformed);
    }
    let (alg, crit) = (pointer("/alg")?, pointer("/crit")?);
    if payload::value(jose, &crit)?.is_some() || text_at(jose, "/b64")?.is_some() {
        return Err(Rejection::Algorithm);
    }
    let name = payload::texts(jose, &alg)?.pop().ok_or(Rejection::Algorithm)?;
    accepted.iter().copied().find(|algorithm| algorithm.jose() == Some(&name)).ok_or(Rejection::Algorithm)
}

fn check_times(jwt: &Jwt, claims: &[u8], now: UnixMillis) -> Result<(), Rejection> {
    let leeway_ms = i64::from(jwt.leeway_s) * 1000;
    let at_ms = |name: &str| match text_at(claims, name)? {
        Some(text) => numeric_date_ms(&text).map(Some).ok_or(Rejection::Malformed),
        None => Ok(None),
    };
    match at_ms("/exp")? {
        Some(expiry) if now.0.saturating_sub(leeway_ms) >= expiry => return Err(Rejection::Stale),
        None if jwt.must_expire => return Err(Rejection::Missing),
        _ => {}
    }
    for name in ["/nbf", "/iat"] {
        if at_ms(name)?.is_some_and(|start| start > now.0.saturating_add(leeway_ms)) {
            return Err(Rejection::Future);
        }
    }
    Ok(())
}

/// Seconds since 1970, with or without a fraction, which is dropped.
fn numeric_date_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| whole.parse::<i64>().ok()?.checked_mul(1000))?
}

fn pointer(text: &str) -> Result<Pointer, Rejection> {
    Pointer::parse(text).map_err(|_| Rejection::Malformed)
}

fn text_at(json: &[u8], at: &str) -> Result<Option<String>, Rejection> {
    Ok(payload::texts(json, &pointer(at)?)?.pop())
}
