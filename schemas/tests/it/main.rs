//! The record's bytes: held against the `apache-avro` crate, against committed bytes, and against noise.

mod avro;
mod golden;
mod headers;
mod registry;
mod samples;
