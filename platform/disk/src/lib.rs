//! The disk: one door to RocksDB, so that every family is opened with options somebody chose and every failure is named.
//!
//! The data's path through this crate: a [`key`] is encoded so that bytes sort as values do; puts and deletes gather in a
//! [`Batch`]; [`Disk::write`] makes the batch whole or not at all, across families; [`Disk::sync`] makes everything written so
//! far survive the machine. [`Store`] is RocksDB, [`testing::MemoryStore`] keeps the same promises without a disk, and can
//! lose an unsynced suffix on demand.
//!
//! What is promised: after a crash of the process nothing written is lost; after a crash of the machine a suffix of the
//! unsynced batches may be lost, never a batch in the middle and never half a batch. Damage is an error, never wrong bytes.
//!
//! No other crate names `rocksdb`.

pub mod key;
pub mod batch;
pub mod disk;
pub mod budget;
pub mod family;
pub mod error;
pub mod store;
pub mod metrics;
pub mod space;
pub mod testing;

pub use batch::{Batch, Operation};
pub use budget::Budget;
pub use disk::{Direction, Disk, KeyRange, Sync};
pub use error::DiskError;
pub use family::{FamilySpec, Shape};
pub use store::{Recovery, Store};
