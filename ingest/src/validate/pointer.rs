//! Where a body differs from its schema: a JSON Pointer (RFC 6901) into the body, never a value of it.

use std::fmt;

/// A JSON Pointer, of bounded length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer(String);

impl Pointer {
    /// The longest that is told, in bytes. A longer one is cut after a whole name, so that it still points at what holds the place.
    pub const LIMIT: usize = 256;

    /// To the whole body.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// As the validator says it.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path.len() <= Self::LIMIT {
            return Self(path.to_owned());
        }
        // The cut lies before a slash, which is never inside a character.
        let cut = path.as_bytes()[..=Self::LIMIT].iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Self(path[..cut].to_owned())
    }

    /// The pointer's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pointer_is_cut_after_a_whole_name() {
        let name = "é".repeat(60);
        let long = format!("/{name}/{name}/{name}");
        assert_eq!(Pointer::of(&long).as_str(), format!("/{name}/{name}"));
        assert_eq!(Pointer::of(&"x".repeat(1000)), Pointer::root());
        let whole = format!("/{}", "x".repeat(Pointer::LIMIT - 1));
        assert_eq!(Pointer::of(&whole).as_str(), whole);
        assert_eq!(Pointer::of(&format!("{whole}/y")).as_str(), whole);
    }
}
