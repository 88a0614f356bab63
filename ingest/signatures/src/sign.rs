//! The other direction: the headers that a provider would send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::keys::{Key, Proof};
use crate::mac::Mac;
use crate::scheme::{Auth, MacAuth, Scheme, TimeFrom};
use crate::template::Values;
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

/// The headers that prove this request, see [`sign`].
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
    match (&scheme.auth, key.into()) {
        (Auth::Mac(auth), Some(key)) => {
            if let Proof::Mac(keyed) = key.proof() {
                sign_mac(auth, Mac::clone(keyed), request, now, &mut headers);
            }
        }
        (Auth::Token(auth), Some(key)) => {
            let token = String::from_utf8_lossy(key.secret());
            headers.push((auth.header.to_string(), format!("{}{token}", auth.prefix)));
        }
        (Auth::Basic, Some(key)) => {
            headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(key.secret()))));
        }
        (Auth::None, _) | (_, None) => {}
    }
    headers
}

fn sign_mac(auth: &MacAuth, mut mac: Mac, request: Outgoing<'_>, now: UnixMillis, headers: &mut Vec<(String, String)>) {
    let timestamp = auth.time.as_ref().map(|time| time.unit.format(now)).unwrap_or_default();
    let values = Values {
        method: request.method,
        path_and_query: request.path_and_query,
        timestamp: &timestamp,
        id: request.id,
    };
    auth.signed.feed_before(values, |part| mac.update(part));
    mac.update(request.body);
    auth.signed.feed_after(values, |part| mac.update(part));
    let signature = auth.encoding.encode(mac.finish().as_bytes());
    let mut time_item = None;
    match auth.time.as_ref().map(|time| &time.from) {
        Some(TimeFrom::Header(name)) => headers.push((name.to_string(), timestamp)),
        Some(TimeFrom::Item(label)) => time_item = Some((label, timestamp)),
        None => {}
    }
    let value = match &auth.list {
        None => format!("{}{signature}", auth.prefix),
        Some(list) => {
            let time = time_item.map(|(label, text)| format!("{label}{}{text}{}", list.pair, list.separator));
            let label = list.labels.first().map_or("", String::as_str);
            format!("{}{label}{}{signature}", time.unwrap_or_default(), list.pair)
        }
    };
    headers.push((auth.header.to_string(), value));
}
