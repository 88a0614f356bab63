//! The broker over its wire, asked by the protocol crate's own client types.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod running;
mod versions;
mod producing;
mod reading;
mod grouping;
mod limits;
mod restarting;
