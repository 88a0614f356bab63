//! Topics: what they are, what they should be, and making those that are missing.

use std::collections::BTreeMap;
use std::time::Duration;

use hooklog_schemas::{Partition, TopicName};
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::MetadataTopic;

use super::{Admin, TopicInfo};
use crate::error::AdminError;
use crate::wait::wait;

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub topic: TopicName,
    /// Its partitions. Never changed on a topic that exists: a key would lead to another partition, and order would be lost.
    pub partitions: u32,
    /// Copies of each partition; none takes the brokers' default.
    pub replicas: Option<u32>,
    /// Its configuration, in Kafka's own names: `retention.ms`, `cleanup.policy`, `min.insync.replicas`, `max.message.bytes`.
    pub configs: BTreeMap<String, String>,
}

/// What [`Admin::create`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The topic is new.
    New,
    /// It existed already and was left as it is; [`Admin::check`] says whether it is as it should be.
    Existed,
}

/// How a topic differs from what it should be. Shown with the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// It is not there.
    #[error("{topic} does not exist: create it with `hooklog topics apply`")]
    Missing {
        /// The topic.
        topic: TopicName,
    },
    /// Another number of partitions.
    #[error(
        "{topic} has {have} partitions, {want} are declared: declare {have}, or move to a new topic (a key must keep its partition)"
    )]
    Partitions {
        /// The topic.
        topic: TopicName,
        /// As it should be.
        want: u32,
        /// As it is.
        have: usize,
    },
    /// Another number of copies.
    #[error("{topic} has {have} replicas, {want} are declared: reassign its partitions")]
    Replicas {
        /// The topic.
        topic: TopicName,
        /// As it should be.
        want: u32,
        /// As it is.
        have: usize,
    },
    /// A configuration that differs.
    #[error(
        "{topic} has {key}={have}, declared is {want}: `kafka-configs --alter --entity-type topics --entity-name {topic} --add-config {key}={want}`"
    )]
    Config {
        /// The topic.
        topic: TopicName,
        /// Which.
        key: String,
        /// As it should be.
        want: String,
        /// As it is.
        have: String,
    },
}

impl Admin {
    /// Makes the topics that do not exist and leaves all others alone. Answers in the order of `specs`.
    ///
    /// # Errors
    /// [`AdminError`] at the first topic that the brokers refuse; those before it are made.
    pub fn create(&self, specs: &[TopicSpec], within: Duration) -> Result<Vec<Created>, AdminError> {
        let what = "create topics";
        let new: Vec<_> = specs.iter().map(new_topic).collect();
        let options = AdminOptions::new().operation_timeout(Some(within)).request_timeout(Some(within));
        let answers = wait(self.client.create_topics(new.iter(), &options), None)
            .ok_or_else(|| self.unreachable(within, what))?
            .map_err(|error| self.admin_failure(what, &error, within))?;
        let mut created = vec![Created::Existed; specs.len()];
        for answer in answers {
            match answer {
                Ok(name) => {
                    let at = specs.iter().position(|spec| spec.topic.as_str() == name);
                    if let Some(slot) = at.and_then(|at| created.get_mut(at)) {
                        *slot = Created::New;
                    }
                }
                Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    let topic = TopicName::parse(&name).ok();
                    return Err(self.failed("create a topic", topic.as_ref(), code, within));
                }
            }
        }
        Ok(created)
    }

    /// How the topics differ from what they should be; empty when they do not.
    ///
    /// # Errors
    /// [`AdminError`] when the brokers can't be asked.
    pub fn check(&self, specs: &[TopicSpec], within: Duration) -> Result<Vec<Difference>, AdminError> {
        let mut differences = Vec::new();
        for spec in specs {
            match self.topic(&spec.topic, within) {
                Err(AdminError::UnknownTopic { .. }) => {
                    differences.push(Difference::Missing { topic: spec.topic.clone() });
                }
                Err(error) => return Err(error),
                Ok(info) => {
                    let configs = self.configs(&spec.topic, within)?;
                    differences.extend(compare(spec, &info, &configs));
                }
            }
        }
        Ok(differences)
    }

    /// A topic's configuration with the brokers' defaults filled in.
    ///
    /// # Errors
    /// [`AdminError`]
    pub fn configs(&self, topic: &TopicName, within: Duration) -> Result<BTreeMap<String, String>, AdminError> {
        let what = "describe a topic's configuration";
        let options = AdminOptions::new().request_timeout(Some(within));
        let asked = [ResourceSpecifier::Topic(topic.as_str())];
        let answers = wait(self.client.describe_configs(asked.iter(), &options), None)
            .ok_or_else(|| self.unreachable(within, what))?
            .map_err(|error| self.admin_failure(what, &error, within))?;
        let mut configs = BTreeMap::new();
        for answer in answers {
            let resource = answer.map_err(|code| self.failed(what, Some(topic), code, within))?;
            configs.extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
        }
        Ok(configs)
    }

    /// The admin operations' errors carry no code, only a text.
    fn admin_failure(&self, what: &str, error: &rdkafka::error::KafkaError, within: Duration) -> AdminError {
        match error.rdkafka_error_code() {
            Some(code) => self.failed(what, None, code, within),
            None => self.unreachable(within, &error.to_string()),
        }
    }
}

fn new_topic(spec: &TopicSpec) -> NewTopic<'_> {
    let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
    // −1 asks for the brokers' default.
    let replicas = spec.replicas.map_or(-1, |replicas| i32::try_from(replicas).unwrap_or(i32::MAX));
    let topic = NewTopic::new(spec.topic.as_str(), partitions, TopicReplication::Fixed(replicas));
    spec.configs.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
}

/// The brokers' answer as ours; none when they have a name that no topic may have.
pub(super) fn info(topic: &MetadataTopic) -> Option<TopicInfo> {
    let mut partitions: Vec<_> = topic.partitions().iter().map(|partition| Partition(partition.id())).collect();
    partitions.sort_unstable();
    let leaderless = topic.partitions().iter().filter(|partition| partition.leader() < 0);
    Some(TopicInfo {
        topic: TopicName::parse(topic.name()).ok()?,
        partitions,
        replicas: topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
        leaderless: leaderless.map(|partition| Partition(partition.id())).collect(),
    })
}

fn compare(spec: &TopicSpec, info: &TopicInfo, configs: &BTreeMap<String, String>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let topic = &spec.topic;
    if usize::try_from(spec.partitions).ok() != Some(info.partitions.len()) {
        let have = info.partitions.len();
        differences.push(Difference::Partitions { topic: topic.clone(), want: spec.partitions, have });
    }
    if let Some(want) = spec.replicas
        && usize::try_from(want).ok() != Some(info.replicas)
    {
        differences.push(Difference::Replicas { topic: topic.clone(), want, have: info.replicas });
    }
    for (key, want) in &spec.configs {
        let have = configs.get(key).map_or("", String::as_str);
        if have != want {
            let (key, want, have) = (key.clone(), want.clone(), have.to_owned());
            differences.push(Difference::Config { topic: topic.clone(), key, want, have });
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named_with_its_mend() {
        let topic = TopicName::parse("hooks.github").unwrap();
        let map = |value: &str| BTreeMap::from([("retention.ms".to_owned(), value.to_owned())]);
        let spec = TopicSpec { topic: topic.clone(), partitions: 8, replicas: Some(3), configs: map("1000") };
        let info = |count, replicas| TopicInfo {
            topic: topic.clone(),
            partitions: (0..count).map(Partition).collect(),
            replicas,
            leaderless: vec![],
        };
        assert_eq!(compare(&spec, &info(8, 3), &map("1000")), []);
        let differences = compare(&spec, &info(4, 1), &map("2000"));
        let shown: Vec<_> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert!(shown[0].contains("4 partitions, 8 are declared"), "{}", shown[0]);
        assert!(shown[2].contains("--add-config retention.ms=1000"), "{}", shown[2]);
    }
}
