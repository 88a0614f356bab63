//! Reading as a member of a group: one thread owns the client, every partition has its own queue, and its owner says where to start.
//!
//! The life of a partition here, as a state machine:
//!
//! ```text
//!            assigned()                 reader.start(n)            poll thread: seek n, resume
//!  (nobody) ───────────► Paused ─────────────────────► Starting ─────────────────────────────► Reading
//!                          │                              │                                      │ start(n) again: rewind
//!                          └──────── revoked(…) ──────────┴────────── revoked(…) ────────────────┘
//!                                        │  returns the last offsets: committed at once, then the partition is given up
//!                                        ▼
//!                                     Revoked: poll() says so, every commit of this lease is dropped
//! ```
//!
//! A [`Lease`] is one such life. The same partition assigned again is another lease: it does not start before the [`PartitionReader`] of
//! the earlier one was dropped, so that no record can be taken by a worker that no longer owns it.
//!
//! All hooks of [`Partitions`] run on the poll thread. They must not wait for anything that itself waits for the poll thread; the only
//! one that may take its time is [`Partitions::revoked`], within its deadline.

mod config;
mod context;
mod partition;
mod poll_thread;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use hooklog_schemas::{NextOffset, Partition, TopicName};

pub use config::ReaderSettings;
pub(crate) use config::pin_reading;
pub use partition::{Committed, PartitionReader, Poll, Watermarks};

use crate::config::Connection;
use crate::error::ReadError;
use crate::metrics::Metrics;
use poll_thread::{Command, Shared};

/// Commands that wait for the poll thread at most; it looks at them every few milliseconds.
const COMMAND_LIMIT: usize = 4096;

/// A partition for as long as this member owns it without a break.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: Partition,
    /// Which of this process' assignments it came with; never used twice.
    pub epoch: Epoch,
}

/// Counts the assignments of one reader, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// An offset to be committed for a lease: the next one to read, with a note that whoever reads the commit gets back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Whose.
    pub lease: Lease,
    /// The first offset that is not done.
    pub next: NextOffset,
    /// The note, at most 4 KiB (Kafka's own limit); empty for none.
    pub note: String,
}

/// Why partitions are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The group moves them to another member, which waits for our answer.
    Moved,
    /// They are somebody else's already (this member was away too long): nothing may be committed.
    Lost,
    /// The reader is being closed.
    Closing,
}

/// The owner of the partitions: what the reader tells, in the order it happens. Everything runs on the poll thread.
pub trait Partitions: Send + 'static {
    /// New partitions, all paused: call [`PartitionReader::start`] on each once it is known where to begin. The list holds only what is
    /// new and is empty when the group has no partition for this member. Must return at once (tens of milliseconds).
    fn assigned(&mut self, partitions: Vec<PartitionReader>);

    /// These leases end. Finish what is in hand, make it durable and return the offsets to commit; all share one `deadline`. After the
    /// return the leases' readers say [`Poll::Revoked`]. The answer is ignored when they are [`Revocation::Lost`].
    fn revoked(&mut self, leases: &[Lease], revocation: Revocation, deadline: Instant) -> Vec<Commit>;

    /// The group's coordinator answered a commit.
    fn committed(&mut self, lease: &Lease, outcome: Result<NextOffset, ReadError>) {
        let _ = (lease, outcome);
    }

    /// Something that is no single partition's matter: a topic that does not exist, an authorization that is missing, or
    /// ([`ReadError::is_fatal`]) the end of this reader, which then closes itself.
    fn failed(&mut self, error: &ReadError);
}

/// A member of a consumer group.
#[derive(Debug)]
pub struct Reader {
    handle: ReaderHandle,
    thread: Option<std::thread::JoinHandle<Result<(), ReadError>>>,
}

/// A handle to a running [`Reader`], for any thread.
#[derive(Debug, Clone)]
pub struct ReaderHandle {
    commands: SyncSender<Command>,
    shared: Arc<Shared>,
}

impl Reader {
    /// Joins the group and starts the poll thread. Returns before anything is assigned.
    ///
    /// # Errors
    /// [`ReadError::Config`] when a setting is refused, [`ReadError::Client`] when the client can't be made.
    pub fn start(
        connection: &Connection,
        settings: &ReaderSettings,
        metrics: &Metrics,
        partitions: impl Partitions,
    ) -> Result<Self, ReadError> {
        let (commands, received) = sync_channel(COMMAND_LIMIT);
        let shared = Arc::new(Shared::default());
        let handle = ReaderHandle { commands, shared: Arc::clone(&shared) };
        let thread = poll_thread::spawn(
            connection,
            settings,
            metrics,
            poll_thread::Ends { handle: handle.clone(), received, partitions: Box::new(partitions) },
        )?;
        Ok(Self { handle, thread: Some(thread) })
    }

    /// A handle for committing and for looking at the reader's health.
    #[must_use]
    pub fn handle(&self) -> ReaderHandle {
        self.handle.clone()
    }

    /// Leaves the group: partitions are revoked ([`Revocation::Closing`]), their last offsets committed, the client is closed. Waits for
    /// at most `within`; after that the client is left to the end of the process. Blocks: never call it on an async runtime's thread.
    ///
    /// # Errors
    /// The error that ended the reader before, or [`ReadError::CloseTimeout`].
    pub fn close(mut self, within: Duration) -> Result<(), ReadError> {
        let deadline = Instant::now() + within;
        self.handle.shared.request_close(deadline);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        while !thread.is_finished() {
            if Instant::now() >= deadline + poll_thread::CLOSE_GRACE {
                return Err(ReadError::CloseTimeout { within });
            }
            std::thread::sleep(poll_thread::TICK);
        }
        thread.join().unwrap_or_else(|_| Err(ReadError::Fatal { cause: "the poll thread panicked".to_owned() }))
    }

    /// Whether the poll thread has ended (after a fatal error).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.handle.shared.request_close(Instant::now() + poll_thread::CLOSE_GRACE);
    }
}

impl ReaderHandle {
    /// Has offsets committed by the poll thread, in order; a later commit of a lease replaces one that still waits. Commits of
    /// leases that ended are dropped. The outcome comes through [`Partitions::committed`].
    ///
    /// # Errors
    /// [`ReadError::Busy`] when the poll thread is behind by more commands than it accepts: commit again later, nothing is lost.
    pub fn commit(&self, commits: Vec<Commit>) -> Result<(), ReadError> {
        self.send(Command::Commit(commits))
    }

    /// How long ago the poll thread last served the client. More than a few seconds outside a revocation means that it hangs.
    #[must_use]
    pub fn since_poll(&self) -> Duration {
        self.shared.since_poll()
    }

    pub(crate) fn start_at(&self, lease: Lease, next: NextOffset) -> Result<(), ReadError> {
        self.send(Command::Start { lease, next })
    }

    fn send(&self, command: Command) -> Result<(), ReadError> {
        self.commands.try_send(command).map_err(|refused| match refused {
            TrySendError::Full(_) => ReadError::Busy { limit: COMMAND_LIMIT },
            TrySendError::Disconnected(_) => ReadError::Closed,
        })
    }
}
