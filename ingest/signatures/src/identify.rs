//! What an event is called: its id, type and ordering key, found in headers and in the raw body.

use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};

use crate::locator::{HeaderText, Locator, header_text};
use crate::pointer::Pointer;
use crate::scan::{self, Fault};
use crate::scheme::Scheme;

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
}

impl<'a> From<&'a Scheme> for Locators<'a> {
    fn from(scheme: &'a Scheme) -> Self {
        Self { id: scheme.id.as_ref(), kind: scheme.kind.as_ref(), key: scheme.key.as_ref() }
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
        }
    }
}

/// Finds id, type and key. What is not there, not a scalar, `null` or empty is none; so is everything that should be in
/// the body when the body is no JSON.
///
/// # Errors
/// [`IdentifyError`] when headers or body could be read in two ways.
pub fn identify<'a>(
    locators: impl Into<Locators<'a>>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Identity, IdentifyError> {
    let Locators { id, kind, key } = locators.into();
    let places = [id, kind, key].into_iter().flatten().flat_map(Locator::alternatives);
    let pointers: Vec<&Pointer> = places
        .filter_map(|place| match place {
            Locator::Pointer(pointer) => Some(pointer),
            _ => None,
        })
        .collect();
    let tokens = if pointers.is_empty() { Vec::new() } else { scanned(body, &pointers)? };
    let mut tokens = tokens.into_iter();
    let mut find = |locator: Option<&Locator>| match locator {
        Some(locator) => first_text(locator, headers, body, &mut tokens),
        None => Ok(None),
    };
    // In the order in which the pointers were collected: each takes its own tokens.
    Ok(Identity { id: find(id)?, kind: find(kind)?, key: find(key)? })
}

/// The token of every pointer, none of them when the body is no JSON.
fn scanned<'a>(body: &'a [u8], pointers: &[&Pointer]) -> Result<Vec<Option<&'a str>>, IdentifyError> {
    match scan::scan(body, pointers) {
        Ok(tokens) => Ok(tokens),
        Err(Fault::NotJson) => Ok(vec![None; pointers.len()]),
        Err(Fault::TooDeep) => Err(IdentifyError::TooDeep { limit: scan::MAX_DEPTH }),
        Err(Fault::Duplicate(place)) => Err(IdentifyError::DuplicateKey { pointer: pointers[place].to_string() }),
    }
}

fn first_text<'a>(
    locator: &Locator,
    headers: &HeaderMap,
    body: &[u8],
    tokens: &mut impl Iterator<Item = Option<&'a str>>,
) -> Result<Option<String>, IdentifyError> {
    let mut first = None;
    for place in locator.alternatives() {
        let text = match place {
            Locator::Header(name) => header(headers, name)?,
            Locator::Pointer(_) => tokens.next().flatten().and_then(scan::token_text).filter(|text| !text.is_empty()),
            Locator::BodyHash => Some(hex::encode(Sha256::digest(body))),
            Locator::FirstOf(_) => None,
        };
        first = first.or(text);
    }
    Ok(first)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, IdentifyError> {
    match header_text(headers, name) {
        HeaderText::Absent => Ok(None),
        HeaderText::Text(text) => Ok(Some(text.to_owned())),
        HeaderText::Repeated => Err(IdentifyError::DuplicateHeader { name: name.clone() }),
        HeaderText::NotText => Err(IdentifyError::BadHeader { name: name.clone() }),
    }
}
