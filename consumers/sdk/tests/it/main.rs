//! The promises of the consumer SDK: the state alone, the steps of a micro-batch, and whole runs against a broker.

mod model;
mod opening;
mod kit;
mod broker;
mod running;
