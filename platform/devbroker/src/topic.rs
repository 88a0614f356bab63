//! One topic: its id, its settings, its partitions, and the file that describes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::UNPOISONED;
use crate::disk;
use crate::error::OpenError;
use crate::log::{Ground, Log};
use crate::rounds::Rounds;
use crate::topic_config::TopicConfig;

/// A partition: appends go through rounds, everything else straight to the log.
pub(crate) type Partition = Arc<Rounds<Log>>;

/// The file that describes a topic.
const DESCRIPTION: &str = "topic";

/// A topic that can be written and read.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    config: RwLock<TopicConfig>,
    partitions: RwLock<Vec<Partition>>,
}

/// What is written about a topic: a line each for id, number of partitions, and whatever was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) id: Uuid,
    pub(crate) partitions: usize,
    pub(crate) config: TopicConfig,
}

impl Topic {
    /// Opens every partition of the topic in `dir`.
    pub(crate) fn open(dir: &Path, ground: &Ground, threads: &TaskTracker) -> Result<Self, OpenError> {
        let description = Description::read(dir)?;
        let open = |index| open_partition(dir, index, &description.config, ground, threads);
        let partitions = (0..description.partitions).map(open).collect::<Result<_, _>>()?;
        Ok(Self { id: description.id, config: RwLock::new(description.config), partitions: RwLock::new(partitions) })
    }

    pub(crate) fn config(&self) -> TopicConfig {
        self.config.read().expect(UNPOISONED).clone()
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        self.config.read().expect(UNPOISONED).max_message_bytes()
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Partition> {
        self.partitions.read().expect(UNPOISONED).get(usize::try_from(index).ok()?).cloned()
    }

    pub(crate) fn partitions(&self) -> Vec<Partition> {
        self.partitions.read().expect(UNPOISONED).clone()
    }

    pub(crate) fn describe(&self) -> Description {
        Description { id: self.id, partitions: self.partitions().len(), config: self.config() }
    }

    /// From now on these settings hold; they are on the disk already.
    pub(crate) fn adopt(&self, config: TopicConfig) {
        for partition in self.partitions() {
            partition.set_segment_bytes(config.segment_bytes());
        }
        *self.config.write().expect(UNPOISONED) = config;
    }

    /// From now on these partitions exist too; they are on the disk already.
    pub(crate) fn extend(&self, more: Vec<Partition>) {
        self.partitions.write().expect(UNPOISONED).extend(more);
    }
}

/// Opens one partition in its folder.
pub(crate) fn open_partition(
    topic: &Path,
    index: usize,
    config: &TopicConfig,
    ground: &Ground,
    threads: &TaskTracker,
) -> Result<Partition, OpenError> {
    let log = Log::open(topic.join(index.to_string()), ground.clone(), config.segment_bytes())?;
    Ok(Rounds::new(log, threads.clone()))
}

impl Description {
    /// Writes it whole; afterwards it is on the disk.
    pub(crate) fn write(&self, dir: &Path, disk: &dyn disk::Disk) -> std::io::Result<()> {
        let mut text = format!("id={}\npartitions={}\n", self.id, self.partitions);
        for (name, value) in self.config.iter() {
            text += &format!("{name}={value}\n");
        }
        disk::replace(disk, &dir.join(DESCRIPTION), text.as_bytes())
    }

    fn read(dir: &Path) -> Result<Self, OpenError> {
        let file: PathBuf = dir.join(DESCRIPTION);
        let text = fs::read_to_string(&file).map_err(OpenError::io(&file))?;
        Self::parse(&text).map_err(|fault| OpenError::Unreadable { file, fault })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (mut id, mut partitions, mut config) = (None, None, TopicConfig::default());
        for line in text.lines() {
            let (name, value) = line.split_once('=').ok_or_else(|| format!("{line:?} is not name=value"))?;
            match name {
                "id" => id = Some(Uuid::parse_str(value).map_err(|_| format!("{value:?} is not an id"))?),
                "partitions" => partitions = Some(value.parse().map_err(|_| format!("{value:?} is not a number"))?),
                name => config.set(name, value)?,
            }
        }
        let id = id.ok_or("it names no id")?;
        Ok(Self { id, partitions: partitions.ok_or("it names no number of partitions")?, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Synced;
    use crate::identity;

    #[test]
    fn a_description_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = TopicConfig::default();
        config.set("retention.ms", "1000").unwrap();
        config.set("cleanup.policy", "compact,delete").unwrap();
        let description = Description { id: identity::fresh(), partitions: 3, config };
        description.write(dir.path(), &Synced).unwrap();
        assert_eq!(Description::read(dir.path()).unwrap(), description);
        fs::write(dir.path().join(DESCRIPTION), "id=what").unwrap();
        let refused = Description::read(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("not an id") && refused.contains(DESCRIPTION), "{refused}");
    }
}
