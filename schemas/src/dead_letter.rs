//! The record of an event that could not be handled: the origin's bytes untouched, and all that is known about why in headers.

use std::collections::BTreeMap;

use crate::id::NameError;
use crate::position::{Offset, Partition, Position, TopicName};
use crate::time::Timestamp;

/// The longest error message kept, in bytes; the rest is in the consumer's log.
pub const MESSAGE_LIMIT: usize = 1024;

/// Why a record is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultClass {
    /// It kept failing in a way that might have mended itself, until the attempts ran out.
    Transient,
    /// The handler said that trying again can't help.
    Permanent,
    /// The bytes are no record that can be decoded.
    Undecodable,
    /// The handler panicked.
    Panic,
    /// The effect on the outside system was refused for good.
    Effect,
}

impl FaultClass {
    const ALL: [Self; 5] = [Self::Transient, Self::Permanent, Self::Undecodable, Self::Panic, Self::Effect];

    /// The word for metrics and headers.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Undecodable => "undecodable",
            Self::Panic => "panic",
            Self::Effect => "effect",
        }
    }
}

/// Where a dead record came from and why it died. Its key and value are the origin's, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where the record lies in the log.
    pub origin: Position,
    /// The consumer group that gave it up.
    pub group: String,
    /// The group's generation (1 until a replay makes another).
    pub generation: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed first.
    pub first_failure: Timestamp,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// Why.
    pub class: FaultClass,
    /// The last error, cut to [`MESSAGE_LIMIT`].
    pub message: String,
}

/// Why headers are not those of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterError {
    /// A header is missing.
    #[error("the record has no header {0}: it is not a dead letter of this system")]
    Missing(&'static str),
    /// A header's value is of another kind than its name says.
    #[error("the header {0} has a value that can't be read")]
    Unreadable(&'static str),
    /// The origin's topic breaks Kafka's rule.
    #[error("the origin's topic: {0}")]
    Topic(#[from] NameError),
}

impl DeadLetter {
    const TOPIC: &'static str = "hooklog-dlq-topic";
    const PARTITION: &'static str = "hooklog-dlq-partition";
    const OFFSET: &'static str = "hooklog-dlq-offset";
    const GROUP: &'static str = "hooklog-dlq-group";
    const GENERATION: &'static str = "hooklog-dlq-generation";
    const ATTEMPTS: &'static str = "hooklog-dlq-attempts";
    const FIRST_FAILURE: &'static str = "hooklog-dlq-first-failure-ms";
    const FAILED_AT: &'static str = "hooklog-dlq-failed-ms";
    const CLASS: &'static str = "hooklog-dlq-class";
    const MESSAGE: &'static str = "hooklog-dlq-message";

    /// The headers to put on the dead record, after the origin's own.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, Vec<u8>)> {
        let cut = self.message.floor_char_boundary(MESSAGE_LIMIT.min(self.message.len()));
        vec![
            (Self::TOPIC, self.origin.topic.as_str().into()),
            (Self::PARTITION, self.origin.partition.to_string().into()),
            (Self::OFFSET, self.origin.offset.to_string().into()),
            (Self::GROUP, self.group.clone().into()),
            (Self::GENERATION, self.generation.to_string().into()),
            (Self::ATTEMPTS, self.attempts.to_string().into()),
            (Self::FIRST_FAILURE, self.first_failure.0.to_string().into()),
            (Self::FAILED_AT, self.failed_at.0.to_string().into()),
            (Self::CLASS, self.class.label().into()),
            (Self::MESSAGE, self.message[..cut].into()),
        ]
    }

    /// Reads the headers of a dead record. The last of equal names counts: a dead letter that dies again names its last death.
    ///
    /// # Errors
    /// [`DeadLetterError`] when one is missing or unreadable.
    pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, DeadLetterError> {
        let found: BTreeMap<&str, &[u8]> = headers.into_iter().collect();
        let text = |name: &'static str| {
            let bytes = found.get(name).ok_or(DeadLetterError::Missing(name))?;
            std::str::from_utf8(bytes).map_err(|_| DeadLetterError::Unreadable(name))
        };
        fn number<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, DeadLetterError> {
            text.parse().map_err(|_| DeadLetterError::Unreadable(name))
        }
        let class = text(Self::CLASS)?;
        Ok(Self {
            origin: Position {
                topic: TopicName::parse(text(Self::TOPIC)?)?,
                partition: Partition(number(Self::PARTITION, text(Self::PARTITION)?)?),
                offset: Offset(number(Self::OFFSET, text(Self::OFFSET)?)?),
            },
            group: text(Self::GROUP)?.to_owned(),
            generation: number(Self::GENERATION, text(Self::GENERATION)?)?,
            attempts: number(Self::ATTEMPTS, text(Self::ATTEMPTS)?)?,
            first_failure: Timestamp(number(Self::FIRST_FAILURE, text(Self::FIRST_FAILURE)?)?),
            failed_at: Timestamp(number(Self::FAILED_AT, text(Self::FAILED_AT)?)?),
            class: *FaultClass::ALL
                .iter()
                .find(|known| known.label() == class)
                .ok_or(DeadLetterError::Unreadable(Self::CLASS))?,
            message: text(Self::MESSAGE)?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_survives_the_headers() {
        // Ten different values, so that no two fields can be swapped unseen.
        let letter = DeadLetter {
            origin: Position {
                topic: TopicName::parse("hooks.stripe").unwrap(),
                partition: Partition(3),
                offset: Offset(41),
            },
            group: "ledger".to_owned(),
            generation: 2,
            attempts: 5,
            first_failure: Timestamp(1000),
            failed_at: Timestamp(2000),
            class: FaultClass::Effect,
            message: "card declined".to_owned(),
        };
        let headers = letter.headers();
        let read = DeadLetter::from_headers(headers.iter().map(|(name, value)| (*name, value.as_slice())));
        assert_eq!(read, Ok(letter));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let letter = DeadLetter {
            origin: Position { topic: TopicName::parse("t").unwrap(), partition: Partition(0), offset: Offset(0) },
            group: "g".to_owned(),
            generation: 1,
            attempts: 1,
            first_failure: Timestamp(0),
            failed_at: Timestamp(0),
            class: FaultClass::Permanent,
            message: "é".repeat(MESSAGE_LIMIT),
        };
        let headers = letter.headers();
        let (_, message) = headers.iter().find(|(name, _)| *name == DeadLetter::MESSAGE).unwrap();
        assert_eq!(message.len(), MESSAGE_LIMIT);
        assert!(std::str::from_utf8(message).is_ok());
    }

    #[test]
    fn a_missing_header_is_named() {
        assert_eq!(DeadLetter::from_headers([]), Err(DeadLetterError::Missing(DeadLetter::CLASS)));
    }
}
