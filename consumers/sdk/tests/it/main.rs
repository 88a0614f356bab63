//! The promises of the consumer SDK: the state alone, the steps of a micro-batch, and whole runs against a broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod opening;
mod kit;
mod broker;
mod running;
