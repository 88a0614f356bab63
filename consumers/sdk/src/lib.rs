//! Reading the log: a consumer's state, what it has seen and how far it has read change in one write.
//!
//! The data's path: the group assigns a partition; `restore` opens its state and decides where to begin ([`start`]);
//! its worker (`partition`) reads records in micro-batches; each is decoded, compared with what was seen ([`dedupe`]), and handled by
//! the [`Consumer`] with a [`Context`]; what it changes gathers in a [`draft`]; records it appends to the log, and dead letters, are
//! acknowledged first (`appending`); then the draft is written whole ([`store`]); effects it wrote down ([`outbox`]) are made afterwards
//! (`performer`), again and again with one id until they succeed; every second the state is synced, and then, never before, the
//! offset is committed to the group.
//!
//! What holds: the state is always the effect of exactly the records before its next offset; after a crash of the process nothing
//! is lost, after a crash of the machine a suffix is read again. A redelivery of an event never reaches the handler. An outside call is
//! made at least once, always with the same id. What is absent: no path from a failed record to the next one but through the
//! dead-letter topic, no clock and no randomness in a handler, no offset committed past an effect that was not made.

pub mod consumer;
pub mod event;
pub mod fault;
pub mod table;
pub mod context;
pub mod effect;
pub mod settings;
pub mod identity;
pub mod start;
pub mod dedupe;
pub mod draft;
pub mod outbox;
pub mod store;
pub mod meta;
pub mod retry;
pub mod stop;
pub mod metrics;
pub mod runner;
pub mod state;
pub mod cli;
pub mod testing;

mod appending;
mod assignment;
mod decoding;
mod partition;
mod performer;
mod recorded;
mod restore;
mod shared;
mod step;

pub use cli::{RunArgs, main, run};
pub use consumer::Consumer;
pub use context::Context;
pub use effect::{Effect, EffectId};
pub use event::Event;
pub use fault::{Fault, FaultKind};
pub use runner::{Parts, RunError, Runner, RunnerMetrics};
pub use settings::Settings;
pub use table::{StateKey, Table};
