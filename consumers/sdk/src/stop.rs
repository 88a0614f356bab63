//! Waiting that can be called off: a partition's worker never blocks longer than its owner allows.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use hooklog_process::clock::ManualClock;

/// A request to stop, with the moment by which it must be done. Shared between a worker and its owner.
#[derive(Debug, Default)]
pub struct Stop {
    request: Mutex<Option<Instant>>,
    changed: Condvar,
    /// Where time is virtual, a pause moves this clock on and returns.
    virtual_time: Option<ManualClock>,
}

/// How often a wait looks whether it was called off.
const LOOK: Duration = Duration::from_millis(20);

impl Stop {
    /// A stop that nobody requested yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One whose pauses take no time but move `clock` on.
    #[must_use]
    pub fn in_virtual_time(clock: ManualClock) -> Arc<Self> {
        Arc::new(Self { virtual_time: Some(clock), ..Self::default() })
    }

    /// Asks to stop; all is to be done by `deadline`.
    pub fn request(&self, deadline: Instant) {
        *self.locked() = Some(deadline);
        self.changed.notify_all();
    }

    /// The deadline, once stopping was requested.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        *self.locked()
    }

    /// Whether stopping was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.deadline().is_some()
    }

    /// Waits for `length`, or until stopping is requested; true when it was.
    pub fn pause(&self, length: Duration) -> bool {
        if let Some(clock) = &self.virtual_time {
            clock.advance_ms(i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
            return self.is_requested();
        }
        let until = self.changed.wait_timeout_while(self.locked(), length, |request| request.is_none());
        until.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }

    /// Waits for `future`; nothing when the deadline of a requested stop passes first.
    pub fn wait_for<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return Some(value);
            }
            if self.deadline().is_some_and(|deadline| Instant::now() >= deadline) {
                return None;
            }
            std::thread::park_timeout(LOOK);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_deadline_of_the_stop() {
        let stop = Stop::new();
        assert_eq!(stop.wait_for(async { 7 }), Some(7));
        stop.request(Instant::now());
        assert_eq!(stop.wait_for(std::future::pending::<()>()), None);
        assert!(stop.pause(Duration::from_secs(3600)));
    }

    #[test]
    fn a_pause_is_called_off_from_another_thread() {
        let stop = Stop::new();
        let other = Arc::clone(&stop);
        let thread = std::thread::spawn(move || other.pause(Duration::from_secs(3600)));
        stop.request(Instant::now());
        assert!(thread.join().unwrap());
    }
}
