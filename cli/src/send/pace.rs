//! How fast: as fast as the answers come (closed loop), or so many a second whether or not they come (open loop).

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hooklog_process::clock::Clock;
use hooklog_process::shutdown::Shutdown;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::send::client::Client;
use crate::send::plan::{Plan, Shot};
use crate::send::summary::{Exchange, Tally};

/// Events of an open loop that may wait for an answer; past it the loop waits, and the wait counts as latency.
const IN_FLIGHT_LIMIT: usize = 4096;

/// How often the progress is told.
const PROGRESS_TICK: Duration = Duration::from_millis(100);

/// How many and how fast.
pub(crate) struct Pace {
    /// Events in all.
    pub(crate) count: NonZeroU64,
    /// Events a second; none is a closed loop.
    pub(crate) rate: Option<NonZeroU32>,
    /// Events of a closed loop that wait for an answer.
    pub(crate) concurrency: u32,
}

/// What sending takes.
pub(crate) struct Sending {
    /// What is sent.
    pub(crate) plan: Plan,
    /// Where to.
    pub(crate) client: Client,
    /// The time.
    pub(crate) clock: Clock,
    /// Ends it early; what was begun is awaited.
    pub(crate) shutdown: Shutdown,
}

struct Shared {
    sending: Sending,
    begun: AtomicU64,
    answered: AtomicU64,
}

/// Sends all and counts the answers; tells the progress while it goes.
pub(crate) async fn send(sending: Sending, pace: &Pace, progress: impl Fn(u64)) -> Tally {
    let shared = Arc::new(Shared { sending, begun: AtomicU64::new(0), answered: AtomicU64::new(0) });
    let started = shared.sending.clock.monotonic();
    let all = async {
        match pace.rate {
            Some(rate) => open(&shared, pace.count.get(), rate, started).await,
            None => closed(&shared, pace.count.get(), pace.concurrency).await,
        }
    };
    tokio::pin!(all);
    let mut ticks = tokio::time::interval(PROGRESS_TICK);
    let mut tally = loop {
        tokio::select! {
            tally = &mut all => break tally,
            _ = ticks.tick() => progress(shared.answered.load(Ordering::Relaxed)),
        }
    };
    tally.elapsed = shared.sending.clock.monotonic().saturating_duration_since(started);
    tally
}

async fn closed(shared: &Arc<Shared>, count: u64, concurrency: u32) -> Tally {
    let mut workers = JoinSet::new();
    for _ in 0..u64::from(concurrency).min(count) {
        let shared = Arc::clone(shared);
        workers.spawn(async move {
            let mut tally = Tally::default();
            while shared.begun.fetch_add(1, Ordering::Relaxed) < count && !shared.sending.shutdown.is_requested() {
                let shot = shared.sending.plan.next(shared.sending.clock.now_ms());
                let since = shared.sending.clock.monotonic();
                tally.add(shared.exchange(shot, since).await);
            }
            tally
        });
    }
    let mut all = Tally::default();
    while let Some(worker) = workers.join_next().await {
        if let Ok(tally) = worker {
            all.merge(tally);
        }
    }
    all
}

/// Latency counts from the moment an event was due, so that a slow edge can't hide by slowing the sender down.
async fn open(shared: &Arc<Shared>, count: u64, rate: NonZeroU32, started: Instant) -> Tally {
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_LIMIT));
    let mut exchanges = JoinSet::new();
    let mut all = Tally::default();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut begun = 0;
    while begun < count && !shared.sending.shutdown.is_requested() {
        ticks.tick().await;
        let passed = shared.sending.clock.monotonic().saturating_duration_since(started);
        while begun < count && due(begun, rate) <= passed {
            let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { break };
            let (shared, since) = (Arc::clone(shared), started + due(begun, rate));
            exchanges.spawn(async move {
                let shot = shared.sending.plan.next(shared.sending.clock.now_ms());
                let exchange = shared.exchange(shot, since).await;
                drop(permit);
                exchange
            });
            begun += 1;
        }
        while let Some(Ok(exchange)) = exchanges.try_join_next() {
            all.add(exchange);
        }
    }
    while let Some(exchange) = exchanges.join_next().await {
        if let Ok(exchange) = exchange {
            all.add(exchange);
        }
    }
    all
}

/// When the event of this number is due, from the start.
fn due(number: u64, rate: NonZeroU32) -> Duration {
    let nanoseconds = u128::from(number) * 1_000_000_000 / u128::from(rate.get());
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

impl Shared {
    async fn exchange(&self, shot: Shot, since: Instant) -> Exchange {
        let answer = self.sending.client.send(&shot).await;
        let latency = self.sending.clock.monotonic().saturating_duration_since(since);
        self.answered.fetch_add(1, Ordering::Relaxed);
        Exchange { shot, answer, latency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_at_even_distances() {
        let rate = NonZeroU32::new(200).unwrap();
        assert_eq!(due(0, rate), Duration::ZERO);
        assert_eq!(due(1, rate), Duration::from_millis(5));
        assert_eq!(due(10_000_000, rate), Duration::from_secs(50_000));
    }
}
