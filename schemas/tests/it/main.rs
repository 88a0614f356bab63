//! The record's bytes: held against the `apache-avro` crate, against committed bytes, and against noise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod avro;
mod golden;
mod headers;
mod registry;
mod samples;
