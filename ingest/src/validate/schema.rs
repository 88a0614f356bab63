//! One compiled JSON Schema: what its dialect, its formats, its patterns and its references mean here.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ReferencingError, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;

use crate::validate::pointer::Pointer;

/// The largest pattern that is compiled, in bytes of its automaton.
const PATTERN_LIMIT: usize = 1024 * 1024;

/// What a schema's own references are resolved against: a folder that no network and no disk knows by this name.
const BASE: &str = "schemas:///";

/// A schema, ready to look at bodies.
pub struct Schema(Validator);

/// Why a schema can't be used: where in it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SchemaFault(String);

/// Who finds another schema by its path relative to the folder.
pub trait Beside: Send + Sync + 'static {
    /// Reads it.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    fn read(&self, relative: &str) -> Result<Value, String>;
}

/// A schema that stands alone.
struct Alone;

impl Beside for Alone {
    fn read(&self, _: &str) -> Result<Value, String> {
        Err("this schema stands alone: write what it needs into its own $defs".to_owned())
    }
}

/// Asks the folder, and nothing else.
struct Within<B>(B);

impl<B: Beside> Retrieve for Within<B> {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let Some(path) = uri.as_str().strip_prefix(BASE) else {
            return Err("only files of the schema's own folder are read, never the network: \
                        put a copy there, and refer to it by its file name"
                .into());
        };
        let path = path.split(['#', '?']).next().unwrap_or_default();
        let path = percent_encoding::percent_decode_str(path).decode_utf8()?;
        self.0.read(&path).map_err(Into::into)
    }
}

impl Schema {
    /// Compiles a schema that stands alone.
    ///
    /// # Errors
    /// [`SchemaFault`]
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        Self::compile_beside(schema, "", Alone)
    }

    /// Compiles the schema of this (URL-encoded) file name; what it refers to is read from beside it.
    ///
    /// The dialect is what `$schema` says, else 2020-12. Formats are checked in every dialect. Patterns are matched in linear time, so that
    /// no body can make one slow: look-around and back-references are refused.
    ///
    /// # Errors
    /// [`SchemaFault`]
    pub fn compile_beside(schema: &Value, name: &str, beside: impl Beside) -> Result<Self, SchemaFault> {
        jsonschema::options()
            .with_base_uri(format!("{BASE}{name}"))
            .with_retriever(Within(beside))
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_LIMIT))
            .should_validate_formats(true)
            .build(schema)
            .map(Self)
            .map_err(|error| SchemaFault::of(&error))
    }

    /// Where a body differs from it first; nothing if it does not.
    #[must_use]
    pub fn differs(&self, body: &Value) -> Option<Pointer> {
        self.0.validate(body).err().map(|error| Pointer::of(error.instance_path().as_str()))
    }
}

impl SchemaFault {
    fn of(error: &ValidationError<'_>) -> Self {
        if let ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, source }) = error.kind() {
            return Self(format!("it refers to {}: {source}", uri.strip_prefix(BASE).unwrap_or(uri)));
        }
        match error.instance_path().as_str() {
            "" => Self(error.to_string()),
            place => Self(format!("at {place}: {error}")),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.0.draft()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_not_be_used_is_refused_with_the_place_and_the_mend() {
        for (schema, words) in [
            (json!({ "type": "strnig" }), &["/type", "strnig"][..]),
            (json!({ "properties": { "a": { "minLength": "x" } } }), &["/properties/a/minLength"]),
            (
                json!({ "$ref": "https://example.com/push.json" }),
                &["https://example.com/push.json", "put a copy there"],
            ),
            (json!({ "$ref": "file:///etc/passwd" }), &["file:///etc/passwd", "put a copy there"]),
            (json!({ "$ref": "other.json" }), &["other.json", "$defs"]),
            (json!({ "$ref": "#/$defs/none" }), &["/$defs/none"]),
            (
                json!({ "$id": "https://example.com/a.json", "$ref": "b.json" }),
                &["https://example.com/b.json", "put a copy"],
            ),
            (json!({ "pattern": "^(?=a)b" }), &["pattern"]),
            (json!({ "pattern": "(" }), &["pattern"]),
            (json!({ "pattern": "(\\w{1000}){1000}" }), &["pattern"]),
            (json!([]), &[]),
        ] {
            let fault = Schema::compile(&schema).map(drop).unwrap_err().to_string();
            assert!(words.iter().all(|word| fault.contains(word)), "{schema} gave: {fault}");
        }
    }

    #[test]
    fn formats_are_checked_in_every_dialect_and_no_dialect_is_asked_of_the_network() {
        for dialect in [
            "http://json-schema.org/draft-07/schema#",
            "https://json-schema.org/draft/2019-09/schema",
            "https://json-schema.org/draft/2020-12/schema",
        ] {
            let schema = Schema::compile(&json!({ "$schema": dialect, "format": "date-time" })).unwrap();
            assert_eq!(schema.differs(&json!("2026-11-28T12:00:00Z")), None, "{dialect}");
            assert_eq!(schema.differs(&json!("yesterday")), Some(Pointer::root()), "{dialect}");
        }
        assert!(Schema::compile(&json!({ "$schema": "https://example.com/mine" })).is_err());
    }

    #[test]
    fn the_place_is_told_and_never_the_value() {
        let schema = Schema::compile(&json!({ "items": { "properties": { "a/b": { "maximum": 9 } } } })).unwrap();
        assert_eq!(schema.differs(&json!([{}, { "a/b": 4242 }])), Some(Pointer::of("/1/a~1b")));
    }
}
