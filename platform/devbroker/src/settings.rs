//! What a broker is told before it starts: where, how durable, how much.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; retention compares record timestamps with it.
pub type Clock = fn() -> i64;

/// Where the broker lives and how it behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder; made if missing, locked while the broker is open.
    pub dir: PathBuf,
    /// The address to bind; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The address told to clients, if not the one they reached (for a proxy in front of the broker).
    pub advertise: Option<SocketAddr>,
    /// Whether an append is on the disk before it is acknowledged.
    pub sync: Sync,
    /// What the broker refuses beyond.
    pub limits: Limits,
    /// The time of day.
    pub clock: Clock,
}

impl Settings {
    /// Synced, with the default limits and the system's clock.
    #[must_use]
    pub fn new(dir: PathBuf, listen: SocketAddr) -> Self {
        Self { dir, listen, advertise: None, sync: Sync::Always, limits: Limits::default(), clock: system_clock }
    }
}

/// When bytes reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// `fdatasync` before the answer: an acknowledged record survives a power cut.
    Always,
    /// Left to the system: survives the death of the process, not of the machine. For tests that need speed.
    Never,
}

/// Upper bounds; beyond each the broker refuses and says so.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time; one more is closed at once. With `partitions` it stays below the usual 1,024 open files.
    pub connections: usize,
    /// Requests of one connection that wait for an answer; reading pauses beyond.
    pub requests_per_connection: usize,
    /// Bytes of one request; a longer one is refused before it is read, by closing the connection.
    pub request_bytes: usize,
    /// Bytes of all requests being read or answered; reading pauses beyond.
    pub request_bytes_in_flight: usize,
    /// Bytes of all fetch answers being read or sent; reading from disk pauses beyond.
    pub fetch_bytes_in_flight: usize,
    /// Longest wait of a fetch for new records, whatever the client asks.
    pub fetch_wait: Duration,
    /// A connection that sends nothing for so long is closed.
    pub idle: Duration,
    /// A request must be whole this long after its first byte.
    pub request_read: Duration,
    /// Topics in all.
    pub topics: usize,
    /// Partitions in all.
    pub partitions: usize,
    /// Consumer groups that have members or committed offsets.
    pub groups: usize,
    /// Members of one group, with those who only asked for a member id.
    pub members_per_group: usize,
    /// Bytes of the note committed with an offset.
    pub commit_metadata_bytes: usize,
    /// The session timeouts a member may ask for.
    pub session_timeout: RangeInclusive<Duration>,
    /// Idempotent producers remembered in one partition; beyond, the one that wrote longest ago is forgotten.
    pub producers_per_partition: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            requests_per_connection: 16,
            request_bytes: 100 << 20,
            request_bytes_in_flight: 256 << 20,
            fetch_bytes_in_flight: 256 << 20,
            fetch_wait: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            request_read: Duration::from_secs(30),
            topics: 500,
            partitions: 600,
            groups: 1_000,
            members_per_group: 100,
            commit_metadata_bytes: 4_096,
            session_timeout: Duration::from_secs(6)..=Duration::from_secs(1_800),
            producers_per_partition: 10_000,
        }
    }
}

/// The only reading of the wall clock in this crate; whoever builds `Settings` may put another in its place.
fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
