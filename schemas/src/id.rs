//! Names of events and of where they come from: parsed once, length-bounded, free of control characters.

use std::fmt;
use std::sync::Arc;

/// Why a name was refused. The text names the limit, never the value's surroundings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// Which name.
        what: &'static str,
    },
    /// The text is longer than its limit.
    #[error("{what} has {length} bytes, the limit is {limit}")]
    TooLong {
        /// Which name.
        what: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A character that the name must not have.
    #[error("{what} has {character:?} at byte {position}, allowed is {allowed}")]
    BadCharacter {
        /// Which name.
        what: &'static str,
        /// The first bad character.
        character: char,
        /// Its byte position.
        position: usize,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// A bounded text without control characters; `$limit` is in bytes of UTF-8.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr, $allowed:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest text accepted, in bytes.
            pub const LIMIT: usize = $limit;

            /// Parses the text.
            ///
            /// # Errors
            /// [`NameError`] when the text is empty, too long or has a character that is not allowed.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if text.is_empty() {
                    return Err(NameError::Empty { what: $what });
                }
                if text.len() > Self::LIMIT {
                    return Err(NameError::TooLong { what: $what, length: text.len(), limit: Self::LIMIT });
                }
                let bad = text.char_indices().find(|&(at, c)| !($check)(at, c));
                match bad {
                    Some((position, character)) => {
                        Err(NameError::BadCharacter { what: $what, character, position, allowed: $allowed })
                    }
                    None => Ok(Self(Arc::from(text))),
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of a configured source: `github`, `stripe-eu`. It is a path segment and a part of a topic name.
    SourceName,
    "source name",
    63,
    "a-z, 0-9 and hyphens, not first",
    |at: usize, c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (c == '-' && at > 0)
);

name!(
    /// The provider's id of an event (or a content hash where it gives none): what deduplication compares.
    EventId,
    "event id",
    255,
    "text without control characters",
    |_, c: char| !c.is_control()
);

name!(
    /// The provider's name of what happened: `charge.succeeded`, `push`.
    EventType,
    "event type",
    255,
    "text without control characters",
    |_, c: char| !c.is_control()
);

name!(
    /// What order is kept for: events of one source with the same key stay in the order they were acknowledged in.
    OrderingKey,
    "ordering key",
    512,
    "text without control characters",
    |_, c: char| !c.is_control()
);

impl EventType {
    /// The type of an event whose provider names none.
    #[must_use]
    pub fn unnamed() -> Self {
        Self(Arc::from("event"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_clean() {
        assert_eq!(SourceName::parse("github").unwrap().as_str(), "github");
        assert_eq!(SourceName::parse(""), Err(NameError::Empty { what: "source name" }));
        assert!(matches!(SourceName::parse("-x"), Err(NameError::BadCharacter { character: '-', position: 0, .. })));
        assert!(matches!(SourceName::parse("a/b"), Err(NameError::BadCharacter { character: '/', .. })));
        assert!(matches!(SourceName::parse("GitHub"), Err(NameError::BadCharacter { character: 'G', .. })));
        assert!(matches!(EventId::parse(&"x".repeat(256)), Err(NameError::TooLong { limit: 255, .. })));
        assert!(matches!(EventId::parse("a\nb"), Err(NameError::BadCharacter { character: '\n', .. })));
        assert!(OrderingKey::parse("cus_é").is_ok());
    }

    #[test]
    fn names_are_checked_when_they_are_deserialized() {
        assert!(serde_json::from_str::<SourceName>("\"a b\"").is_err());
        assert_eq!(serde_json::from_str::<SourceName>("\"a-b\"").unwrap().as_str(), "a-b");
    }
}
