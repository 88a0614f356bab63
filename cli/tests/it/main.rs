//! `hooklog` as people meet it: as a program that is run.

#![expect(clippy::unwrap_used, reason = "what a test can't unwrap is its failure")]

mod program;
mod provider;
mod help;
mod lines;
mod send;
mod spool;
mod schemas;
mod dev;
