//! The other direction: the headers that a provider would send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::{Auth, SignatureFrom, Signed, TimeFrom};
use crate::bind::{Condition, Expected};
use crate::keys::Key;
use crate::payload::Body;
use crate::place::Place;
use crate::render::{Parts, render};
use crate::scheme::Scheme;
use crate::template::{Source, Template};
use crate::verify::{Head, Running};
use crate::window::UnixMillis;

/// A request to sign.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path and query that the receiver will see.
    pub path_and_query: &'a str,
    /// The event's id, without dots and blanks where the scheme signs it.
    pub id: &'a str,
    /// The body, to be sent byte for byte.
    pub body: &'a [u8],
}

/// Whether a request can be signed as this provider would with what the source has: a shared secret, and a signature that
/// stands in a header beside a finished body.
#[must_use]
pub fn can_sign(scheme: &Scheme) -> bool {
    let is_settable = |condition: &Condition| {
        matches!((&condition.from, &condition.is), (Place::Header(_), Expected::Text(_)) | (_, Expected::Absent))
    };
    let is_plain = scheme.require.iter().all(is_settable) && scheme.bind.is_empty() && scheme.payload.is_none();
    is_plain
        && match &scheme.auth {
            Auth::Mac(signed) | Auth::Hash(signed) => signs_plainly(signed),
            Auth::Token(token) => matches!(token.from, Place::Header(_)),
            Auth::Basic | Auth::None => true,
            Auth::Sign(_) | Auth::Jws(_) | Auth::Jwt(_) => false,
        }
}

fn signs_plainly(signed: &Signed) -> bool {
    let is_known = |template: &Template| {
        template.parts().all(|part| {
            let plain =
                [Source::Body, Source::Timestamp, Source::Id, Source::Method, Source::Path, Source::PathAndQuery];
            plain.contains(&part.source) || part.source == Source::Secret
        })
    };
    let is_time_settable = signed.time.as_ref().is_none_or(|time| match &time.from {
        TimeFrom::Place(place) => matches!(place, Place::Header(_) | Place::Item(_)),
        TimeFrom::Headers(_) | TimeFrom::Position(0) => true,
        TimeFrom::Position(_) => false,
    });
    let labels = signed.signature.list.as_ref();
    let is_in_header =
        matches!(signed.signature.from, SignatureFrom::Headers(_) | SignatureFrom::Place(Place::Header(_)));
    is_in_header
        && is_time_settable
        && signed.each.is_none()
        && signed.secret.name.is_none()
        && labels.is_none_or(|list| !list.accepts_any())
        && signed.templates.first().is_some_and(is_known)
}

/// The headers that prove a `POST` of this body: signature, timestamp and id. Where the scheme signs the path too, use
/// [`sign_request`]. Without a key there is no signature, only what else the scheme puts in headers.
#[must_use]
pub fn sign<'k>(
    scheme: &Scheme,
    key: impl Into<Option<&'k Key>>,
    id: &str,
    now: UnixMillis,
    body: &[u8],
) -> Vec<(String, String)> {
    sign_request(scheme, key, Outgoing { method: "POST", path_and_query: "/", id, body }, now)
}

/// The headers that prove this request, see [`sign`]; no signature where [`can_sign`] says no.
#[must_use]
pub fn sign_request<'k>(
    scheme: &Scheme,
    key: impl Into<Option<&'k Key>>,
    request: Outgoing<'_>,
    now: UnixMillis,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if let Some(name) = scheme.id.as_ref().and_then(|id| id.first_header()) {
        headers.push((name.to_string(), request.id.to_owned()));
    }
    for condition in &scheme.require {
        if let (Place::Header(name), Expected::Text(text)) = (&condition.from, &condition.is) {
            headers.push((name.to_string(), text.clone()));
        }
    }
    let key = key.into().filter(|_| can_sign(scheme));
    match (&scheme.auth, key) {
        (Auth::Mac(signed) | Auth::Hash(signed), Some(key)) => {
            sign_bytes(scheme, signed, key, request, &mut headers, now)
        }
        (Auth::Token(token), Some(key)) => {
            if let Place::Header(name) = &token.from {
                let secret = String::from_utf8_lossy(key.secret());
                headers.push((name.to_string(), format!("{}{secret}", token.prefix)));
            }
        }
        (Auth::Basic, Some(key)) => {
            headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(key.secret()))));
        }
        _ => {}
    }
    headers
}

#[expect(clippy::too_many_arguments, reason = "one private step of signing, with all that is signed")]
fn sign_bytes(
    scheme: &Scheme,
    signed: &Signed,
    key: &Key,
    request: Outgoing<'_>,
    headers: &mut Vec<(String, String)>,
    now: UnixMillis,
) {
    let timestamp = signed.time.as_ref().map(|time| time.unit.format(now)).unwrap_or_default();
    let map: HeaderMap = headers.iter().filter_map(|(name, value)| pair(name, value)).collect();
    let head = Head { method: request.method, path_and_query: request.path_and_query, headers: &map };
    let (Ok(body), Some(mut running), Some(template)) =
        (Body::new(head, request.body, None), Running::of(signed, key), signed.templates.first())
    else {
        return;
    };
    let parts = Parts {
        timestamp: &timestamp,
        id: request.id,
        secret: key.secret(),
        body: Some(&body),
        ..Parts::new(scheme, head)
    };
    if render(&template.0, &parts, &mut |bytes| running.update(bytes)).is_err() {
        return;
    }
    let signature = signed.signature.encoding.encode(running.finish().as_bytes());
    let mut in_list = None;
    match signed.time.as_ref().map(|time| &time.from) {
        Some(TimeFrom::Place(Place::Header(name))) => headers.push((name.to_string(), timestamp)),
        Some(TimeFrom::Headers(names)) => headers.extend(names.first().map(|name| (name.to_string(), timestamp))),
        Some(TimeFrom::Place(Place::Item(label))) => in_list = Some((label.as_str(), timestamp)),
        Some(TimeFrom::Position(_)) => in_list = Some(("", timestamp)),
        _ => {}
    }
    let name = match &signed.signature.from {
        SignatureFrom::Place(Place::Header(name)) => name.to_string(),
        SignatureFrom::Headers(names) => names.first().map(ToString::to_string).unwrap_or_default(),
        _ => return,
    };
    let value = match &signed.signature.list {
        None => signature,
        Some(list) => {
            let pair = list.pair.as_deref().unwrap_or_default();
            let time = in_list.map(|(label, text)| format!("{label}{pair}{text}{}", list.separator));
            let label = list.labels.first().map_or("", String::as_str);
            format!("{}{label}{pair}{signature}", time.unwrap_or_default())
        }
    };
    headers.push((name, format!("{}{value}", signed.signature.prefix)));
}

fn pair(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}
