//! The lanes of the topics that the edge writes to, each with its fence: which one a key leads to, and where its record may go now.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use hooklog_kafka::partitioner::partition_of;
use hooklog_schemas::{Partition, TopicName};
use hooklog_signatures::WhenLogAway;
use tokio::sync::Notify;

use crate::fence::{Fence, Way};
use crate::lane::LaneId;
use crate::spool::survey::Survey;

/// One lane and what is known of it.
#[derive(Debug)]
pub struct Lane {
    id: LaneId,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    fence: Fence,
    /// Numbers of spooled records whose original has reached the log after all.
    arrived: BTreeSet<u64>,
    /// Whether somebody drains it, or waits to.
    is_tended: bool,
    /// Whether the topic's number of partitions is known and this lane, which had all its records, has ended.
    has_ended: bool,
}

impl Lane {
    fn new(topic: &TopicName, partition: Option<Partition>) -> Arc<Self> {
        let id = LaneId { topic: topic.clone(), partition };
        Arc::new(Self { id, state: Mutex::default(), changed: Notify::new() })
    }

    /// Which lane it is.
    #[must_use]
    pub const fn id(&self) -> &LaneId {
        &self.id
    }

    /// Changes the fence, as one step.
    pub fn change<T>(&self, change: impl FnOnce(&mut Fence) -> T) -> T {
        let changed = change(&mut self.state().fence);
        self.changed.notify_waiters();
        changed
    }

    /// The log's client reported a record whose request waits still.
    pub fn land(&self) {
        let mut state = self.state();
        state.fence.land(false);
        let is_up = state.fence.is_up();
        drop(state);
        // Nobody waits at a fence that is down.
        if is_up {
            self.changed.notify_waiters();
        }
    }

    /// The original of a spooled record has reached the log: the copy must not follow.
    pub fn arrived(&self, number: u64) {
        self.state().arrived.insert(number);
    }

    /// Whether the original of this spooled record has reached the log.
    #[must_use]
    pub fn has_arrived(&self, number: u64) -> bool {
        self.state().arrived.contains(&number)
    }

    /// The first `records` places, up to `upto`, have been removed from the spool.
    pub fn drained(&self, records: usize, upto: u64) {
        let mut state = self.state();
        state.fence.drained(records);
        state.arrived = state.arrived.split_off(&upto);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether nobody drains it and it needs to be: the caller does from now on.
    #[must_use]
    pub fn tend(&self) -> bool {
        let mut state = self.state();
        let needs = state.fence.is_up() && !state.is_tended;
        state.is_tended |= needs;
        needs
    }

    /// Waits until it may be drained; false when there is nothing to drain, and the caller drains it no more.
    pub async fn may_drain(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if !state.fence.is_up() {
                    state.is_tended = false;
                    return false;
                }
                if state.fence.may_drain() {
                    return true;
                }
            }
            changed.await;
        }
    }

    /// Waits until something happens to it.
    pub async fn change_of_state(&self) {
        self.changed.notified().await;
    }

    /// Records in the spool or on their way into it.
    #[must_use]
    pub fn held(&self) -> usize {
        self.state().fence.held()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lanes of one topic.
///
/// While the number of its partitions is not known, all its records share one lane: whatever partition a key will lead to, order holds.
/// That lane ends for good when the number is known and nothing of the topic is anywhere; from then on each partition has its own.
#[derive(Debug)]
struct TopicLanes {
    shared: Arc<Lane>,
    /// One for each partition; none while the number is not known.
    own: ArcSwap<Vec<Arc<Lane>>>,
}

impl TopicLanes {
    fn new(topic: &TopicName) -> Self {
        Self { shared: Lane::new(topic, None), own: ArcSwap::default() }
    }

    /// The lane of a key, and where its next record goes.
    fn enter(&self, key: &[u8], count: Option<NonZeroU32>, when_log_away: WhenLogAway) -> (Arc<Lane>, Way) {
        if self.own.load().is_empty()
            && let Some(way) = self.enter_shared(count, when_log_away)
        {
            return (Arc::clone(&self.shared), way);
        }
        self.grow(count);
        let own = self.own.load();
        let partitions = u32::try_from(own.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let number = usize::try_from(partition_of(key, partitions).0).unwrap_or(0);
        let lane = Arc::clone(&own[number]);
        let way = lane.state().fence.enter(when_log_away);
        (lane, way)
    }

    fn enter_shared(&self, count: Option<NonZeroU32>, when_log_away: WhenLogAway) -> Option<Way> {
        let mut state = self.shared.state();
        if state.has_ended {
            return None;
        }
        if count.is_some() && state.fence.is_quiet() {
            // The others find their lanes before they find that this one has ended.
            self.grow(count);
            state.has_ended = true;
            return None;
        }
        Some(state.fence.enter(when_log_away))
    }

    /// Makes the lanes of new partitions. A topic that was given more of them leads its keys elsewhere, as Kafka says.
    fn grow(&self, count: Option<NonZeroU32>) {
        let wanted = count.map_or(0, NonZeroU32::get);
        let has = |lanes: &Vec<Arc<Lane>>| u32::try_from(lanes.len()).unwrap_or(u32::MAX);
        if has(&self.own.load()) >= wanted {
            return;
        }
        self.own.rcu(|own| {
            let mut grown = Vec::clone(own);
            for number in has(own)..wanted {
                grown
                    .push(Lane::new(&self.shared.id.topic, Some(Partition(i32::try_from(number).unwrap_or(i32::MAX)))));
            }
            grown
        });
    }

    fn lane(&self, partition: Option<Partition>) -> Arc<Lane> {
        let Some(partition) = partition else { return Arc::clone(&self.shared) };
        let number = u32::try_from(partition.0).unwrap_or(0);
        self.grow(NonZeroU32::new(number + 1));
        self.shared.state().has_ended = true;
        Arc::clone(&self.own.load()[usize::try_from(number).unwrap_or(0)])
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        let mut lanes = vec![Arc::clone(&self.shared)];
        lanes.extend(self.own.load().iter().cloned());
        lanes
    }
}

/// The lanes of all topics.
#[derive(Debug)]
pub struct Lanes(ArcSwap<HashMap<TopicName, Arc<TopicLanes>>>);

impl Lanes {
    /// No topic yet: each is known from its first record on.
    #[must_use]
    pub fn new() -> Self {
        Self(ArcSwap::default())
    }

    /// The lane of a key of a topic that has `count` partitions, as far as is known, and where its next record goes.
    pub fn enter(
        &self,
        topic: &TopicName,
        key: &[u8],
        count: Option<NonZeroU32>,
        when_log_away: WhenLogAway,
    ) -> (Arc<Lane>, Way) {
        match self.0.load().get(topic) {
            Some(lanes) => lanes.enter(key, count, when_log_away),
            None => self.topic(topic).enter(key, count, when_log_away),
        }
    }

    /// Puts up the fences before what a spool holds, and returns their lanes. `counts` are its topics' numbers of partitions.
    pub fn hold(&self, survey: &Survey, counts: &[(TopicName, NonZeroU32)]) -> Vec<Arc<Lane>> {
        for found in &survey.lanes {
            if found.lane.partition.is_some()
                && let Some((topic, count)) = counts.iter().find(|(topic, _)| *topic == found.lane.topic)
            {
                self.topic(topic).grow(Some(*count));
            }
        }
        self.reopened(survey)
    }

    /// Sets every fence to what a spool holds that was opened anew, and returns the lanes that hold something.
    pub fn reopened(&self, survey: &Survey) -> Vec<Arc<Lane>> {
        let found: HashMap<&LaneId, usize> = survey.lanes.iter().map(|found| (&found.lane, found.places)).collect();
        for lane in self.all() {
            let places = found.get(lane.id()).copied().unwrap_or(0);
            lane.change(|fence| fence.reopened(places));
        }
        let hold = |(lane, places): (&LaneId, usize)| {
            let held = self.topic(&lane.topic).lane(lane.partition);
            held.change(|fence| fence.reopened(places));
            held
        };
        found.into_iter().map(hold).collect()
    }

    /// All lanes there are.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Lane>> {
        self.0.load().values().flat_map(|topic| topic.all()).collect()
    }

    fn topic(&self, topic: &TopicName) -> Arc<TopicLanes> {
        let made = Arc::new(TopicLanes::new(topic));
        self.0.rcu(|topics| {
            let mut topics = HashMap::clone(topics);
            topics.entry(topic.clone()).or_insert_with(|| Arc::clone(&made));
            topics
        });
        self.0.load().get(topic).map_or(made, Arc::clone)
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}
