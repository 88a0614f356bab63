//! Whether a body is as its source's schemas have it: JSON Schema, one for each type of event, compiled once at the start.
//!
//! [`folder`] reads the schemas of a source, [`schema`] is one of them, and [`pointer`] says where a body differs. A source without
//! schemas parses nothing: its bodies stay bytes.

pub mod folder;
pub mod schema;
pub mod pointer;

use std::collections::HashMap;

use hooklog_schemas::EventType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::validate::pointer::Pointer;
use crate::validate::schema::Schema;

/// How deeply a body may be nested; one that is deeper differs from every schema. What a schema asks grows with the depth, so it is
/// bounded whatever the schema says.
pub const DEPTH_LIMIT: usize = 64;

/// What becomes of a body that differs from its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is stored, counted, and marked on its record.
    Observe,
    /// It is refused with 422.
    Enforce,
}

/// What a source's schemas say of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as its schema has it.
    Valid,
    /// It differs from its schema here, or is no JSON at all.
    Invalid(Pointer),
    /// There is no schema for this type of event, or the body is over the limit.
    Skipped,
}

/// The schemas of one source.
#[derive(Debug)]
pub struct Schemas {
    /// By type of event.
    pub by_type: HashMap<EventType, Schema>,
    /// For all other types.
    pub default: Option<Schema>,
    /// What becomes of a body that differs.
    pub mode: Mode,
    /// Bodies over so many bytes are not looked at.
    pub max_bytes: usize,
}

impl Verdict {
    /// Every word that [`Verdict::label`] says.
    pub const LABELS: [&str; 3] = ["valid", "invalid", "skipped"];

    /// The word for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Valid => Self::LABELS[0],
            Self::Invalid(_) => Self::LABELS[1],
            Self::Skipped => Self::LABELS[2],
        }
    }
}

impl Schemas {
    /// Looks at the body of an event of this type.
    #[must_use]
    pub fn check(&self, kind: &EventType, body: &[u8]) -> Verdict {
        let Some(schema) = self.by_type.get(kind).or(self.default.as_ref()) else { return Verdict::Skipped };
        if body.len() > self.max_bytes {
            return Verdict::Skipped;
        }
        let Some(value) = read(body) else { return Verdict::Invalid(Pointer::root()) };
        schema.differs(&value).map_or(Verdict::Valid, Verdict::Invalid)
    }

    /// What follows from a verdict: whether the record is marked as different.
    ///
    /// # Errors
    /// Where the body differs, if it is refused for that.
    pub fn settle(&self, verdict: Verdict) -> Result<bool, Pointer> {
        match (verdict, self.mode) {
            (Verdict::Valid | Verdict::Skipped, _) => Ok(false),
            (Verdict::Invalid(_), Mode::Observe) => Ok(true),
            (Verdict::Invalid(pointer), Mode::Enforce) => Err(pointer),
        }
    }
}

/// A body as JSON; nothing if it is none, or is too deep to be looked at.
#[must_use]
pub fn read(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(|value| is_within(value, DEPTH_LIMIT))
}

/// Whether a value has at most `levels` levels of arrays and objects. The parser has a limit of its own, so this ends.
fn is_within(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| levels > 0 && is_within(value, levels - 1);
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(inner),
        Value::Object(members) => levels > 0 && members.values().all(inner),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schemas(max_bytes: usize) -> Schemas {
        let schema = |schema: Value| Schema::compile(&schema).unwrap();
        let push = schema(json!({ "required": ["ref"], "properties": { "ref": { "type": "string" } } }));
        let by_type = HashMap::from([(EventType::parse("push").unwrap(), push)]);
        Schemas { by_type, default: Some(schema(json!({ "type": "object" }))), mode: Mode::Observe, max_bytes }
    }

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn a_body_is_held_to_the_schema_of_its_type_or_to_the_default() {
        let differs = |pointer: &str| Verdict::Invalid(Pointer::of(pointer));
        for (kind, body, verdict) in [
            ("push", r#"{"ref":"main"}"#, Verdict::Valid),
            ("push", r#"{"ref":7}"#, differs("/ref")),
            ("push", "{}", differs("")),
            ("ping", r#"{"ref":7}"#, Verdict::Valid),
            ("ping", "[]", differs("")),
            ("ping", "payload=%7B%7D", differs("")),
            ("ping", "", differs("")),
            ("ping", "{} {}", differs("")),
            ("push", &"x".repeat(65), Verdict::Skipped),
        ] {
            assert_eq!(schemas(64).check(&EventType::parse(kind).unwrap(), body.as_bytes()), verdict, "{kind} {body}");
        }
    }

    #[test]
    fn a_type_without_a_schema_is_not_looked_at() {
        let only = Schemas { default: None, ..schemas(64) };
        assert_eq!(only.check(&EventType::parse("ping").unwrap(), b"no JSON"), Verdict::Skipped);
    }

    #[test]
    fn a_body_is_at_most_so_deep() {
        let anything = Schemas { default: Some(Schema::compile(&json!(true)).unwrap()), ..schemas(1 << 20) };
        let check = |levels| anything.check(&EventType::unnamed(), nested(levels).as_bytes());
        assert_eq!(check(DEPTH_LIMIT), Verdict::Valid);
        for levels in [DEPTH_LIMIT + 1, 128, 500_000] {
            assert_eq!(check(levels), Verdict::Invalid(Pointer::root()), "{levels}");
        }
    }
}
