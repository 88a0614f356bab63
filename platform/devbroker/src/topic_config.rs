//! The settings a topic may have: which exist, what they may be, which are only stored.

use std::collections::BTreeMap;

use crate::view::Retention;

/// The smallest segment, as in Kafka 4: each costs a file.
const SEGMENT_BYTES_MIN: i64 = 1 << 20;

/// One known setting.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    allowed: Allowed,
    /// False if the value is kept and shown but changes nothing.
    performed: bool,
}

enum Allowed {
    /// From this number on.
    From(i64),
    /// One of these words.
    Words(&'static [&'static str]),
    /// A share between 0 and 1.
    Share,
}

const fn number(name: &'static str, default: &'static str, from: i64) -> Known {
    Known { name, default, allowed: Allowed::From(from), performed: true }
}

const fn stored(name: &'static str, default: &'static str, from: i64) -> Known {
    Known { name, default, allowed: Allowed::From(from), performed: false }
}

const fn words(name: &'static str, default: &'static str, words: &'static [&'static str]) -> Known {
    Known { name, default, allowed: Allowed::Words(words), performed: true }
}

/// Every setting; any other name is refused. `flush.*` hold by themselves: every append is synced.
pub(crate) const KNOWN: &[Known] = &[
    words("cleanup.policy", "delete", &["delete", "compact", "compact,delete", "delete,compact"]),
    words("compression.type", "producer", &["producer"]),
    number("flush.messages", "1", 1),
    number("flush.ms", "1", 0),
    number("max.message.bytes", "1048588", 0),
    words("message.timestamp.type", "CreateTime", &["CreateTime"]),
    words("min.insync.replicas", "1", &["1"]),
    number("retention.bytes", "-1", -1),
    number("retention.ms", "604800000", -1),
    number("segment.bytes", "67108864", SEGMENT_BYTES_MIN),
    stored("segment.ms", "604800000", 1),
    stored("delete.retention.ms", "86400000", 0),
    stored("min.compaction.lag.ms", "0", 0),
    stored("max.compaction.lag.ms", "9223372036854775807", 1),
    Known { name: "min.cleanable.dirty.ratio", default: "0.5", allowed: Allowed::Share, performed: false },
];

/// What was set for one topic; the rest has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TopicConfig(BTreeMap<String, String>);

impl TopicConfig {
    /// Sets one value, or says why it cannot be.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let known = find(name)?;
        let fits = match known.allowed {
            Allowed::From(least) => value.parse::<i64>().is_ok_and(|number| number >= least),
            Allowed::Words(words) => words.contains(&value),
            Allowed::Share => value.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share)),
        };
        if !fits {
            let allowed = match known.allowed {
                Allowed::From(least) => format!("a number from {least} on"),
                Allowed::Words(words) => format!("one of {words:?} on this broker"),
                Allowed::Share => "a number from 0 to 1".to_string(),
            };
            return Err(format!("{name} cannot be {value:?}: it must be {allowed}"));
        }
        self.0.insert(name.to_string(), value.to_string());
        Ok(())
    }

    /// Back to the default.
    pub(crate) fn unset(&mut self, name: &str) -> Result<(), String> {
        find(name)?;
        self.0.remove(name);
        Ok(())
    }

    /// Whether it was set for this topic.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn value<'a>(&'a self, known: &'a Known) -> &'a str {
        self.0.get(known.name).map_or(known.default, String::as_str)
    }

    /// What was set, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Settings that were made but will change nothing, for the log.
    pub(crate) fn unperformed(&self) -> Vec<&str> {
        let idle = |name: &str, value: &str| {
            KNOWN.iter().any(|known| known.name == name && !known.performed) || value.contains("compact")
        };
        self.iter().filter(|(name, value)| idle(name, value)).map(|(name, _)| name).collect()
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        usize::try_from(self.number("max.message.bytes")).unwrap_or(usize::MAX)
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        u64::try_from(self.number("segment.bytes")).unwrap_or(u64::MAX)
    }

    /// For ever if the topic is only to be compacted, which this broker does not do.
    pub(crate) fn retention(&self) -> Retention {
        if self.0.get("cleanup.policy").is_some_and(|policy| policy == "compact") {
            return Retention { ms: -1, bytes: -1 };
        }
        Retention { ms: self.number("retention.ms"), bytes: self.number("retention.bytes") }
    }

    fn number(&self, name: &str) -> i64 {
        let known = KNOWN.iter().find(|known| known.name == name);
        known.and_then(|known| self.value(known).parse().ok()).expect("numbers were checked when they were set")
    }
}

fn find(name: &str) -> Result<&'static Known, String> {
    KNOWN.iter().find(|known| known.name == name).ok_or_else(|| format!("topic setting {name:?} is not known here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_allowed() {
        for known in KNOWN {
            TopicConfig::default().set(known.name, known.default).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let mut config = TopicConfig::default();
        for (name, value, reason) in [
            ("no.such", "1", "not known"),
            ("retention.ms", "soon", "a number from -1"),
            ("retention.ms", "-2", "a number from -1"),
            ("segment.bytes", "1000", "a number from 1048576"),
            ("cleanup.policy", "burn", "one of"),
            ("min.insync.replicas", "2", "one of"),
            ("min.cleanable.dirty.ratio", "1.5", "from 0 to 1"),
        ] {
            let refused = config.set(name, value).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        assert_eq!(config, TopicConfig::default());
    }

    #[test]
    fn compaction_is_kept_and_said_to_do_nothing() {
        let mut config = TopicConfig::default();
        config.set("cleanup.policy", "compact").unwrap();
        config.set("retention.ms", "5").unwrap();
        assert_eq!(config.unperformed(), ["cleanup.policy"]);
        assert_eq!(config.retention().ms, -1);
        config.set("cleanup.policy", "compact,delete").unwrap();
        assert_eq!(config.retention().ms, 5);
    }
}
