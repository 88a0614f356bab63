//! Where an id, a type or an ordering key is: at a place, in several joined, or in the first of several that has a text.

use http::{HeaderMap, HeaderName};

use crate::place::{Place, PlaceError};
use crate::pointer::Pointer;

/// Places that a list or a join may have.
pub const MAX_ALTERNATIVES: usize = 8;

/// Where a text is. In TOML: `"/data/id"`, `{ header = "X-Id" }`, `"body-hash"`, `{ join = [...], with = "." }`, or a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Locator {
    /// One place.
    At(Place),
    /// The SHA-256 of the body, in lower-case hex.
    BodyHash,
    /// The texts of two or more places, if all are there.
    Joined {
        /// The places.
        places: Vec<Place>,
        /// What stands between them.
        with: String,
    },
    /// The first place that has a text; one to [`MAX_ALTERNATIVES`], not nested.
    FirstOf(Vec<Locator>),
}

/// Why a text or TOML value is no locator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocatorError {
    /// Not a place either.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A text that is no pointer and no name.
    #[error("{0} is no place: write \"/pointer\", {{ header = \"X-Id\" }}, \"body-hash\", or a list of these")]
    Form(String),
    /// An empty, nested or overlong list.
    #[error("list 1 to {MAX_ALTERNATIVES} places, none of them a list")]
    List,
    /// A join of nothing.
    #[error("join 2 to {MAX_ALTERNATIVES} places: {{ join = [\"/a\", \"/b\"], with = \".\" }}")]
    Join,
}

impl Locator {
    /// A header.
    ///
    /// # Errors
    /// [`PlaceError::Header`] when that is no header's name.
    pub fn header(name: &str) -> Result<Self, LocatorError> {
        Ok(Self::At(Place::header(name)?))
    }

    /// A place in the JSON payload.
    ///
    /// # Errors
    /// [`PlaceError::Pointer`] when that is no pointer.
    pub fn pointer(text: &str) -> Result<Self, LocatorError> {
        Ok(Self::At(Place::Json(Pointer::parse(text).map_err(PlaceError::from)?)))
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
            Self::At(Place::Header(name)) => Some(name),
            _ => None,
        })
    }

    /// Every place that is looked at, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.alternatives().iter().flat_map(|locator| match locator {
            Self::At(place) => std::slice::from_ref(place),
            Self::Joined { places, .. } => places,
            Self::BodyHash | Self::FirstOf(_) => &[],
        })
    }
}

impl TryFrom<toml::Value> for Locator {
    type Error = LocatorError;

    fn try_from(value: toml::Value) -> Result<Self, LocatorError> {
        match &value {
            toml::Value::String(text) if text == "body-hash" => Ok(Self::BodyHash),
            toml::Value::Table(table) if table.contains_key("join") => join(table),
            toml::Value::Array(places) => {
                if places.is_empty() || places.len() > MAX_ALTERNATIVES || places.iter().any(toml::Value::is_array) {
                    return Err(LocatorError::List);
                }
                places.iter().cloned().map(Self::try_from).collect::<Result<_, _>>().map(Self::FirstOf)
            }
            toml::Value::String(text) if !text.starts_with('/') => Err(LocatorError::Form(value.to_string())),
            _ => Ok(Self::At(Place::try_from(value)?)),
        }
    }
}

fn join(table: &toml::Table) -> Result<Locator, LocatorError> {
    match (table.len(), table.get("join"), table.get("with")) {
        (2, Some(toml::Value::Array(places)), Some(toml::Value::String(with)))
            if (2..=MAX_ALTERNATIVES).contains(&places.len()) =>
        {
            let places = places.iter().cloned().map(Place::try_from).collect::<Result<_, _>>()?;
            Ok(Locator::Joined { places, with: with.clone() })
        }
        _ => Err(LocatorError::Join),
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
