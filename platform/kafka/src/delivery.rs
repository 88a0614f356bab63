//! The promise of an append: resolves when the brokers have answered.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
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
pub(crate) struct Slot {
    topic: TopicName,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Reported(Result<(Partition, Offset), AppendError>),
}

impl Slot {
    pub(crate) fn new(topic: &TopicName) -> Arc<Self> {
        Arc::new(Self { topic: topic.clone(), state: Mutex::new(State::Waiting(None)) })
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Puts the report in and wakes the caller; a second report is ignored.
    pub(crate) fn report(&self, report: Result<(Partition, Offset), AppendError>) {
        let waker = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *state {
                State::Reported(_) => return,
                State::Waiting(waker) => {
                    let waker = waker.take();
                    *state = State::Reported(report);
                    waker
                }
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
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
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Reported(report) => Poll::Ready(match report {
                Ok((partition, offset)) => {
                    Ok(Position { topic: self.0.topic.clone(), partition: *partition, offset: *offset })
                }
                Err(error) => Err(error.clone()),
            }),
            State::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
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
