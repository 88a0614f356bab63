//! The promise of an append: resolves when the brokers have answered.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hooklog_schemas::{Offset, Partition, Position, TopicName};

use crate::error::AppendError;

/// The outcome of one append, to be awaited or waited for. Dropping it does not cancel the append.
#[must_use = "a record is not appended before its delivery says so"]
#[derive(Debug)]
pub struct Delivery(Arc<Slot>);

/// Where the delivery report is put. One allocation for each record, shared by the waiting caller and the client's queue.
#[derive(Debug)]
pub(crate) struct Slot(Mutex<State>);

/// The topic's name moves along and is never cloned on the way: all threads would share its counter.
#[derive(Debug)]
enum State {
    Waiting { topic: TopicName, waker: Option<Waker> },
    Reported(Result<Position, AppendError>),
    Taken,
}

impl Slot {
    pub(crate) fn new(topic: &TopicName) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Waiting { topic: topic.clone(), waker: None })))
    }

    /// Puts the report in and wakes the caller; a second report is ignored.
    pub(crate) fn report(&self, report: Result<(Partition, Offset), AppendError>) {
        self.report_with(|_| report);
    }

    /// The same for a report that names the topic.
    pub(crate) fn report_with(&self, report: impl FnOnce(&TopicName) -> Result<(Partition, Offset), AppendError>) {
        let mut state = self.locked();
        let (topic, waker) = match std::mem::replace(&mut *state, State::Taken) {
            State::Waiting { topic, waker } => (topic, waker),
            reported => {
                *state = reported;
                return;
            }
        };
        let report = report(&topic).map(|(partition, offset)| Position { topic, partition, offset });
        *state = State::Reported(report);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    /// Of a slot that somebody will report to.
    pub(crate) fn of(slot: &Arc<Slot>) -> Self {
        Self(Arc::clone(slot))
    }

    /// Blocks until the brokers have answered; none when they have not `within` that time. For threads without an async runtime.
    ///
    /// # Errors
    /// [`AppendError`] when the record was not appended, or may not have been.
    pub fn wait(self, within: Duration) -> Option<Result<Position, AppendError>> {
        crate::wait::wait(self, Some(Instant::now() + within))
    }
}

impl Future for Delivery {
    type Output = Result<Position, AppendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.locked();
        if let State::Waiting { waker, .. } = &mut *state {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Taken) {
            State::Reported(report) => Poll::Ready(report),
            // Asked again after its answer, as no future should be.
            State::Waiting { .. } | State::Taken => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_counts() {
        let slot = Slot::new(&TopicName::parse("t").unwrap());
        let delivery = Delivery::of(&slot);
        slot.report(Ok((Partition(1), Offset(7))));
        slot.report(Err(AppendError::Full));
        let position = delivery.wait(Duration::from_secs(1)).unwrap().unwrap();
        assert_eq!(position.to_string(), "t/1/7");
    }

    #[test]
    fn a_waiting_thread_is_woken_from_another_one() {
        let slot = Slot::new(&TopicName::parse("t").unwrap());
        let delivery = Delivery::of(&slot);
        let waiting = std::thread::spawn(move || delivery.wait(Duration::from_secs(30)));
        slot.report(Err(AppendError::Full));
        assert_eq!(waiting.join().unwrap(), Some(Err(AppendError::Full)));
    }

    #[test]
    fn without_a_report_the_deadline_ends_the_wait() {
        let slot = Slot::new(&TopicName::parse("t").unwrap());
        assert_eq!(Delivery::of(&slot).wait(Duration::from_millis(5)), None);
    }
}
