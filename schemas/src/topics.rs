//! `topics.toml` as a type: the one list of topics that both sides of the log create, check and document from.

use crate::id::{NameError, SourceName};
use crate::position::TopicName;

/// The committed registry.
pub const TOPICS: &str = include_str!("../topics.toml");

/// What happens to old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cleanup {
    /// They are deleted when they are older than the retention.
    Delete,
    /// The last record of each key stays.
    Compact,
}

impl Cleanup {
    /// Kafka's `cleanup.policy`.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
        }
    }
}

/// One entry of the registry: a topic, or a pattern for one topic a source or a group.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopicEntry {
    /// The name; `{source}` or `{group}` make it a pattern.
    pub name: String,
    /// What lies there, in a sentence.
    pub doc: String,
    /// The full name of the value's Avro schema.
    pub schema: String,
    /// What the records' key is.
    pub key: String,
    /// How many partitions it is created with. Changing it later voids the order per key.
    pub partitions: i32,
    /// How long records stay, in milliseconds.
    pub retention_ms: i64,
    /// The largest record batch, in bytes.
    pub max_message_bytes: u32,
    /// What happens to old records.
    pub cleanup: Cleanup,
    /// Who decides about it.
    pub owner: String,
    /// Who writes it.
    pub producers: Vec<String>,
    /// Who reads it.
    pub consumers: Vec<String>,
}

/// Why a registry was refused.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The text is not what the registry looks like.
    #[error("the topic registry can't be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// An entry says something impossible.
    #[error("topic {name}: {problem}")]
    Entry {
        /// The entry's name.
        name: String,
        /// What is wrong and what would be right.
        problem: &'static str,
    },
}

/// The registry of topics.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    topics: Vec<TopicEntry>,
}

impl Topics {
    /// The committed registry.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(TOPICS).expect("the committed registry is valid; a test holds it")
    }

    /// Parses a registry.
    ///
    /// # Errors
    /// [`TopicsError`] when it can't be read or an entry is impossible.
    pub fn parse(text: &str) -> Result<Self, TopicsError> {
        let topics: Self = toml::from_str(text)?;
        for entry in &topics.topics {
            let problem = if entry.partitions < 1 {
                Some("partitions is below 1")
            } else if entry.retention_ms < -1 || entry.retention_ms == 0 {
                Some("retention_ms is neither positive nor -1 (for ever)")
            } else if TopicName::parse(&entry.name.replace(['{', '}'], "")).is_err() {
                Some("the name is none that Kafka takes")
            } else {
                None
            };
            if let Some(problem) = problem {
                return Err(TopicsError::Entry { name: entry.name.clone(), problem });
            }
        }
        Ok(topics)
    }

    /// The entries, in the order they are written.
    #[must_use]
    pub fn entries(&self) -> &[TopicEntry] {
        &self.topics
    }

    /// The topics of these sources and groups: every entry, once for each name that its pattern takes.
    ///
    /// # Errors
    /// [`NameError`] when a group's name does not fit into a topic's.
    pub fn named(&self, sources: &[SourceName], groups: &[String]) -> Result<Vec<(TopicName, &TopicEntry)>, NameError> {
        let mut named = Vec::new();
        for entry in &self.topics {
            if entry.name.contains("{source}") {
                for source in sources {
                    named.push((TopicName::parse(&entry.name.replace("{source}", source.as_str()))?, entry));
                }
            } else if entry.name.contains("{group}") {
                for group in groups {
                    named.push((TopicName::parse(&entry.name.replace("{group}", group))?, entry));
                }
            } else {
                named.push((TopicName::parse(&entry.name)?, entry));
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_registry_names_topics_of_sources_and_groups() {
        let topics = Topics::embedded();
        let sources = [SourceName::parse("github").unwrap(), SourceName::parse("stripe").unwrap()];
        let named = topics.named(&sources, &["ledger".to_owned()]).unwrap();
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["hooks.github", "hooks.stripe", "hooks.ledger.dlq", "hooks.quarantine"]);
        assert_eq!(named[2].0, TopicName::dead_letters_of("ledger").unwrap());
        assert_eq!(named[0].0, TopicName::of_source(&sources[0]));
    }

    #[test]
    fn an_impossible_entry_is_named() {
        let text = TOPICS.replacen("partitions = 8", "partitions = 0", 1);
        let error = Topics::parse(&text).unwrap_err().to_string();
        assert_eq!(error, "topic hooks.{source}: partitions is below 1");
        assert!(Topics::parse(&text.replace("doc =", "docs =")).unwrap_err().to_string().contains("docs"));
    }
}
