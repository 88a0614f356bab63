//! A member of a consumer group that reads in the background, commits each record, and remembers what happened to it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::{ClientContext, Message};
use tokio::task::JoinHandle;

use super::client;

/// What happened to a member, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// It was given so many partitions (more).
    Assigned(usize),
    /// So many were taken from it.
    Revoked(usize),
    /// It was told of an error.
    Failed(String),
}

#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<Happening>>>);

impl Diary {
    fn note(&self, happening: Happening) {
        self.0.lock().unwrap().push(happening);
    }
}

impl ClientContext for Diary {}

impl ConsumerContext for Diary {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.note(match rebalance {
            Rebalance::Assign(partitions) => Happening::Assigned(partitions.count()),
            Rebalance::Revoke(partitions) => Happening::Revoked(partitions.count()),
            Rebalance::Error(error) => Happening::Failed(error.to_string()),
        });
    }
}

/// A running member; dropping it leaves the group (a static one only stops).
pub(crate) struct Member {
    consumer: Arc<StreamConsumer<Diary>>,
    diary: Diary,
    read: Arc<Mutex<Vec<(i32, i64)>>>,
    task: JoinHandle<()>,
}

impl Drop for Member {
    /// Returns when it has left: closing a consumer talks to the broker, and never ends once the broker is gone.
    fn drop(&mut self) {
        self.task.abort();
        let deadline = Instant::now() + client::PATIENCE;
        while Arc::strong_count(&self.consumer) > 1 && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

/// Joins with cooperative-sticky assignment, unless the settings say otherwise.
pub(crate) fn join(bootstrap: &str, group: &str, topic: &str, settings: &[(&str, &str)]) -> Member {
    let diary = Diary::default();
    let mut config = client::config(bootstrap);
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "500");
    for (setting, value) in settings {
        config.set(*setting, *value);
    }
    let consumer: Arc<StreamConsumer<Diary>> = Arc::new(config.create_with_context(diary.clone()).expect("a consumer"));
    consumer.subscribe(&[topic]).expect("it subscribes");
    let read = Arc::new(Mutex::new(Vec::new()));
    let task = tokio::spawn(read_on(Arc::clone(&consumer), Arc::clone(&read), diary.clone()));
    Member { consumer, diary, read, task }
}

async fn read_on(consumer: Arc<StreamConsumer<Diary>>, read: Arc<Mutex<Vec<(i32, i64)>>>, diary: Diary) {
    loop {
        match consumer.recv().await {
            Ok(message) => {
                read.lock().unwrap().push((message.partition(), message.offset()));
                consumer.commit_message(&message, CommitMode::Async).expect("a commit is queued");
            }
            Err(error) => diary.note(Happening::Failed(error.to_string())),
        }
    }
}

impl Member {
    /// The partitions it has now, in order.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        let assigned = self.consumer.assignment().expect("an assignment");
        let mut partitions: Vec<i32> = assigned.elements().iter().map(|element| element.partition()).collect();
        partitions.sort_unstable();
        partitions
    }

    /// Partition and offset of everything it read.
    pub(crate) fn read(&self) -> Vec<(i32, i64)> {
        self.read.lock().unwrap().clone()
    }

    pub(crate) fn happenings(&self) -> Vec<Happening> {
        self.diary.0.lock().unwrap().clone()
    }

    /// Leaves the group, and returns when it has.
    pub(crate) async fn leave(self) {
        tokio::task::spawn_blocking(move || drop(self)).await.expect("it leaves");
    }
}
