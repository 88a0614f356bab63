//! Where an id, a type or an ordering key is: in a header, in the JSON body, or in the first of several places.

use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Deserializer};

use crate::pointer::{Pointer, PointerError};

/// Places a [`Locator::FirstOf`] may list.
pub const MAX_ALTERNATIVES: usize = 8;

/// Where a text is. In TOML: `"/data/id"`, `{ header = "X-Id" }`, `"body-hash"`, or a list of these.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Locator {
    /// A single-valued header.
    Header(HeaderName),
    /// A scalar in the JSON body.
    Pointer(Pointer),
    /// The SHA-256 of the body, in lower-case hex.
    BodyHash,
    /// The first place that has a text; one to [`MAX_ALTERNATIVES`], not nested.
    FirstOf(Vec<Locator>),
}

/// Why a text or TOML value is no locator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocatorError {
    /// Not a pointer.
    #[error(transparent)]
    Pointer(#[from] PointerError),
    /// Not a header's name.
    #[error("{0:?} is no header name: write it as the provider does, like \"X-Event-Id\"")]
    Header(String),
    /// None of the forms.
    #[error("{0} is no place: write \"/pointer\", {{ header = \"X-Id\" }}, \"body-hash\", or a list of these")]
    Form(String),
    /// An empty, nested or overlong list.
    #[error("list 1 to {MAX_ALTERNATIVES} places, none of them a list")]
    List,
}

impl Locator {
    /// A header.
    ///
    /// # Errors
    /// [`LocatorError::Header`] when that is no header's name.
    pub fn header(name: &str) -> Result<Self, LocatorError> {
        name.parse().map(Self::Header).map_err(|_| LocatorError::Header(name.to_owned()))
    }

    /// A place in the JSON body.
    ///
    /// # Errors
    /// [`LocatorError::Pointer`] when that is no pointer.
    pub fn pointer(text: &str) -> Result<Self, LocatorError> {
        Ok(Self::Pointer(Pointer::parse(text)?))
    }

    /// The places to look at, in order: none of them is a list.
    #[must_use]
    pub fn alternatives(&self) -> &[Self] {
        match self {
            Self::FirstOf(places) => places,
            single => std::slice::from_ref(single),
        }
    }

    /// The header among the places, which a sender would set.
    pub(crate) fn first_header(&self) -> Option<&HeaderName> {
        self.alternatives().iter().find_map(|place| match place {
            Self::Header(name) => Some(name),
            _ => None,
        })
    }
}

impl TryFrom<toml::Value> for Locator {
    type Error = LocatorError;

    fn try_from(value: toml::Value) -> Result<Self, LocatorError> {
        match &value {
            toml::Value::String(text) if text == "body-hash" => Ok(Self::BodyHash),
            toml::Value::String(text) if text.starts_with('/') => Self::pointer(text),
            toml::Value::Table(table) => match (table.len(), table.get("header")) {
                (1, Some(toml::Value::String(name))) => Self::header(name),
                _ => Err(LocatorError::Form(value.to_string())),
            },
            toml::Value::Array(places) => {
                if places.is_empty() || places.len() > MAX_ALTERNATIVES || places.iter().any(toml::Value::is_array) {
                    return Err(LocatorError::List);
                }
                places.iter().cloned().map(Self::try_from).collect::<Result<_, _>>().map(Self::FirstOf)
            }
            other => Err(LocatorError::Form(other.to_string())),
        }
    }
}

/// The value of a header that must not come twice.
pub(crate) enum HeaderText<'a> {
    Absent,
    Text(&'a str),
    Repeated,
    /// Characters other than visible ASCII and blanks.
    NotText,
}

/// Reads a single-valued header; an empty one is as good as absent.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> HeaderText<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => HeaderText::Absent,
        (Some(_), Some(_)) => HeaderText::Repeated,
        (Some(value), None) => match value.to_str() {
            Ok("") => HeaderText::Absent,
            Ok(text) => HeaderText::Text(text),
            Err(_) => HeaderText::NotText,
        },
    }
}

/// Reads a header's name from TOML.
pub(crate) fn header_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderName, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| serde::de::Error::custom(LocatorError::Header(name)))
}
