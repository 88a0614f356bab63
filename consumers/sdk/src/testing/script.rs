//! Faults put in front of a consumer's own code, one call at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::consumer::Consumer;
use crate::context::Context;
use crate::effect::Effect;
use crate::event::Event;
use crate::fault::Fault;

/// What a script does to the next calls of a consumer.
#[derive(Debug, Clone)]
pub enum Script {
    /// The call is answered with this fault, and the consumer's own code is not run.
    Fault(Fault),
    /// The consumer's own code runs, and its success is lost: as when an answer does not arrive.
    LostAnswer,
    /// The call panics.
    Panic,
}

pub(super) type Scripts = Arc<Mutex<VecDeque<Script>>>;

/// The consumer with scripts in front of it.
pub(super) struct Scripted<C> {
    pub(super) consumer: Arc<C>,
    pub(super) handle: Scripts,
    pub(super) perform: Scripts,
}

impl<C: Consumer> Consumer for Scripted<C> {
    const NAME: &'static str = C::NAME;

    fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault> {
        match next(&self.handle) {
            None => self.consumer.handle(event, cx),
            Some(Script::Fault(fault)) => Err(fault),
            Some(Script::LostAnswer) => {
                self.consumer.handle(event, cx)?;
                Err(Fault::transient("the answer was lost"))
            }
            Some(Script::Panic) => panic!("scripted"),
        }
    }

    async fn perform(&self, effect: &Effect) -> Result<(), Fault> {
        match next(&self.perform) {
            None => self.consumer.perform(effect).await,
            Some(Script::Fault(fault)) => Err(fault),
            Some(Script::LostAnswer) => {
                self.consumer.perform(effect).await?;
                Err(Fault::transient("the answer was lost"))
            }
            Some(Script::Panic) => panic!("scripted"),
        }
    }
}

fn next(scripts: &Scripts) -> Option<Script> {
    scripts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}
