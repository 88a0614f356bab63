//! What was seen at one place of the bodies of one type of event. What is learned does not depend on the order of the events.

use std::collections::{BTreeMap, BTreeSet};

use hooklog_ingest::validate::schema::Schema;
use serde_json::{Map, Value, json};

/// The most members of an object that are told apart. One with more is a table with keys of its own, and only its type is kept.
pub(crate) const MEMBER_LIMIT: usize = 256;

/// The most values of a string that are told apart.
pub(crate) const VALUE_LIMIT: usize = 16;

/// The longest string that can be one of a list, in bytes.
const VALUE_LENGTH_LIMIT: usize = 40;

/// What was seen.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) nulls: u64,
    pub(crate) booleans: u64,
    pub(crate) integers: u64,
    pub(crate) fractions: u64,
    pub(crate) strings: Strings,
    pub(crate) arrays: u64,
    pub(crate) items: Option<Box<Shape>>,
    pub(crate) objects: Objects,
}

/// The strings that were seen.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Strings {
    pub(crate) count: u64,
    /// The formats that not all of them had.
    missed: BTreeSet<&'static str>,
    /// How often each value was seen; nothing once there were too many or one was too long.
    values: Values,
}

#[derive(Debug, Clone, PartialEq)]
enum Values {
    Few(BTreeMap<String, u64>),
    Many,
}

/// The objects that were seen.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Objects {
    pub(crate) count: u64,
    members: Members,
}

#[derive(Debug, Clone, PartialEq)]
enum Members {
    Named(BTreeMap<String, Shape>),
    Many,
}

/// The formats that are looked for, as the edge checks them.
pub(crate) struct Formats(Vec<(&'static str, Schema)>);

impl Default for Values {
    fn default() -> Self {
        Self::Few(BTreeMap::new())
    }
}

impl Default for Members {
    fn default() -> Self {
        Self::Named(BTreeMap::new())
    }
}

impl Formats {
    /// Their names; no string has two of them.
    pub(crate) const NAMES: [&'static str; 3] = ["date-time", "uri", "uuid"];

    pub(crate) fn new() -> Self {
        let compiled = |name| (name, Schema::compile(&json!({ "format": name })).expect("a known format is a schema"));
        Self(Self::NAMES.map(compiled).into())
    }

    /// The formats that a text does not have. Much that is no address parses as a URI (`fix:typo`), so one has to name a host.
    fn missed(&self, text: &str) -> impl Iterator<Item = &'static str> {
        let value = Value::String(text.to_owned());
        let is = move |name: &str, schema: &Schema| {
            schema.differs(&value).is_none()
                && (name != "uri" || value.as_str().is_some_and(|text| text.contains("://")))
        };
        self.0.iter().filter(move |(name, schema)| !is(name, schema)).map(|(name, _)| *name)
    }
}

impl Shape {
    /// Learns from one value.
    pub(crate) fn learn(&mut self, value: &Value, formats: &Formats) {
        match value {
            Value::Null => self.nulls += 1,
            Value::Bool(_) => self.booleans += 1,
            Value::Number(number) if number.is_f64() => self.fractions += 1,
            Value::Number(_) => self.integers += 1,
            Value::String(text) => self.strings.learn(text, formats),
            Value::Array(items) => {
                self.arrays += 1;
                items.iter().for_each(|item| self.items.get_or_insert_default().learn(item, formats));
            }
            Value::Object(members) => self.objects.learn(members, formats),
        }
    }

    /// How many values taught it.
    pub(crate) const fn seen(&self) -> u64 {
        self.nulls
            + self.booleans
            + self.integers
            + self.fractions
            + self.strings.count
            + self.arrays
            + self.objects.count
    }
}

impl Strings {
    fn learn(&mut self, text: &str, formats: &Formats) {
        self.count += 1;
        if self.missed.len() < Formats::NAMES.len() {
            self.missed.extend(formats.missed(text));
        }
        if let Values::Few(values) = &mut self.values {
            *values.entry(text.to_owned()).or_default() += 1;
            if values.len() > VALUE_LIMIT || text.len() > VALUE_LENGTH_LIMIT {
                self.values = Values::Many;
            }
        }
    }

    /// The format that all of them had.
    pub(crate) fn format(&self) -> Option<&'static str> {
        let had = |name: &&&str| !self.missed.contains(**name);
        Formats::NAMES.iter().find(had).filter(|_| self.count > 0).copied()
    }

    /// The values, if they are few and short.
    pub(crate) const fn values(&self) -> Option<&BTreeMap<String, u64>> {
        match &self.values {
            Values::Few(values) => Some(values),
            Values::Many => None,
        }
    }
}

impl Objects {
    fn learn(&mut self, given: &Map<String, Value>, formats: &Formats) {
        self.count += 1;
        let Members::Named(members) = &mut self.members else { return };
        for (name, value) in given {
            members.entry(name.clone()).or_default().learn(value, formats);
        }
        if members.len() > MEMBER_LIMIT {
            self.members = Members::Many;
        }
    }

    /// The members, if they are few enough to be told apart.
    pub(crate) const fn members(&self) -> Option<&BTreeMap<String, Shape>> {
        match &self.members {
            Members::Named(members) => Some(members),
            Members::Many => None,
        }
    }
}
