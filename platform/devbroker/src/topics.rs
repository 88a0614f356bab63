//! All topics: finding them, creating, growing, changing and deleting them, each so that a crash leaves all or nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, RwLock};

use kafka_protocol::ResponseError;
use tokio_util::task::TaskTracker;

use crate::UNPOISONED;
use crate::error::OpenError;
use crate::folder::Folder;
use crate::identity;
use crate::log::Ground;
use crate::topic::{self, Description, Partition, Topic};
use crate::topic_config::TopicConfig;

/// The longest name, as in Kafka.
const NAME_BYTES: usize = 249;

/// Every topic of the broker. What changes them blocks on the disk and goes one at a time.
#[derive(Debug)]
pub(crate) struct Topics {
    folder: Arc<Folder>,
    ground: Ground,
    threads: TaskTracker,
    limits: TopicLimits,
    by_name: RwLock<BTreeMap<String, Arc<Topic>>>,
    changing: Mutex<()>,
}

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicLimits {
    pub(crate) topics: usize,
    pub(crate) partitions: usize,
}

/// Why a topic is not created or changed, for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicRefusal {
    pub(crate) error: ResponseError,
    pub(crate) reason: String,
}

fn refuse<T>(error: ResponseError, reason: impl Into<String>) -> Result<T, TopicRefusal> {
    Err(TopicRefusal { error, reason: reason.into() })
}

impl Topics {
    /// Opens every topic in the folder.
    pub(crate) fn open(
        folder: Arc<Folder>,
        ground: Ground,
        threads: TaskTracker,
        limits: TopicLimits,
    ) -> Result<Self, OpenError> {
        let mut by_name = BTreeMap::new();
        let dir = folder.topics();
        for entry in fs::read_dir(&dir).map_err(OpenError::io(&dir))? {
            let entry = entry.map_err(OpenError::io(&dir))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            by_name.insert(name, Arc::new(Topic::open(&entry.path(), &ground, &threads)?));
        }
        Ok(Self { folder, ground, threads, limits, by_name: RwLock::new(by_name), changing: Mutex::new(()) })
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.by_name.read().expect(UNPOISONED).get(name).cloned()
    }

    pub(crate) fn partition(&self, topic: &str, index: i32) -> Result<Partition, ResponseError> {
        self.get(topic).and_then(|topic| topic.partition(index)).ok_or(ResponseError::UnknownTopicOrPartition)
    }

    /// Every topic with its name, in the order of names.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Topic>)> {
        self.by_name.read().expect(UNPOISONED).iter().map(|(name, topic)| (name.clone(), Arc::clone(topic))).collect()
    }

    /// The greatest producer id in any log, -1 if there is none.
    pub(crate) fn greatest_producer_id(&self) -> i64 {
        let partitions = self.all().into_iter().flat_map(|(_, topic)| topic.partitions());
        partitions.map(|partition| partition.greatest_producer_id()).max().unwrap_or(-1)
    }

    /// Creates a topic, or only says whether it could be.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: usize,
        config: TopicConfig,
        only_validate: bool,
    ) -> Result<Description, TopicRefusal> {
        let _turn = self.changing.lock().expect(UNPOISONED);
        check_name(name)?;
        if self.get(name).is_some() {
            return refuse(ResponseError::TopicAlreadyExists, format!("topic {name:?} exists already"));
        }
        if self.by_name.read().expect(UNPOISONED).len() >= self.limits.topics {
            let reason = format!("there are {} topics already, the limit of this broker", self.limits.topics);
            return refuse(ResponseError::PolicyViolation, reason);
        }
        self.check_room(partitions)?;
        let description = Description { id: identity::fresh(), partitions, config };
        if !only_validate {
            let topic = self.write_new(name, &description).or_else(|error| refuse_failed(name, &error))?;
            let idle = description.config.unperformed();
            if !idle.is_empty() {
                tracing::warn!(topic = name, settings = ?idle, "stored but not performed by this broker: use a real Kafka for it");
            }
            self.by_name.write().expect(UNPOISONED).insert(name.to_string(), Arc::new(topic));
        }
        Ok(description)
    }

    /// Raises the number of partitions to `count`.
    pub(crate) fn grow(&self, name: &str, count: usize, only_validate: bool) -> Result<(), TopicRefusal> {
        let _turn = self.changing.lock().expect(UNPOISONED);
        let topic = self.require(name)?;
        let mut description = topic.describe();
        if count <= description.partitions {
            let reason = format!("topic {name:?} has {} partitions: there can only be more", description.partitions);
            return refuse(ResponseError::InvalidPartitions, reason);
        }
        self.check_room(count - description.partitions)?;
        if only_validate {
            return Ok(());
        }
        let dir = self.folder.topics().join(name);
        let open = |index| topic::open_partition(&dir, index, &description.config, &self.ground, &self.threads);
        let more = (description.partitions..count).map(open).collect::<Result<Vec<_>, _>>();
        let more = more.or_else(|error| refuse_failed(name, &error))?;
        description.partitions = count;
        description.write(&dir, &*self.ground.disk).or_else(|error| refuse_failed(name, &error))?;
        topic.extend(more);
        Ok(())
    }

    /// Changes the settings of a topic, or only says whether they could be.
    pub(crate) fn alter(
        &self,
        name: &str,
        only_validate: bool,
        change: impl FnOnce(&mut TopicConfig) -> Result<(), String>,
    ) -> Result<(), TopicRefusal> {
        let _turn = self.changing.lock().expect(UNPOISONED);
        let topic = self.require(name)?;
        let mut description = topic.describe();
        change(&mut description.config).or_else(|reason| refuse(ResponseError::InvalidConfig, reason))?;
        if !only_validate {
            let dir = self.folder.topics().join(name);
            description.write(&dir, &*self.ground.disk).or_else(|error| refuse_failed(name, &error))?;
            topic.adopt(description.config);
        }
        Ok(())
    }

    /// Deletes a topic with its records; an interrupted deletion is finished at the next start.
    pub(crate) fn delete(&self, name: &str) -> Result<(), TopicRefusal> {
        let _turn = self.changing.lock().expect(UNPOISONED);
        let topic = self.require(name)?;
        let from = self.folder.topics().join(name);
        let to = self.folder.leaving().join(topic.id.to_string());
        let moved = fs::rename(&from, &to).and_then(|()| self.ground.disk.sync_folder(&self.folder.topics()));
        moved.or_else(|error| refuse_failed(name, &error))?;
        self.by_name.write().expect(UNPOISONED).remove(name);
        for partition in topic.partitions() {
            partition.close_deleted();
        }
        if let Err(error) = fs::remove_dir_all(&to) {
            tracing::warn!(folder = %to.display(), %error, "cannot remove a deleted topic before the next start");
        }
        // Whoever waits for records of it is told that it is gone.
        self.ground.growth.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    fn require(&self, name: &str) -> Result<Arc<Topic>, TopicRefusal> {
        let unknown = || TopicRefusal {
            error: ResponseError::UnknownTopicOrPartition,
            reason: format!("there is no topic {name:?}"),
        };
        self.get(name).ok_or_else(unknown)
    }

    fn check_room(&self, partitions: usize) -> Result<(), TopicRefusal> {
        let there: usize = self.all().iter().map(|(_, topic)| topic.partitions().len()).sum();
        let limit = self.limits.partitions;
        if partitions > limit.saturating_sub(there) {
            let reason =
                format!("{partitions} more partitions with {there} there are beyond {limit}, the limit of this broker");
            return refuse(ResponseError::PolicyViolation, reason);
        }
        Ok(())
    }

    /// Builds the topic aside and moves it in when all of it is on the disk.
    fn write_new(&self, name: &str, description: &Description) -> Result<Topic, OpenError> {
        let disk = &*self.ground.disk;
        let aside = self.folder.arriving().join(description.id.to_string());
        for index in 0..description.partitions {
            let partition = aside.join(index.to_string());
            fs::create_dir_all(&partition).map_err(OpenError::io(&partition))?;
        }
        description.write(&aside, disk).map_err(OpenError::io(&aside))?;
        let dir = self.folder.topics().join(name);
        let moved = fs::rename(&aside, &dir).and_then(|()| disk.sync_folder(&self.folder.topics()));
        moved.map_err(OpenError::io(&dir))?;
        Topic::open(&dir, &self.ground, &self.threads)
    }
}

/// Whether Kafka would take the name.
pub(crate) fn check_name(name: &str) -> Result<(), TopicRefusal> {
    let letters = name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"._-".contains(&letter));
    if name.is_empty() || name.len() > NAME_BYTES || name == "." || name == ".." || !letters {
        let reason = format!("topic name {name:?} is not 1 to {NAME_BYTES} of a-z, A-Z, 0-9, '.', '_' and '-'");
        return refuse(ResponseError::InvalidTopicException, reason);
    }
    Ok(())
}

fn refuse_failed<T>(name: &str, error: &impl std::fmt::Display) -> Result<T, TopicRefusal> {
    tracing::error!(topic = name, %error, "cannot change a topic on disk");
    refuse(ResponseError::KafkaStorageError, error.to_string())
}

impl From<io::Error> for TopicRefusal {
    fn from(error: io::Error) -> Self {
        Self { error: ResponseError::KafkaStorageError, reason: error.to_string() }
    }
}
