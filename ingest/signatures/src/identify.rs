//! What an event is called: its id, type and ordering key, found in the head and in the raw body.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};

use crate::auth::{Auth, SignatureFrom};
use crate::form::{self, Fields};
use crate::locator::{HeaderText, Locator, header_text};
use crate::place::Place;
use crate::pointer::Pointer;
use crate::rejection::Rejection;
use crate::scan::{self, Fault};
use crate::scheme::Scheme;
use crate::verify::Head;

/// What an event is called. Only a verified event should be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The provider's id of the event.
    pub id: Option<String>,
    /// The provider's name of what happened.
    pub kind: Option<String>,
    /// What order is kept for.
    pub key: Option<String>,
}

/// Where to look; a source may look elsewhere than its provider's scheme.
#[derive(Debug, Clone, Copy)]
pub struct Locators<'a> {
    /// Where the id is.
    pub id: Option<&'a Locator>,
    /// Where the type is.
    pub kind: Option<&'a Locator>,
    /// Where the ordering key is.
    pub key: Option<&'a Locator>,
    /// The form field that holds the JSON payload.
    pub payload: Option<&'a str>,
    /// Where the token is whose claims are looked at.
    pub token: Option<Token<'a>>,
}

/// Where a token is.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    from: &'a SignatureFrom,
    prefix: &'a str,
}

impl<'a> From<&'a Scheme> for Locators<'a> {
    fn from(scheme: &'a Scheme) -> Self {
        let token = match &scheme.auth {
            Auth::Jwt(jwt) => Some(Token { from: &jwt.from, prefix: &jwt.prefix }),
            _ => None,
        };
        let (id, kind, key) = (scheme.id.as_ref(), scheme.kind.as_ref(), scheme.key.as_ref());
        Self { id, kind, key, payload: scheme.payload.as_deref(), token }
    }
}

/// Why an event cannot be named: two readers of the same bytes could name it differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifyError {
    /// A key on a pointer's path stands twice in one object.
    #[error("a key on the path {pointer} is repeated")]
    DuplicateKey {
        /// The pointer.
        pointer: String,
    },
    /// The JSON is nested deeper than is read.
    #[error("the body is nested deeper than {limit}")]
    TooDeep {
        /// Levels read.
        limit: usize,
    },
    /// A header that names the event came more than once.
    #[error("header {name} came more than once")]
    DuplicateHeader {
        /// The header.
        name: HeaderName,
    },
    /// A header that names the event is not visible ASCII.
    #[error("header {name} is no text")]
    BadHeader {
        /// The header.
        name: HeaderName,
    },
    /// A field or parameter that names the event came more than once.
    #[error("field {name:?} came more than once")]
    DuplicateField {
        /// The field.
        name: String,
    },
}

impl IdentifyError {
    /// The metric label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::TooDeep { .. } => "too_deep",
            Self::DuplicateHeader { .. } => "duplicate_header",
            Self::BadHeader { .. } => "bad_header",
            Self::DuplicateField { .. } => "duplicate_field",
        }
    }
}

/// Finds id, type and key. What is not there, not a scalar, `null` or empty is none; so is everything that should be in
/// the body when the body is no JSON or no form.
///
/// # Errors
/// [`IdentifyError`] when head or body could be read in two ways.
pub fn identify<'a>(locators: impl Into<Locators<'a>>, head: Head<'_>, body: &[u8]) -> Result<Identity, IdentifyError> {
    let locators = locators.into();
    let places = || [locators.id, locators.kind, locators.key].into_iter().flatten().flat_map(Locator::places);
    let needs_form = locators.payload.is_some() || places().any(|place| matches!(place, Place::Form(_)));
    let form = if needs_form && form::is_form(head.headers) { form::fields(body).ok() } else { None };
    let payload = match (&form, locators.payload) {
        (Some(fields), Some(name)) => field(fields, name)?.unwrap_or_default(),
        _ => Cow::Borrowed(body),
    };
    let pointers: Vec<&Pointer> = places()
        .filter_map(|place| match place {
            Place::Json(pointer) => Some(pointer),
            _ => None,
        })
        .collect();
    let claims_at: Vec<&Pointer> = places()
        .filter_map(|place| match place {
            Place::Claim(pointer) => Some(pointer),
            _ => None,
        })
        .collect();
    let claims = if claims_at.is_empty() { None } else { locators.token.and_then(|token| claims(token, head, body)) };
    let mut event = Event {
        head,
        body,
        form: form.as_ref(),
        values: scanned(&payload, &pointers)?.into_iter(),
        claims: scanned(claims.as_deref().unwrap_or_default(), &claims_at)?.into_iter(),
    };
    // In the order in which the pointers were collected: each takes its own tokens.
    Ok(Identity { id: event.first(locators.id)?, kind: event.first(locators.kind)?, key: event.first(locators.key)? })
}

/// The token of every pointer, none of them when the body is no JSON.
fn scanned<'a>(body: &'a [u8], pointers: &[&Pointer]) -> Result<Vec<Option<&'a str>>, IdentifyError> {
    if pointers.is_empty() {
        return Ok(Vec::new());
    }
    match scan::scan(body, pointers) {
        Ok(tokens) => Ok(tokens),
        Err(Fault::NotJson) => Ok(vec![None; pointers.len()]),
        Err(Fault::TooDeep) => Err(IdentifyError::TooDeep { limit: scan::MAX_DEPTH }),
        Err(Fault::Duplicate(place)) => Err(IdentifyError::DuplicateKey { pointer: pointers[place].to_string() }),
    }
}

/// An event with what was found in it.
struct Event<'a, I> {
    head: Head<'a>,
    body: &'a [u8],
    form: Option<&'a Fields>,
    values: I,
    claims: I,
}

impl<'a, I: Iterator<Item = Option<&'a str>>> Event<'a, I> {
    fn first(&mut self, locator: Option<&Locator>) -> Result<Option<String>, IdentifyError> {
        let mut first = None;
        for place in locator.into_iter().flat_map(Locator::alternatives) {
            let text = match place {
                Locator::At(place) => self.text(place)?,
                Locator::Joined { places, with } => {
                    let texts = places.iter().map(|place| self.text(place)).collect::<Result<Vec<_>, _>>()?;
                    texts.into_iter().collect::<Option<Vec<String>>>().map(|texts| texts.join(with))
                }
                Locator::BodyHash => Some(hex::encode(Sha256::digest(self.body))),
                Locator::FirstOf(_) => None,
            };
            first = first.or(text);
        }
        Ok(first)
    }

    fn text(&mut self, place: &Place) -> Result<Option<String>, IdentifyError> {
        let token = |token: Option<Option<&str>>| token.flatten().and_then(scan::token_text);
        let text = match place {
            Place::Json(_) => token(self.values.next()),
            Place::Claim(_) => token(self.claims.next()),
            Place::Header(name) => header(self.head.headers, name)?,
            Place::Query(name) => {
                match form::query(self.head.path_and_query).map(|query| form::fields(query.as_bytes())) {
                    Some(Ok(fields)) => text_of(field(&fields, name)?),
                    _ => None,
                }
            }
            Place::Form(name) => match self.form {
                Some(fields) => text_of(field(fields, name)?),
                None => None,
            },
            Place::Item(_) | Place::Jose(_) => None,
        };
        Ok(text.filter(|text| !text.is_empty()))
    }
}

fn text_of(bytes: Option<Cow<'_, [u8]>>) -> Option<String> {
    String::from_utf8(bytes?.into_owned()).ok()
}

fn field<'a>(fields: &'a Fields, name: &str) -> Result<Option<Cow<'a, [u8]>>, IdentifyError> {
    match form::single(fields, name) {
        Ok(text) => Ok(text.map(|text| Cow::Borrowed(text.as_bytes()))),
        Err(Rejection::Repeated) => Err(IdentifyError::DuplicateField { name: name.to_owned() }),
        Err(_) => Ok(None),
    }
}

/// The claims of the request's token, whose signature was checked before.
fn claims(token: Token<'_>, head: Head<'_>, body: &[u8]) -> Option<Vec<u8>> {
    let text = match token.from {
        SignatureFrom::Body => std::str::from_utf8(body).ok()?.to_owned(),
        SignatureFrom::Place(Place::Header(name)) => header(head.headers, name).ok()??,
        SignatureFrom::Place(Place::Query(name)) => {
            let fields = form::fields(form::query(head.path_and_query)?.as_bytes()).ok()?;
            form::single(&fields, name).ok()??.to_owned()
        }
        _ => return None,
    };
    URL_SAFE_NO_PAD.decode(text.get(token.prefix.len()..)?.split('.').nth(1)?).ok()
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, IdentifyError> {
    match header_text(headers, name) {
        HeaderText::Absent => Ok(None),
        HeaderText::Text(text) => Ok(Some(text.to_owned())),
        HeaderText::Repeated => Err(IdentifyError::DuplicateHeader { name: name.clone() }),
        HeaderText::NotText => Err(IdentifyError::BadHeader { name: name.clone() }),
    }
}
