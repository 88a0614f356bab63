//! What a consumer is: a name, a handler that is a function of the event and the state, and the outside calls it asks for.

use std::future::Future;

use crate::context::Context;
use crate::effect::Effect;
use crate::event::Event;
use crate::fault::Fault;

/// A consumer of events.
///
/// `handle` sees every event once, in log order within a key; redeliveries of an event never reach it. What it writes becomes
/// durable together with the place in the log, or not at all. It must depend on nothing but the event and the state: it runs
/// again when a state is rebuilt from the log. Everything that reaches outside is written down with [`Context::effect`] and
/// made by `perform`, at least once, always with the same [`Effect::id`].
pub trait Consumer: Send + Sync + 'static {
    /// The group's default name, also the state's folder and the metrics' label. `a-z`, `0-9` and hyphens.
    const NAME: &'static str;

    /// Handles one event.
    ///
    /// # Errors
    /// A [`Fault`], whose kind decides: tried again, set aside as a dead letter, or the end of the process.
    fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault>;

    /// Makes one outside call. Effects of the same event key are made one after the other, in log order.
    ///
    /// # Errors
    /// A [`Fault`], as for [`Consumer::handle`].
    fn perform(&self, effect: &Effect) -> impl Future<Output = Result<(), Fault>> + Send {
        let _ = effect;
        async { Err(Fault::fatal("this consumer wrote down an effect but has no perform()")) }
    }
}
