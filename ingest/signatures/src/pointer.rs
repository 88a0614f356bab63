//! JSON pointers, RFC 6901, taken apart once.

use std::fmt;

/// Segments a pointer may have.
pub const MAX_SEGMENTS: usize = 32;

/// The step that means elements of a batch: the first one where a single value is wanted.
pub(crate) const EVERY: &str = "*";

/// Where a value is in a JSON text: `/data/object/id`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer {
    text: String,
    segments: Vec<Segment>,
}

/// One step: a key of an object, and an index of an array if it is written as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) key: String,
    pub(crate) index: Option<usize>,
}

/// Why a text is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no JSON pointer: {mend}")]
pub struct PointerError {
    text: String,
    mend: &'static str,
}

impl Pointer {
    /// Parses a pointer; the empty one, which is the whole text, has no use here and is refused.
    ///
    /// # Errors
    /// [`PointerError`] with the mend.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let refuse = |mend| Err(PointerError { text: text.to_owned(), mend });
        let Some(steps) = text.strip_prefix('/') else { return refuse("start it with a slash, like /data/id") };
        let mut segments = Vec::new();
        for step in steps.split('/') {
            if segments.len() == MAX_SEGMENTS {
                return refuse("use at most 32 steps");
            }
            if step.split('~').skip(1).any(|after| !after.starts_with(['0', '1'])) {
                return refuse("write ~ as ~0 and / as ~1");
            }
            let key = step.replace("~1", "/").replace("~0", "~");
            let plain =
                !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
            let index = if step == EVERY {
                Some(0)
            } else if plain {
                key.parse().ok()
            } else {
                None
            };
            segments.push(Segment { key, index });
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The pointer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The batch and what is looked for in each of its elements, where the pointer means every element.
    pub(crate) fn batch(&self) -> Option<(Option<Self>, Option<Self>)> {
        let at = self.segments.iter().position(|segment| segment.key == EVERY)?;
        let part = |segments: &[Segment]| {
            let escape = |segment: &Segment| format!("/{}", segment.key.replace('~', "~0").replace('/', "~1"));
            let text: String = segments.iter().map(escape).collect();
            (!segments.is_empty()).then(|| Self { text, segments: segments.to_vec() })
        };
        Some((part(&self.segments[..at]), part(&self.segments[at + 1..])))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Pointer {
    type Error = PointerError;
    fn try_from(text: String) -> Result<Self, PointerError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Pointer {
    type Err = PointerError;
    fn from_str(text: &str) -> Result<Self, PointerError> {
        Self::parse(text)
    }
}
