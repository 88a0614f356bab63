//! The headers that prove a sender, taken apart strictly: what is not exactly in form is refused, never mended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::mac::Tag;
use crate::rejection::Rejection;
use crate::scheme::{List, MAX_SIGNATURE_ITEMS, MacAuth, TimeFrom, TokenAuth};
use crate::template::Template;

/// Bytes a signed id may have.
const MAX_ID_BYTES: usize = 255;

/// The signatures a header offers, and the timestamp that stood among them.
pub(crate) struct Signatures<'a> {
    pub(crate) tags: Vec<Tag>,
    time: Option<&'a str>,
}

/// Reads the signature header.
pub(crate) fn signatures<'a>(auth: &MacAuth, headers: &'a HeaderMap) -> Result<Signatures<'a>, Rejection> {
    let text = text(required(headers, &auth.header)?)?;
    match &auth.list {
        Some(list) => items(auth, list, text),
        None => {
            let bare = text.strip_prefix(auth.prefix.as_str()).ok_or(Rejection::Malformed)?;
            Ok(Signatures { tags: vec![tag(auth, bare)?], time: None })
        }
    }
}

/// The timestamp as received: that text is what was signed.
pub(crate) fn timestamp<'a>(
    auth: &MacAuth,
    signatures: &Signatures<'a>,
    headers: &'a HeaderMap,
) -> Result<Option<&'a str>, Rejection> {
    match auth.time.as_ref().map(|time| &time.from) {
        None => Ok(None),
        Some(TimeFrom::Header(name)) => text(required(headers, name)?).map(Some),
        Some(TimeFrom::Item(_)) => signatures.time.ok_or(Rejection::Missing).map(Some),
    }
}

/// The id that is signed beside the body. A delimiter in it would let id and timestamp trade characters.
pub(crate) fn signed_id<'a>(
    signed: &Template,
    name: &HeaderName,
    headers: &'a HeaderMap,
) -> Result<&'a str, Rejection> {
    let id = text(required(headers, name)?)?;
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(|c| signed.delimits(c)) {
        return Err(Rejection::Malformed);
    }
    Ok(id)
}

/// The digest of the static token in a header.
pub(crate) fn token(auth: &TokenAuth, headers: &HeaderMap) -> Result<Tag, Rejection> {
    credentials(required(headers, &auth.header)?, auth.prefix.as_bytes()).map(Tag::sha256)
}

/// The digest of `user:password`.
pub(crate) fn basic(headers: &HeaderMap) -> Result<Tag, Rejection> {
    let encoded = credentials(required(headers, &header::AUTHORIZATION)?, b"Basic ")?;
    let decoded = STANDARD.decode(encoded).map_err(|_| Rejection::Malformed)?;
    Ok(Tag::sha256(&decoded))
}

/// What follows the prefix, whose case does not matter: it is the name of an authentication scheme.
fn credentials<'a>(value: &'a HeaderValue, prefix: &[u8]) -> Result<&'a [u8], Rejection> {
    match value.as_bytes().split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) && !rest.is_empty() => Ok(rest),
        _ => Err(Rejection::Malformed),
    }
}

fn items<'a>(auth: &MacAuth, list: &List, text: &'a str) -> Result<Signatures<'a>, Rejection> {
    let time_label = match auth.time.as_ref().map(|time| &time.from) {
        Some(TimeFrom::Item(label)) => Some(label.as_str()),
        _ => None,
    };
    let mut found = Signatures { tags: Vec::new(), time: None };
    for (count, item) in text.split(list.separator.as_str()).enumerate() {
        if count == MAX_SIGNATURE_ITEMS {
            return Err(Rejection::TooManyItems);
        }
        let item = if list.trim { item.trim_matches(' ') } else { item };
        let (label, value) = item.split_once(list.pair.as_str()).ok_or(Rejection::Malformed)?;
        if Some(label) == time_label {
            // Two timestamps: whichever were taken, another reader could take the other.
            if found.time.replace(value).is_some() {
                return Err(Rejection::Malformed);
            }
        } else if list.labels.iter().any(|accepted| accepted == label) {
            found.tags.push(tag(auth, value)?);
        }
    }
    if found.tags.is_empty() { Err(Rejection::NoAcceptedLabel) } else { Ok(found) }
}

fn tag(auth: &MacAuth, text: &str) -> Result<Tag, Rejection> {
    auth.encoding.decode(text, auth.function.tag_bytes()).ok_or(Rejection::Malformed)
}

fn required<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a HeaderValue, Rejection> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => Err(Rejection::DuplicateHeader),
        (None, _) => Err(Rejection::Missing),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Rejection> {
    value.to_str().map_err(|_| Rejection::Malformed)
}
