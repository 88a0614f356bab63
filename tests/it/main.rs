//! The promises, each proven from outside: real brokers, the products as processes, an independent reader.
//!
//! `HOOKLOG_FAULTS=long` makes the fault experiments long.

mod judge;
mod children;
mod payment_api;
mod brokers;
mod clients;
mod log;
mod hostile;
mod durable_2xx;
mod spool;
mod quarantine;
mod large;
mod log_errors;
mod canary;
mod crowd;
mod books;
mod charged_once;
mod members;
mod poison;
mod registry;
