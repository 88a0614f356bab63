//! The edge over real sockets and a log in memory: every way a request can end, and every limit.

mod server;
mod request;
mod outcomes;
mod steps;
mod record;
mod limits;
mod slow;
mod framing;
mod log_away;
mod drain;
mod config;
