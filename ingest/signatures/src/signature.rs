//! The texts that prove a sender, taken apart strictly: what is not exactly in form is refused, never mended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::auth::{List, Signature, SignatureFrom, Signed, Time, TimeFrom};
use crate::keys::Key;
use crate::mac::Tag;
use crate::place::Place;
use crate::rejection::Rejection;
use crate::scheme::MAX_SIGNATURE_ITEMS;
use crate::template::Template;

/// Bytes a signed id may have.
const MAX_ID_BYTES: usize = 255;

/// Bytes a public-key signature may have: RSA with 8192 bits.
const MAX_SIGNATURE_BYTES: usize = 1024;

/// The signatures a request offers, and what stood among them.
#[derive(Default)]
pub(crate) struct Offered<'a> {
    pub(crate) signatures: Vec<Offer<'a>>,
    /// The other labelled items, in order, if anybody looks at them.
    pub(crate) items: Vec<(&'a str, &'a str)>,
    /// The item that is the time.
    timed: Option<&'a str>,
    count: usize,
}

/// One offered signature.
pub(crate) struct Offer<'a> {
    /// Its label, where labels are the sender's choice.
    pub(crate) label: Option<&'a str>,
    pub(crate) proof: Offering<'a>,
}

impl Offer<'_> {
    /// Whether this key is meant, where an offer says which.
    pub(crate) fn is_for(&self, key: &Key) -> bool {
        match (self.label, key.name()) {
            (Some(label), Some(name)) => label == name,
            _ => true,
        }
    }
}

/// A signature as bytes of the length that the algorithm gives.
pub(crate) enum Offering<'a> {
    /// A keyed hash or digest.
    Tag(Tag),
    /// A public-key signature.
    Bytes(Vec<u8>),
    /// A detached JWS, as it is.
    Jws(&'a str),
}

impl<'a> Offered<'a> {
    /// Reads the signatures of a header-borne scheme.
    pub(crate) fn in_headers(signed: &Signed, headers: &'a HeaderMap) -> Result<Self, Rejection> {
        let mut offered = Self::default();
        match &signed.signature.from {
            SignatureFrom::Place(Place::Header(name)) if !signed.signature.may_repeat => {
                offered.read(signed, text(required(headers, name)?)?)?;
            }
            SignatureFrom::Place(Place::Header(name)) => {
                for value in headers.get_all(name) {
                    offered.read(signed, text(value)?)?;
                }
            }
            SignatureFrom::Headers(names) => {
                for name in names.iter().filter(|name| headers.contains_key(*name)) {
                    offered.read(signed, text(required(headers, name)?)?)?;
                }
            }
            SignatureFrom::Place(_) | SignatureFrom::Body => {}
        }
        offered.checked()
    }

    /// Reads one text with its signatures.
    pub(crate) fn in_text(signed: &Signed, text: &'a str) -> Result<Self, Rejection> {
        let mut offered = Self::default();
        offered.read(signed, text)?;
        offered.checked()
    }

    fn checked(self) -> Result<Self, Rejection> {
        if !self.signatures.is_empty() {
            return Ok(self);
        }
        Err(if self.count == 0 { Rejection::Missing } else { Rejection::NoAcceptedLabel })
    }

    fn read(&mut self, signed: &Signed, text: &'a str) -> Result<(), Rejection> {
        let signature = &signed.signature;
        let bare = match text.strip_prefix(signature.prefix.as_str()) {
            Some(bare) => bare,
            None if signature.is_prefix_optional => text,
            None => return Err(Rejection::Malformed),
        };
        match &signature.list {
            None => {
                self.counted()?;
                self.push(signed, None, bare)
            }
            Some(list) => self.items(signed, list, bare),
        }
    }

    fn items(&mut self, signed: &Signed, list: &List, text: &'a str) -> Result<(), Rejection> {
        let Some(groups) = &list.groups else { return self.group(signed, list, text) };
        let mut known = None;
        for group in text.split(groups.as_str()) {
            self.timed = None;
            self.group(signed, list, group)?;
            // The same in every group: whichever were taken, another reader could take another.
            if known.is_some_and(|known| known != self.timed) {
                return Err(Rejection::Malformed);
            }
            known = Some(self.timed);
        }
        Ok(())
    }

    fn group(&mut self, signed: &Signed, list: &List, text: &'a str) -> Result<(), Rejection> {
        let (time_label, time_position) = match signed.time.as_ref().map(|time| &time.from) {
            Some(TimeFrom::Place(Place::Item(label))) => (Some(label.as_str()), None),
            Some(TimeFrom::Position(position)) => (None, Some(*position)),
            _ => (None, None),
        };
        for (place, item) in text.split(list.separator.as_str()).enumerate() {
            self.counted()?;
            let item = if list.trim { item.trim_matches(' ') } else { item };
            let Some(pair) = &list.pair else {
                if time_position == Some(place) {
                    self.timed = Some(item);
                } else {
                    self.push(signed, None, item)?;
                }
                continue;
            };
            let unlabelled = || list.labels.iter().any(String::is_empty).then_some(("", item));
            let (label, value) = item.split_once(pair.as_str()).or_else(unlabelled).ok_or(Rejection::Malformed)?;
            if Some(label) == time_label {
                // Two timestamps: whichever were taken, another reader could take the other.
                if self.timed.replace(value).is_some() {
                    return Err(Rejection::Malformed);
                }
            } else if list.accepts(label) {
                self.push(signed, list.accepts_any().then_some(label), value)?;
            } else if signed.keeps_items {
                self.items.push((label, value));
            }
        }
        Ok(())
    }

    fn counted(&mut self) -> Result<(), Rejection> {
        self.count += 1;
        if self.count > MAX_SIGNATURE_ITEMS { Err(Rejection::TooManyItems) } else { Ok(()) }
    }

    fn push(&mut self, signed: &Signed, label: Option<&'a str>, text: &'a str) -> Result<(), Rejection> {
        let proof = decode(signed, &signed.signature, text)?;
        self.signatures.push(Offer { label, proof });
        Ok(())
    }

    /// The timestamp, where the head or the list has it; as received: that text is what was signed.
    pub(crate) fn timestamp(&self, time: &Time, headers: &'a HeaderMap) -> Result<Option<&'a str>, Rejection> {
        match &time.from {
            TimeFrom::Place(Place::Header(name)) => text(required(headers, name)?).map(Some),
            TimeFrom::Headers(names) => {
                let name = names.iter().find(|name| headers.contains_key(*name)).ok_or(Rejection::Missing)?;
                text(required(headers, name)?).map(Some)
            }
            TimeFrom::Place(Place::Item(_)) | TimeFrom::Position(_) => self.timed.ok_or(Rejection::Missing).map(Some),
            TimeFrom::Place(_) => Ok(None),
        }
    }
}

fn decode<'a>(signed: &Signed, signature: &Signature, text: &'a str) -> Result<Offering<'a>, Rejection> {
    if matches!(signed.kind, crate::auth::SignedKind::Jws) {
        return Ok(Offering::Jws(text));
    }
    let decoded = match (signed.algorithm.is_shared(), signed.algorithm.signature_bytes()) {
        (true, Some(length)) => signature.encoding.decode(text, length).map(Offering::Tag),
        (_, Some(length)) => {
            let bytes = signature.encoding.decode_bytes(text, length);
            bytes.filter(|bytes| bytes.len() == length).map(Offering::Bytes)
        }
        (_, None) => signature.encoding.decode_bytes(text, MAX_SIGNATURE_BYTES).map(Offering::Bytes),
    };
    decoded.ok_or(Rejection::Malformed)
}

/// The id that is signed beside the body. A delimiter in it would let id and timestamp trade characters.
pub(crate) fn signed_id<'a>(
    templates: &[Template],
    name: &HeaderName,
    headers: &'a HeaderMap,
) -> Result<&'a str, Rejection> {
    let id = text(required(headers, name)?)?;
    let delimits = |c: char| templates.iter().any(|template| template.delimits(c));
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(delimits) {
        return Err(Rejection::Malformed);
    }
    Ok(id)
}

/// The digest of the static token in a header.
pub(crate) fn header_token(name: &HeaderName, prefix: &str, headers: &HeaderMap) -> Result<Tag, Rejection> {
    credentials(required(headers, name)?.as_bytes(), prefix.as_bytes()).map(Tag::sha256)
}

/// The digest of `user:password`.
pub(crate) fn basic(headers: &HeaderMap) -> Result<Tag, Rejection> {
    let encoded = credentials(required(headers, &header::AUTHORIZATION)?.as_bytes(), b"Basic ")?;
    let decoded = STANDARD.decode(encoded).map_err(|_| Rejection::Malformed)?;
    Ok(Tag::sha256(&decoded))
}

/// What follows the prefix, whose case does not matter: it is the name of an authentication scheme.
pub(crate) fn credentials<'a>(value: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], Rejection> {
    match value.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) && !rest.is_empty() => Ok(rest),
        _ => Err(Rejection::Malformed),
    }
}

pub(crate) fn required<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a HeaderValue, Rejection> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => Err(Rejection::DuplicateHeader),
        (None, _) => Err(Rejection::Missing),
    }
}

pub(crate) fn text(value: &HeaderValue) -> Result<&str, Rejection> {
    value.to_str().map_err(|_| Rejection::Malformed)
}
