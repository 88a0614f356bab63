//! The bench: how fast the edge and the SDK are, beside what one would write in an afternoon and what the machine can do.
//!
//! Everything runs as a process of its own against one real Kafka node, in interleaved rounds: [`webhook`] → [`load`] →
//! [`server`] (the edge, the naive peer, signatures alone, peers in other languages) → [`broker`], counted in [`topic`]; then
//! [`readers`] read what [`fill`] wrote. [`figures`] turns the rounds into medians of ratios, so that what slows the machine down slows both sides.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

pub mod settings;
pub mod error;
pub mod machine;
pub mod family;
pub mod process;
pub mod broker;
pub mod topic;
pub mod webhook;
pub mod load;
pub mod connection;
pub mod foreign;
pub mod edge;
pub mod server;
pub mod ingest;
pub mod idle;
pub mod resident;
pub mod sources;
pub mod paced;
pub mod outage;
pub mod fill;
pub mod readers;
pub mod figures;
