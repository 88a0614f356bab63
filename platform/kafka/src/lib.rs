//! The log: the one crate that names Kafka's client.
//!
//! The data's path: an [`Outgoing`](record::Outgoing) record is appended by the [`writer`] (trait [`Append`](writer::Append)), which
//! puts it on a partition chosen by its key ([`partitioner`]) and answers with a [`Delivery`](delivery::Delivery) once the brokers have
//! it; *Kafka*; the [`reader`] shares the partitions out among the members of a group and hands each partition's
//! [`Incoming`](record::Incoming) records to its worker; [`tail`] reads without a group; [`admin`] asks and arranges; a schema [`registry`] says what a record's schema id means, and
//! [`envelopes`] are read with that; [`stats`] turns what
//! the client says of itself into the gauges of [`metrics`]. [`testing`] is a log in memory, for tests without a broker.
//!
//! What is absent: no consumer is ever dropped on a thread of an async runtime, no offset is committed that its owner did not name,
//! and no default of the client library is relied on where it matters: [`config`] pins them.

pub mod config;
pub mod record;
pub mod error;
pub mod partitioner;
pub mod delivery;
pub mod writer;
pub mod reader;
pub mod tail;
pub mod admin;
pub mod registry;
pub mod envelopes;
pub mod stats;
pub mod metrics;
pub mod testing;

mod log_lines;
mod wait;

pub use admin::Admin;
pub use config::{Connection, Property};
pub use delivery::Delivery;
pub use envelopes::{Envelopes, LearnError};
pub use error::{AdminError, AppendError, ConfigError, ErrorKind, ReadError};
pub use metrics::{CATALOGUE, Metrics};
pub use reader::{
    Commit, Committed, Epoch, Lease, PartitionReader, Partitions, Poll, Reader, ReaderHandle, ReaderSettings,
    Revocation, Watermarks,
};
pub use record::{Headers, Incoming, Outgoing};
pub use tail::Tail;
pub use writer::{Append, Compression, Writer, WriterSettings};
