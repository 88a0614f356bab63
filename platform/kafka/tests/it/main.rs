//! Writer and reader against the client library's own mock brokers: rebalances, faults and recoveries that need no real log.
//!
//! The mock keeps little and isolates nothing: how much, how fast and how durable is for the tests on real brokers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mock;
mod owner;
mod reading;
mod writing;
mod asking;
