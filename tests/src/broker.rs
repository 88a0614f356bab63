//! What a test asks a broker from outside, real Kafka and dev broker alike: topics, leaders, ends, committed offsets; and records that
//! no product would write.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use crate::eventually::eventually;
use crate::kafka::NodeId;

const PATIENCE: Duration = Duration::from_secs(30);

/// A broker at an address.
pub struct Broker {
    config: ClientConfig,
}

impl Broker {
    /// The broker, or the brokers, at `bootstrap`.
    #[must_use]
    pub fn at(bootstrap: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("log_level", "0").set("reconnect.backoff.max.ms", "500");
        Self { config }
    }

    /// Creates a topic with as many copies as the cluster makes by default, and waits until every partition has its leader.
    ///
    /// # Panics
    /// When the broker refuses, or does not answer.
    pub async fn create_topic(&self, name: &str, partitions: i32) {
        self.create_topic_with(name, partitions, &[]).await;
    }

    /// The same with settings of the topic, in Kafka's own names.
    ///
    /// # Panics
    /// When the broker refuses, or does not answer.
    pub async fn create_topic_with(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let created = self.admin().create_topics([&topic], &options()).await.expect("a broker that answers");
        assert!(created.iter().all(Result::is_ok), "topic {name} refused: {created:?}");
        eventually(PATIENCE, "leaders of a new topic", async || {
            let led = self.partitions(name)?;
            if led.len() == usize::try_from(partitions).unwrap_or(0) { Ok(()) } else { Err(format!("{led:?}")) }
        })
        .await;
    }

    /// Deletes a topic with all it holds.
    ///
    /// # Panics
    /// When the broker refuses, or does not answer.
    pub async fn delete_topic(&self, name: &str) {
        let deleted = self.admin().delete_topics(&[name], &options()).await.expect("a broker that answers");
        assert!(deleted.iter().all(Result::is_ok), "topic {name} stays: {deleted:?}");
    }

    /// Changes one setting of a topic, in Kafka's own name; the others go back to their defaults.
    ///
    /// # Panics
    /// When the broker refuses, or does not answer.
    pub async fn set_of_topic(&self, name: &str, key: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(name)).set(key, value);
        let changed = self.admin().alter_configs(&[change], &options()).await.expect("a broker that answers");
        assert!(changed.iter().all(Result::is_ok), "{key} of {name}: {changed:?}");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config.create().expect("a client with these settings")
    }

    /// The node that leads a partition now.
    ///
    /// # Panics
    /// When none does for half a minute.
    pub async fn leader(&self, topic: &str, partition: i32) -> NodeId {
        eventually(PATIENCE, "a leader", async || {
            let partitions = self.partitions(topic)?;
            let found = partitions.iter().find(|known| known.id == partition && known.leader > 0);
            found.map(|known| NodeId(known.leader.unsigned_abs() as usize)).ok_or_else(|| format!("{partitions:?}"))
        })
        .await
    }

    /// Waits until every partition has this many copies in sync.
    ///
    /// # Panics
    /// When they are not within `within`.
    pub async fn in_sync(&self, topic: &str, copies: usize, within: Duration) {
        eventually(within, "copies in sync", async || {
            let partitions = self.partitions(topic)?;
            let full = partitions.iter().all(|partition| partition.in_sync == copies);
            if full { Ok(()) } else { Err(format!("{partitions:?}")) }
        })
        .await;
    }

    /// The partitions that have a leader.
    fn partitions(&self, topic: &str) -> Result<Vec<Partition>, String> {
        let client: BaseConsumer = self.config.create().expect("a client with these settings");
        let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(5)).map_err(|error| error.to_string())?;
        let known = metadata.topics().first().ok_or("no such topic")?;
        let partition = |known: &rdkafka::metadata::MetadataPartition| Partition {
            id: known.id(),
            leader: known.leader(),
            in_sync: known.isr().len(),
        };
        Ok(known.partitions().iter().filter(|known| known.error().is_none()).map(partition).collect())
    }

    /// For each partition in order, the offset after its last record.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn ends(&self, topic: &str) -> Vec<i64> {
        eventually(PATIENCE, "ends of a topic", async || {
            let client: BaseConsumer = self.config.create().expect("a client with these settings");
            let mut partitions: Vec<i32> = self.partitions(topic)?.iter().map(|partition| partition.id).collect();
            partitions.sort_unstable();
            let end = |&id: &i32| client.fetch_watermarks(topic, id, Duration::from_secs(5)).map(|(_, end)| end);
            partitions.iter().map(end).collect::<Result<Vec<i64>, _>>().map_err(|error| error.to_string())
        })
        .await
    }

    /// For each partition in order, the offset a group would go on from; asked without joining it.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        let partitions = self.ends(topic).await.len();
        eventually(PATIENCE, "committed offsets", async || {
            let client: BaseConsumer = self.config.clone().set("group.id", group).create().expect("a client");
            let mut list = TopicPartitionList::new();
            for id in 0..i32::try_from(partitions).expect("a small number") {
                list.add_partition(topic, id);
            }
            let known = client.committed_offsets(list, Duration::from_secs(5)).map_err(|error| error.to_string())?;
            let offset = |offset: Offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
            Ok::<_, String>(known.elements().iter().map(|element| offset(element.offset())).collect())
        })
        .await
    }

    /// Waits until a group has committed the end of every partition that holds records.
    ///
    /// # Panics
    /// When it has not within `within`.
    pub async fn caught_up(&self, group: &str, topic: &str, within: Duration) {
        eventually(within, &format!("lag 0 of {group} on {topic}"), async || {
            let ends = self.ends(topic).await;
            let committed = self.committed(group, topic).await;
            let behind = ends.iter().zip(&committed).any(|(end, committed)| *end > 0 && *committed != Some(*end));
            if behind { Err(format!("ends {ends:?}, committed {committed:?}")) } else { Ok(()) }
        })
        .await;
    }

    /// Appends records as they are, in their order, and waits for the acknowledgements.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn append(&self, topic: &str, records: &[RawRecord]) {
        let mut config = self.config.clone();
        let config =
            config.set("enable.idempotence", "true").set("message.max.bytes", "30000000").set("linger.ms", "5");
        let producer: FutureProducer = config.create().expect("a client with these settings");
        let mut deliveries = Vec::with_capacity(records.len());
        for raw in records {
            let mut record = FutureRecord::<[u8], [u8]>::to(topic);
            record.partition = raw.partition;
            record.key = raw.key.as_deref();
            record.payload = raw.value.as_deref();
            deliveries
                .push(producer.send_result(record).map_err(|(error, _)| error).expect("room in the client's queue"));
        }
        for delivery in deliveries {
            delivery
                .await
                .expect("the client is not dropped")
                .map_err(|(error, _)| error)
                .expect("the broker takes it");
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

#[derive(Debug)]
struct Partition {
    id: i32,
    leader: i32,
    in_sync: usize,
}

/// A record as a test wants it in the log, however wrong.
#[derive(Debug, Clone, Default)]
pub struct RawRecord {
    /// Where; `None` lets the key decide.
    pub partition: Option<i32>,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
}
