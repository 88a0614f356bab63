//! The edge over real sockets and a log in memory: every way a request can end, and every limit.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;
mod request;
mod outcomes;
mod openapi;
mod steps;
mod record;
mod schema;
mod limits;
mod undrained;
mod slow;
mod age;
mod authority;
mod tls;
mod publisher;
mod key_sets;
mod certificates;
mod confirmations;
mod captures;
mod greetings;
mod forwarded;
mod framing;
mod log_away;
mod disk;
mod spool;
mod spool_disk;
mod quarantine;
mod model;
mod drain;
mod config;
mod live;
mod reload;
mod rotation;
mod duplicates;
mod process;
