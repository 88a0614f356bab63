//! Where a record lies: no bare integers, so that an offset is never taken for a partition or for the offset after it.

use std::fmt;
use std::sync::Arc;

use crate::id::{NameError, SourceName};

/// A topic's name. Kafka's own rule: 1 to 249 of `a-z A-Z 0-9 . _ -`, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The longest name Kafka takes, in bytes.
    pub const LIMIT: usize = 249;

    /// Parses a topic name.
    ///
    /// # Errors
    /// [`NameError`] when Kafka would refuse the name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const ALLOWED: &str = "a-z, A-Z, 0-9, '.', '_' and '-'";
        if text.is_empty() {
            return Err(NameError::Empty { what: "topic name" });
        }
        if text.len() > Self::LIMIT {
            return Err(NameError::TooLong { what: "topic name", length: text.len(), limit: Self::LIMIT });
        }
        let bad = text.char_indices().find(|&(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
        if let Some((position, character)) = bad {
            return Err(NameError::BadCharacter { what: "topic name", character, position, allowed: ALLOWED });
        }
        if text == "." || text == ".." {
            return Err(NameError::BadCharacter { what: "topic name", character: '.', position: 0, allowed: ALLOWED });
        }
        Ok(Self(Arc::from(text)))
    }

    /// The topic a source's events go to unless its configuration names another: `hooks.<source>`.
    #[must_use]
    pub fn of_source(source: &SourceName) -> Self {
        Self(Arc::from(format!("hooks.{source}").as_str()))
    }

    /// The dead-letter topic of a consumer group: `hooks.<group>.dlq`.
    ///
    /// # Errors
    /// [`NameError`] when the group's name does not fit into a topic name.
    pub fn dead_letters_of(group: &str) -> Result<Self, NameError> {
        Self::parse(&format!("hooks.{group}.dlq"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TopicName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for TopicName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> String {
        name.0.as_ref().to_owned()
    }
}

/// The number of a partition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Partition(pub i32);

/// The place of a record that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

/// The offset to read next: one after the last record done. This, never an [`Offset`], is what is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct NextOffset(pub i64);

impl Offset {
    /// The offset to read after this record.
    #[must_use]
    pub const fn next(self) -> NextOffset {
        NextOffset(self.0 + 1)
    }
}

impl NextOffset {
    /// The start of a log that never lost a record.
    pub const ZERO: Self = Self(0);

    /// Whether the record at `offset` is still to be read.
    #[must_use]
    pub const fn includes(self, offset: Offset) -> bool {
        offset.0 >= self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for NextOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a record lies. Shown as `topic/partition/offset`, as in the header `hooklog-position`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: Partition,
    /// The record's offset.
    pub offset: Offset,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_name_is_what_kafka_takes() {
        assert!(TopicName::parse("hooks.github").is_ok());
        for bad in ["", ".", "..", "a b", "a/b", &"x".repeat(250)] {
            assert!(TopicName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_position_reads_topic_partition_offset() {
        let position =
            Position { topic: TopicName::parse("hooks.github").unwrap(), partition: Partition(3), offset: Offset(41) };
        assert_eq!(position.to_string(), "hooks.github/3/41");
        assert_eq!(position.offset.next(), NextOffset(42));
        assert!(!position.offset.next().includes(position.offset));
    }
}
