//! Deadlines without timers: what a connection and its request do next has a deadline, kept in a few atomics of its [`Phase`], and one
//! task looks at the deadlines of all connections. A request costs a few stores; a timer armed and disarmed for each wait is a tenth of
//! its CPU.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::phase::{Lengths, Phase, millis_since};

/// The deadlines of all open connections.
pub struct Deadlines {
    lengths: Lengths,
    epoch: Instant,
    is_draining: AtomicBool,
    open: Mutex<HashMap<u64, Arc<Phase>>>,
    opened: AtomicU64,
}

/// An open connection's place among the deadlines, given back when dropped.
pub struct Open {
    deadlines: Arc<Deadlines>,
    number: u64,
    phase: Arc<Phase>,
}

impl Deadlines {
    /// No connections yet.
    #[must_use]
    pub fn new(lengths: Lengths) -> Arc<Self> {
        let (epoch, is_draining) = (Instant::now(), AtomicBool::new(false));
        Arc::new(Self { lengths, epoch, is_draining, open: Mutex::default(), opened: AtomicU64::new(0) })
    }

    /// A connection that was just opened and may become so old.
    #[must_use]
    pub fn open(self: &Arc<Self>, age: Duration) -> Open {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let phase = Arc::new(Phase::opened(self.lengths, self.epoch, age));
        self.locked().insert(number, Arc::clone(&phase));
        // Looked at after the insertion: whoever drains sees either the connection or has said so before.
        if self.is_draining.load(Ordering::SeqCst) {
            phase.drain();
        }
        Open { deadlines: Arc::clone(self), number, phase }
    }

    /// Tells every connection to drain, also those that are still to be opened.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        for phase in self.locked().values() {
            phase.drain();
        }
    }

    /// Looks at all deadlines whenever one may have passed. Never returns.
    pub async fn watch(&self) {
        loop {
            // A deadline that is set from now on is at least so far away.
            let mut wait = self.lengths.shortest();
            let now = Duration::from_millis(millis_since(self.epoch));
            for phase in self.locked().values() {
                match phase.next_due() {
                    Some(due) if due <= now => phase.due(),
                    Some(due) => wait = wait.min(due - now),
                    None => {}
                }
            }
            tokio::time::sleep(wait.max(Self::FINEST)).await;
        }
    }

    /// A look at thousands of connections is not for every millisecond.
    const FINEST: Duration = Duration::from_millis(10);

    fn locked(&self) -> MutexGuard<'_, HashMap<u64, Arc<Phase>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.deadlines.locked().remove(&self.number);
    }
}

impl Open {
    /// The connection's phase.
    #[must_use]
    pub fn phase(&self) -> &Arc<Phase> {
        &self.phase
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use crate::phase::{Elapsed, Passed, Told};

    const LENGTHS: Lengths = Lengths {
        first_byte: Duration::from_millis(50),
        headers: Duration::from_secs(60),
        idle: Duration::from_secs(60),
        write: Duration::from_secs(60),
        wait: Duration::from_millis(50),
    };

    const AGE: Duration = Duration::from_secs(60);

    /// A connection's task that serves nothing: what it is told.
    async fn serve(phase: &Phase, is_drained: bool) -> Told {
        poll_fn(|cx| {
            phase.wake(cx);
            phase.told(is_drained).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn watched() -> Arc<Deadlines> {
        let deadlines = Deadlines::new(LENGTHS);
        let watching = Arc::clone(&deadlines);
        tokio::spawn(async move { watching.watch().await });
        deadlines
    }

    #[tokio::test]
    async fn a_phase_that_lasts_too_long_closes_the_connection_and_one_that_went_on_does_not() {
        let deadlines = watched();
        let (silent, busy) = (deadlines.open(AGE), deadlines.open(AGE));
        busy.phase().read();
        busy.phase().busy();
        assert_eq!(serve(silent.phase(), false).await, Told::Close(Passed::FirstByte));
        assert_eq!(busy.phase().told(false), None);
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_deadline_and_not_before() {
        let deadlines = watched();
        let open = deadlines.open(AGE);
        open.phase().busy();
        let start = Instant::now();
        let phase = open.phase();
        let mut wait = pin!(phase.within(start + LENGTHS.wait, std::future::pending::<()>()));
        let waited = poll_fn(|cx| {
            phase.wake(cx);
            let polled = wait.as_mut().poll(cx);
            assert_eq!(phase.told(false), None, "the connection itself has no deadline now");
            polled
        });
        assert_eq!(waited.await, Err(Elapsed));
        assert!(start.elapsed() >= LENGTHS.wait);
        assert_eq!(open.phase().within(start, async { 7 }).await, Ok(7), "what is there is taken, however late");
        assert_eq!(open.phase().next_due(), None);
    }

    #[tokio::test]
    async fn connections_that_are_open_and_those_to_come_are_told_to_drain() {
        let deadlines = Deadlines::new(LENGTHS);
        let before = deadlines.open(AGE);
        deadlines.drain();
        let after = deadlines.open(AGE);
        assert_eq!(serve(before.phase(), false).await, Told::Drain);
        assert_eq!(serve(after.phase(), false).await, Told::Drain);
        assert_eq!(after.phase().told(true), None, "once is enough");
        drop((before, after));
        assert!(deadlines.locked().is_empty());
    }
}
