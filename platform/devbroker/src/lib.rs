//! The broker of `hooklog dev` and of fast tests: Kafka's protocol for one machine, on segment files.
//!
//! The way of a record: `listen` accepts, `connection` reads frames in order, `request` decodes one and picks its
//! `answer`, `rounds` gathers the appends of one partition, `log` checks each against `producers`, writes all of
//! them into a `segment`, syncs once, and only then lets consumers read them and producers hear of it. The way back:
//! `answer::fetch` waits until a log has grown past the asked offset, then reads whole batches from the segment.
//!
//! What is absent:
//! - No record is acknowledged or readable before it is on the disk: the readable end is the synced end.
//! - No write or sync is tried again: after one error the partition answers `KAFKA_STORAGE_ERROR` until the next start.
//! - No topic comes to be because somebody asked for it.
//! - No transactions, no compaction (`cleanup.policy=compact` is stored, not performed), no TLS, no second broker, no
//!   `segment.ms`: only size closes a segment. For those, and for production, use a real Kafka.
//! - No batch is unpacked: looking up an offset by time is exact for uncompressed batches; in a compressed batch of
//!   several records it answers the batch's first offset (for the greatest timestamp: its last), so a reader may start
//!   a few records early, never late.
//!
//! Files may block: appends, syncs, reads and scans run on tokio's blocking threads, so that a slow disk delays those who
//! wait for it and nobody's heartbeat. The index (one entry a batch) lives in memory and is rebuilt by a scan at open.

mod settings;
mod error;
mod broker;
mod listen;
mod connection;
mod request;
mod api;
mod answer;
mod topics;
mod topic;
mod topic_config;
mod rounds;
mod log;
mod view;
mod segment;
mod batch;
mod producers;
mod producer_ids;
mod groups;
mod group;
mod protocol;
mod member;
mod offsets;
mod folder;
mod disk;
mod identity;

pub use broker::Broker;
pub use error::{OpenError, ServeError};
pub use settings::{Clock, Limits, Settings, Sync};

/// Said when a lock is poisoned: its holder panicked, so what it guards may be half done and must not be used.
const UNPOISONED: &str = "no thread has panicked while holding this lock";
