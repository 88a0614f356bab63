//! Schemes that can be judged only over the whole body: parts of it are signed, or the signature is in it.

use std::cell::RefCell;

use crate::algorithm::Algorithm;
use crate::auth::{Auth, Jwt, SignatureFrom, Signed, TimeFrom, UrlVariant};
use crate::explain::MAX_SHOWN;
use crate::form;
use crate::keys::{Key, Keys, Proof};
use crate::payload::{self, Body, Values};
use crate::place::Place;
use crate::pointer::Pointer;
use crate::public::PublicKey;
use crate::rejection::Rejection;
use crate::render::{Parts, render};
use crate::scheme::Scheme;
use crate::signature::{self, Offer, Offered, Offering};
use crate::template::{Source, Template};
use crate::token;
use crate::verify::{Head, Proven, Running, checked, holder_in_body};
use crate::window::UnixMillis;

/// Refuses what the head alone shows to be no signature, so that no body is read for it.
pub(crate) fn check_head(signed: &Signed, head: Head<'_>, now: UnixMillis) -> Result<(), Rejection> {
    if !is_in_headers(signed) {
        return Ok(());
    }
    let offered = Offered::in_headers(signed, head.headers)?;
    if let Some(time) = &signed.time
        && let Some(text) = offered.timestamp(time, head.headers)?
    {
        checked(time, text, now)?;
    }
    if let Some(name) = &signed.id_header {
        signature::signed_id(&signed.templates, name, head.headers)?;
    }
    Ok(())
}

/// Judges a request whose body is there.
pub(crate) fn believe<'a>(
    scheme: &'a Scheme,
    keys: &'a Keys,
    head: Head<'a>,
    bytes: &[u8],
    now: UnixMillis,
) -> Result<Proven<'a>, Rejection> {
    let body = Body::new(head, bytes, scheme.payload.as_deref())?;
    let request = Request { scheme, keys, head, body: &body, now, shown: None };
    match &scheme.auth {
        Auth::Mac(signed) | Auth::Hash(signed) | Auth::Sign(signed) | Auth::Jws(signed) => request.signed(signed),
        Auth::Jwt(jwt) => request.token(jwt),
        Auth::Token(token) => {
            Ok(Proven { key: Some(holder_in_body(token, keys, &body)?), timestamp: None, token: None })
        }
        Auth::Basic | Auth::None => Err(Rejection::Mismatch),
    }
}

/// The same, and what was held against the signatures is kept.
#[expect(clippy::too_many_arguments, reason = "what is judged, and where to keep what was looked at")]
pub(crate) fn trace<'a>(
    scheme: &'a Scheme,
    keys: &'a Keys,
    head: Head<'a>,
    bytes: &[u8],
    now: UnixMillis,
    shown: &RefCell<Vec<Vec<u8>>>,
) -> Result<Proven<'a>, Rejection> {
    let body = Body::new(head, bytes, scheme.payload.as_deref())?;
    let signed = scheme.auth.signed().ok_or(Rejection::Mismatch)?;
    Request { scheme, keys, head, body: &body, now, shown: Some(shown) }.signed(signed)
}

fn is_in_headers(signed: &Signed) -> bool {
    matches!(&signed.signature.from, SignatureFrom::Headers(_) | SignatureFrom::Place(Place::Header(_)))
}

#[derive(Clone, Copy)]
struct Request<'a, 'b> {
    scheme: &'a Scheme,
    keys: &'a Keys,
    head: Head<'a>,
    body: &'b Body<'b>,
    now: UnixMillis,
    /// Where the signed bytes are kept, if anybody wants to see them.
    shown: Option<&'b RefCell<Vec<Vec<u8>>>>,
}

impl<'a> Request<'a, '_> {
    fn token(&self, jwt: &'a Jwt) -> Result<Proven<'a>, Rejection> {
        let text = match &jwt.from {
            SignatureFrom::Body => std::str::from_utf8(self.body.bytes).map_err(|_| Rejection::Malformed)?.to_owned(),
            SignatureFrom::Place(Place::Json(pointer)) => {
                payload::texts(self.body.payload(), pointer)?.pop().ok_or(Rejection::Missing)?
            }
            SignatureFrom::Place(Place::Form(name)) => self.body.field(name)?.ok_or(Rejection::Missing)?.to_owned(),
            _ => return Err(Rejection::Missing),
        };
        let accepted = token::accept(jwt, self.keys, text.as_bytes(), self.now)?;
        Ok(Proven { key: Some(accepted.key), timestamp: accepted.timestamp, token: Some(accepted) })
    }

    /// One signature over the request, or one an element of the batch: then all must hold.
    fn signed(&self, signed: &'a Signed) -> Result<Proven<'a>, Rejection> {
        let Some((array, rest)) = signed.each.as_ref().and_then(Pointer::batch) else {
            return self.one(signed, self.body.payload());
        };
        let mut believed = None;
        for element in payload::elements(self.body.payload(), array.as_ref())? {
            let inner = match &rest {
                Some(rest) => payload::value(element.as_bytes(), rest)?.ok_or(Rejection::Missing)?,
                None => element,
            };
            let one = self.one(signed, inner.as_bytes())?;
            believed = believed.or(Some(one));
        }
        believed.ok_or(Rejection::Missing)
    }

    fn one(&self, signed: &'a Signed, json: &[u8]) -> Result<Proven<'a>, Rejection> {
        let values = Values::find(json, pointers(signed))?;
        let parts = Parts { body: Some(self.body), values: Some(&values), ..Parts::new(self.scheme, self.head) };
        let text = match &signed.signature.from {
            SignatureFrom::Place(place) if !is_in_headers(signed) => {
                Some(parts.place(place)?.ok_or(Rejection::Missing)?)
            }
            _ => None,
        };
        let offered = match &text {
            Some(text) => Offered::in_text(signed, text)?,
            None => Offered::in_headers(signed, self.head.headers)?,
        };
        let parts = Parts { items: &offered.items, listed: signed.listed.as_ref(), ..parts };
        let time_text = match &signed.time {
            Some(time) => match (offered.timestamp(time, self.head.headers)?, &time.from) {
                (Some(text), _) => text.to_owned(),
                (None, TimeFrom::Place(place)) => parts.place(place)?.ok_or(Rejection::Missing)?.into_owned(),
                (None, _) => return Err(Rejection::Missing),
            },
            None => String::new(),
        };
        let timestamp = signed.time.as_ref().map(|time| checked(time, &time_text, self.now)).transpose();
        let id = match &signed.id_header {
            Some(name) => signature::signed_id(&signed.templates, name, self.head.headers)?,
            None => "",
        };
        let own_field = match &signed.signature.from {
            SignatureFrom::Place(Place::Form(name)) => Some(name.as_str()),
            _ => None,
        };
        let kid = signed.secret.kid.as_ref().map(|place| parts.place(place)).transpose()?.flatten();
        let parts = Parts { timestamp: &time_text, id, own_field, ..parts };
        let attempt = Attempt { signed, offered: &offered, kid: kid.as_deref() };
        if self.shown.is_none() {
            timestamp?;
        }
        let key = self.matching(attempt, parts)?;
        Ok(Proven { key: Some(key), timestamp: timestamp?, token: None })
    }

    fn show(&self, template: &Template, parts: &Parts<'_>) {
        let Some(shown) = self.shown else { return };
        let mut bytes = Vec::new();
        let rendered = render(&template.0, &parts.masked(), &mut |part| bytes.extend_from_slice(part));
        let mut shown = shown.borrow_mut();
        if rendered.is_ok() && shown.len() < MAX_SHOWN && !shown.contains(&bytes) {
            shown.push(bytes);
        }
    }

    /// The first key that made one of the signatures over one of the templates, with one of the URL's variants.
    fn matching(&self, attempt: Attempt<'_>, parts: Parts<'_>) -> Result<&'a Key, Rejection> {
        let urls = urls(self.scheme.settings.url.as_deref(), &attempt.signed.url_variants);
        let mut fault = Rejection::Mismatch;
        for url in &urls {
            for template in &attempt.signed.templates {
                self.show(template, &Parts { url: Some(url), ..parts });
                for key in self.keys.iter() {
                    let parts = Parts { url: Some(url), secret: key.secret(), ..parts };
                    match attempt.fits(template, key, &parts) {
                        Ok(true) => return Ok(key),
                        Ok(false) => {}
                        // Another template may have no such part.
                        Err(other) => fault = other,
                    }
                }
            }
        }
        Err(fault)
    }
}

struct Attempt<'b> {
    signed: &'b Signed,
    offered: &'b Offered<'b>,
    kid: Option<&'b str>,
}

impl Attempt<'_> {
    fn fits(&self, template: &Template, key: &Key, parts: &Parts<'_>) -> Result<bool, Rejection> {
        let offers = || self.offered.signatures.iter().filter(|offer| offer.is_for(key));
        if let Some(mut running) = Running::of(self.signed, key)
            && !offers().any(|offer| matches!(offer.proof, Offering::Jws(_)))
        {
            render(&template.0, parts, &mut |bytes| running.update(bytes))?;
            let made = running.finish();
            return Ok(offers().any(|offer| matches!(&offer.proof, Offering::Tag(tag) if made.matches(tag))));
        }
        for offer in offers() {
            if self.is_made_by(offer, template, key, parts)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_made_by(
        &self,
        offer: &Offer<'_>,
        template: &Template,
        key: &Key,
        parts: &Parts<'_>,
    ) -> Result<bool, Rejection> {
        let rendered = |parts: &Parts<'_>| {
            let mut message = Vec::new();
            render(&template.0, parts, &mut |bytes| message.extend_from_slice(bytes))?;
            Ok(message)
        };
        match (&offer.proof, key.proof(), self.signed.algorithm) {
            (Offering::Bytes(signature), Proof::Public(keys), Algorithm::Public(algorithm)) => {
                let message = rendered(parts)?;
                let named = |key: &&PublicKey| self.kid.is_none() || key.kid.as_deref() == self.kid;
                Ok(keys.iter().filter(named).any(|key| key.verifies(algorithm, &message, signature)))
            }
            (Offering::Jws(text), _, algorithm) => {
                let detached = token::detached(text, algorithm)?;
                let jose = Values::find(&detached.jose, jose_pointers(self.signed))?;
                let message = rendered(&Parts { jose: Some(&jose), ..*parts })?;
                Ok(detached.is_made_by(key, &message))
            }
            _ => Ok(false),
        }
    }
}

/// Every pointer of the scheme's signature into the payload.
fn pointers(signed: &Signed) -> Vec<&Pointer> {
    let time = signed.time.as_ref().and_then(|time| match &time.from {
        TimeFrom::Place(place) => Some(place),
        _ => None,
    });
    let from = match &signed.signature.from {
        SignatureFrom::Place(place) => Some(place),
        _ => None,
    };
    let parts = signed.templates.iter().flat_map(Template::parts).filter_map(|part| match &part.source {
        Source::At(place) => Some(place),
        _ => None,
    });
    let listed = signed.listed.as_ref().map(|listed| &listed.from);
    let places = parts.chain(time).chain(from).chain(listed).chain(&signed.secret.kid);
    distinct(places.filter_map(|place| match place {
        Place::Json(pointer) => Some(pointer),
        _ => None,
    }))
}

/// Every pointer of the scheme's signature into the token's header.
fn jose_pointers(signed: &Signed) -> Vec<&Pointer> {
    let parts = signed.templates.iter().flat_map(Template::parts).filter_map(|part| match &part.source {
        Source::At(Place::Jose(pointer)) => Some(pointer),
        _ => None,
    });
    let listed = signed.listed.as_ref().and_then(|listed| match &listed.from {
        Place::Jose(pointer) => Some(pointer),
        _ => None,
    });
    distinct(parts.chain(listed))
}

fn distinct<'a>(pointers: impl Iterator<Item = &'a Pointer>) -> Vec<&'a Pointer> {
    let mut all: Vec<&Pointer> = Vec::new();
    for pointer in pointers {
        if !all.contains(&pointer) {
            all.push(pointer);
        }
    }
    all
}

/// A form in which the provider may have signed the URL.
pub(crate) struct Url {
    pub(crate) base: Option<String>,
    /// Apostrophes are written as `%27`.
    pub(crate) quotes: bool,
}

impl Url {
    /// With the query as received.
    pub(crate) fn full(&self, head: Head<'_>) -> Option<String> {
        let base = self.base.as_ref()?;
        let full = form::query(head.path_and_query).map_or_else(|| base.clone(), |query| format!("{base}?{query}"));
        Some(if self.quotes { full.replace('\'', "%27") } else { full })
    }
}

/// Every combination of the variants, the configured URL first.
pub(crate) fn urls(configured: Option<&str>, variants: &[UrlVariant]) -> Vec<Url> {
    let mut bases: Vec<Option<String>> = vec![configured.map(str::to_owned)];
    for variant in variants {
        let other: Vec<Option<String>> = bases
            .iter()
            .flatten()
            .flat_map(|base| match variant {
                UrlVariant::Port => ports(base),
                UrlVariant::Slash => vec![base.strip_suffix('/').map_or_else(|| format!("{base}/"), str::to_owned)],
                UrlVariant::Quote => Vec::new(),
            })
            .map(Some)
            .collect();
        bases.extend(other);
    }
    let quotes: &[bool] = if variants.contains(&UrlVariant::Quote) { &[false, true] } else { &[false] };
    bases.iter().flat_map(|base| quotes.iter().map(|quotes| Url { base: base.clone(), quotes: *quotes })).collect()
}

/// The URL without its port, or with its scheme's own.
fn ports(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return Vec::new() };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let host_at = authority.rfind('@').map_or(0, |at| at + 1);
    match authority[host_at..].rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            vec![format!("{scheme}://{}{host}{path}", &authority[..host_at])]
        }
        _ => {
            let port = if scheme == "http" { 80 } else { 443 };
            vec![format!("{scheme}://{authority}:{port}{path}")]
        }
    }
}
