//! A consumer that tells what it did: the consumer itself knows nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hooklog_consumer::{Consumer, Context, Effect, Event, Fault};
use hooklog_schemas::Position;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::dev::board::{Deed, Report};

/// How a consumer's deeds are called.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    pub(crate) handled: &'static str,
    pub(crate) performed: fn(&Effect) -> String,
}

/// Where reports go. A consumer never waits for whoever reads them: what does not fit is dropped and counted.
#[derive(Clone)]
pub(crate) struct Reports {
    sender: Sender<Report>,
    dropped: Arc<AtomicU64>,
}

impl Reports {
    pub(crate) fn to(sender: Sender<Report>) -> Self {
        Self { sender, dropped: Arc::default() }
    }

    /// How many were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn tell(&self, consumer: &'static str, position: &Position, deed: Deed) {
        let report = Report { consumer, position: position.clone(), deed };
        if let Err(TrySendError::Full(_)) = self.sender.try_send(report) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The consumer and its words.
pub(crate) struct Watched<C> {
    pub(crate) consumer: C,
    pub(crate) words: Words,
    pub(crate) reports: Reports,
}

impl<C: Consumer> Consumer for Watched<C> {
    const NAME: &'static str = C::NAME;

    fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault> {
        let handled = self.consumer.handle(event, cx);
        let deed = match &handled {
            Ok(()) => Deed::Handled(self.words.handled.to_owned()),
            Err(fault) => Deed::Failed(format!("failed: {fault}")),
        };
        self.reports.tell(C::NAME, event.position(), deed);
        handled
    }

    async fn perform(&self, effect: &Effect) -> Result<(), Fault> {
        let performed = self.consumer.perform(effect).await;
        let what = (self.words.performed)(effect);
        let deed = match &performed {
            Ok(()) => Deed::Performed(what),
            Err(fault) => Deed::Failed(format!("{what}: failed at attempt {}: {fault}", effect.attempt())),
        };
        self.reports.tell(C::NAME, effect.origin(), deed);
        performed
    }
}
