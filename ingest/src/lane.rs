//! A lane: the records of one partition of one topic, which keep their order among each other.

use std::fmt;

use hooklog_disk::key::{KeyReader, KeyWriter, Part};
use hooklog_schemas::{Partition, TopicName};

/// Which lane. A topic whose number of partitions is not known yet has one for all its records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The topic.
    pub topic: TopicName,
    /// The partition, if it is known.
    pub partition: Option<Partition>,
}

impl LaneId {
    /// Its bytes as the beginning of a key: two lanes' never begin alike.
    #[must_use]
    pub(crate) fn key(&self) -> KeyWriter {
        let mut key = KeyWriter::new();
        key.text(self.topic.as_str()).signed(self.partition.map_or(-1, |partition| i64::from(partition.0)));
        key
    }

    /// Reads the bytes that [`LaneId::key`] begins with.
    pub(crate) fn read(key: &mut KeyReader<'_>) -> Option<Self> {
        let (Ok(Some(Part::Text(topic))), Ok(Some(Part::Signed(partition)))) = (key.part(), key.part()) else {
            return None;
        };
        let partition = match partition {
            -1 => None,
            number => Some(Partition(i32::try_from(number).ok()?)),
        };
        Some(Self { topic: TopicName::parse(&topic).ok()?, partition })
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some(partition) => write!(f, "{}/{}", self.topic, partition.0),
            None => write!(f, "{}/?", self.topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_read_from_its_key() {
        let topic = TopicName::parse("hooks.github").unwrap();
        for partition in [None, Some(Partition(0)), Some(Partition(7))] {
            let lane = LaneId { topic: topic.clone(), partition };
            let key = lane.key().finish();
            assert_eq!(LaneId::read(&mut KeyReader::new(&key)), Some(lane));
        }
        assert_eq!(LaneId::read(&mut KeyReader::new(b"\x07nonsense")), None);
    }
}
