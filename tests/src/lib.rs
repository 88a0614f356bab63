//! The harness: real brokers, the products as processes, hostile clients, and a judge who trusts none of our code.
//!
//! An event's way through a test: [`webhook`] makes and signs it, [`load`] sends it and writes what it did into a [`ledger`], a
//! product ([`edge`], [`consumer`]) started by [`processes`] takes it to [`kafka`], perhaps numbered by a [`registry`], [`java`] reads it back with the official Java
//! client, [`avro`] decodes it by the schema file, and [`checker`], called by [`audit`], compares what was promised with what is there.
//!
//! Nothing here uses our SDK or codec. What a test can do nothing about (a missing binary, a broker that does not start) is a panic
//! that names the cause and the mend.

pub mod bins;
pub mod names;
pub mod ports;
pub mod eventually;
pub mod processes;
pub mod kafka;
pub mod node;
pub mod broker;
pub mod webhook;
pub mod ledger;
pub mod http;
pub mod load;
pub mod edge;
pub mod consumer;
pub mod payments;
pub mod registry;
pub mod java;
pub mod avro;
pub mod checker;
pub mod audit;
pub mod rounds;
