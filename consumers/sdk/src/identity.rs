//! Whose state a folder holds; checked at every opening, since state applied to another log is silently wrong.

use std::path::{Path, PathBuf};

use hooklog_schemas::{Partition, TopicName};
use serde::{Deserialize, Serialize};

/// Which run over the log this is: a higher generation starts with an empty state and effect ids of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

/// One partition of one log, as read by one generation of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster's id.
    pub cluster: String,
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: Partition,
    /// How many partitions the topic has: with another number, keys lie elsewhere and deduplication would miss.
    pub partitions: u32,
    /// The consumer group.
    pub group: String,
    /// The generation.
    pub generation: Generation,
}

/// Why stored state is not that of this partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The log is another one.
    #[error(
        "the state is of cluster {stored}, the log is of cluster {found}: the log was reset or another one is meant; \
         `hooklog dev --reset` removes log and state together, elsewhere move the state folder away"
    )]
    OtherCluster {
        /// The state's.
        stored: String,
        /// The log's.
        found: String,
    },
    /// The topic's partition count changed.
    #[error(
        "the topic {topic} had {stored} partitions when the state was begun and has {found} now: keys moved, deduplication \
         would miss; begin a new generation (`generation = {next}`)"
    )]
    Repartitioned {
        /// The topic.
        topic: TopicName,
        /// The state's.
        stored: u32,
        /// The log's.
        found: u32,
        /// The next generation.
        next: u32,
    },
    /// The folder belongs to another partition, group or generation.
    #[error("the folder holds the state of {stored}, expected was {found}: it was moved or copied; put it back")]
    OtherOwner {
        /// The state's.
        stored: String,
        /// Ours.
        found: String,
    },
}

impl Identity {
    /// The folder of this state: `<root>/<group>/<topic>/<partition>/g<generation>`.
    #[must_use]
    pub fn folder(&self, root: &Path) -> PathBuf {
        root.join(&self.group)
            .join(self.topic.as_str())
            .join(self.partition.to_string())
            .join(format!("g{}", self.generation.0))
    }

    /// Checks that `stored` is this identity.
    ///
    /// # Errors
    /// [`IdentityError`], with what mends it.
    pub fn check(&self, stored: &Self) -> Result<(), IdentityError> {
        if stored.cluster != self.cluster {
            return Err(IdentityError::OtherCluster { stored: stored.cluster.clone(), found: self.cluster.clone() });
        }
        if stored.owner() != self.owner() {
            return Err(IdentityError::OtherOwner { stored: stored.owner(), found: self.owner() });
        }
        if stored.partitions != self.partitions {
            return Err(IdentityError::Repartitioned {
                topic: self.topic.clone(),
                stored: stored.partitions,
                found: self.partitions,
                next: self.generation.0 + 1,
            });
        }
        Ok(())
    }

    fn owner(&self) -> String {
        format!("{}/{}/{} generation {}", self.group, self.topic, self.partition, self.generation.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            cluster: "c1".to_owned(),
            topic: TopicName::parse("hooks.stripe").unwrap(),
            partition: Partition(3),
            partitions: 8,
            group: "ledger".to_owned(),
            generation: Generation(0),
        }
    }

    #[test]
    fn every_part_is_checked_and_the_mend_is_named() {
        let ours = identity();
        assert_eq!(ours.check(&identity()), Ok(()));
        let message = |change: fn(&mut Identity)| {
            let mut stored = identity();
            change(&mut stored);
            ours.check(&stored).unwrap_err().to_string()
        };
        assert!(message(|stored| stored.cluster = "c2".to_owned()).contains("hooklog dev --reset"));
        assert!(message(|stored| stored.partitions = 4).contains("generation = 1"));
        assert!(message(|stored| stored.partition = Partition(4)).contains("ledger/hooks.stripe/4"));
        assert!(message(|stored| stored.group = "tally".to_owned()).contains("tally/"));
        assert!(message(|stored| stored.generation = Generation(2)).contains("generation 2"));
    }

    #[test]
    fn the_folder_tells_group_topic_partition_and_generation() {
        assert_eq!(identity().folder(Path::new("/d")), Path::new("/d/ledger/hooks.stripe/3/g0"));
    }
}
