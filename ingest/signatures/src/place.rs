//! Where a text of a request is: one notation for every key that names such a place.

use http::HeaderName;

use crate::pointer::{Pointer, PointerError};

/// Where a text is. In TOML: `"/data/id"`, `{ header = "X-Id" }`, `{ query = "id" }`, …
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Place {
    /// A scalar in the JSON payload.
    Json(Pointer),
    /// A single-valued header.
    Header(HeaderName),
    /// A parameter of the query.
    Query(String),
    /// A field of a form body.
    Form(String),
    /// A labelled item of the signature's list.
    Item(String),
    /// A claim of the token.
    Claim(Pointer),
    /// A field of the token's own header.
    Jose(Pointer),
}

/// Why a TOML value is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not a pointer.
    #[error(transparent)]
    Pointer(#[from] PointerError),
    /// Not a header's name.
    #[error("{0:?} is no header name: write it as the provider does, like \"X-Event-Id\"")]
    Header(String),
    /// An empty name.
    #[error("`{0}` names nothing: write the name as the provider does")]
    Nameless(String),
    /// None of the forms.
    #[error(
        "{0} is no place: write \"/pointer\" or one of {{ header = \"X-Id\" }}, {{ query = \"id\" }}, {{ form = \"id\" }}, {{ item = \"t\" }}, {{ claim = \"/id\" }}, {{ jose = \"/kid\" }}"
    )]
    Form(String),
}

impl Place {
    /// A header.
    ///
    /// # Errors
    /// [`PlaceError::Header`] when that is no header's name.
    pub fn header(name: &str) -> Result<Self, PlaceError> {
        name.parse().map(Self::Header).map_err(|_| PlaceError::Header(name.to_owned()))
    }

    /// A place by the kind and name that a template or a table gives.
    pub(crate) fn named(kind: &str, name: &str) -> Result<Self, PlaceError> {
        let text = || if name.is_empty() { Err(PlaceError::Nameless(kind.to_owned())) } else { Ok(name.to_owned()) };
        match kind {
            "header" => Self::header(name),
            "query" => text().map(Self::Query),
            "form" => text().map(Self::Form),
            "item" => text().map(Self::Item),
            "claim" => Ok(Self::Claim(Pointer::parse(name)?)),
            "jose" => Ok(Self::Jose(Pointer::parse(name)?)),
            _ => Err(PlaceError::Form(format!("{{ {kind} = {name:?} }}"))),
        }
    }

    /// Whether the text is in the body.
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Form(_))
    }
}

impl TryFrom<toml::Value> for Place {
    type Error = PlaceError;

    fn try_from(value: toml::Value) -> Result<Self, PlaceError> {
        match &value {
            toml::Value::String(text) if text.starts_with('/') => Ok(Self::Json(Pointer::parse(text)?)),
            toml::Value::Table(table) if table.len() == 1 => match table.iter().next() {
                Some((kind, toml::Value::String(name))) => Self::named(kind, name),
                _ => Err(PlaceError::Form(value.to_string())),
            },
            other => Err(PlaceError::Form(other.to_string())),
        }
    }
}

/// Reads names of headers from TOML.
pub(crate) fn header_names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<HeaderName>, D::Error> {
    let names = <Vec<String> as serde::Deserialize>::deserialize(deserializer)?;
    let parse = |name: String| name.parse().map_err(|_| serde::de::Error::custom(PlaceError::Header(name)));
    names.into_iter().map(parse).collect()
}
