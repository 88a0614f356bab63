//! The fence between the log and the spool, one for each partition: while anything of a partition is in the spool, all of it goes there.
//!
//! ```text
//!             a record is overdue, or the log refuses it
//!   ┌──────┐ ───────────────────────────────────────────▶ ┌──────┐
//!   │ Down │   records go to the log                       │  Up  │   records go to the spool
//!   └──────┘ ◀─────────────────────────────────────────── └──────┘
//!             the spool holds nothing of the partition      │  ▲
//!                                                           │  │ an overdue record is still with the log's client:
//!                           nothing is with the client any  │  │ wait, it may yet arrive
//!                           more: drain in order, the       ▼  │
//!                           oldest first                  Draining
//! ```
//!
//! Why order holds: a record that is answered with 2xx from the spool has put the fence up before its answer, so whatever is sent after
//! that answer goes to the spool behind it; and the spool is emptied only when everything that went to the log before has either arrived
//! (its copy in the spool is then passed over) or failed. Nothing goes to the log beside the drain until the spool holds nothing.

use hooklog_signatures::WhenLogAway;

/// Where a record may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the log.
    Log,
    /// To the spool, behind what is there.
    Spool,
    /// Nowhere now: the log is away, and the source would rather be asked again.
    Refused,
}

/// What is known of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Records that the log's client has and has not reported, the drain's own left out.
    in_flight: usize,
    /// Those of them whose request waits no more.
    overdue: usize,
    /// Records in the spool or on their way into it.
    held: usize,
    /// Those of them that are on their way.
    writing: usize,
}

impl Fence {
    /// A fence before a spool that holds `held` records of the partition.
    #[must_use]
    pub const fn before(held: usize) -> Self {
        Self { in_flight: 0, overdue: 0, held, writing: 0 }
    }

    /// Where the next record goes; it is counted as on its way there.
    pub const fn enter(&mut self, when_log_away: WhenLogAway) -> Way {
        if (self.held == 0 && self.overdue == 0) || cfg!(feature = "sabotage-no-fence") {
            self.in_flight += 1;
            return Way::Log;
        }
        match when_log_away {
            WhenLogAway::Refuse => Way::Refused,
            WhenLogAway::Spool => {
                self.write();
                Way::Spool
            }
        }
    }

    /// A record that the log did not take, or has not reported in time, goes to the spool too.
    pub const fn write(&mut self) {
        self.held += 1;
        self.writing += 1;
    }

    /// A record that was on its way into the spool is in it.
    pub const fn written(&mut self) {
        self.writing -= 1;
    }

    /// A record that was on its way into the spool did not get there.
    pub const fn not_written(&mut self) {
        self.writing -= 1;
        self.held -= 1;
    }

    /// The request of a record that is with the log's client waits no more.
    pub const fn give_up(&mut self) {
        self.overdue += 1;
    }

    /// The log's client reported a record, for good or ill.
    pub const fn land(&mut self, was_overdue: bool) {
        self.in_flight -= 1;
        if was_overdue {
            self.overdue -= 1;
        }
    }

    /// So many records were drained, oldest first, and are no longer in the spool.
    pub const fn drained(&mut self, records: usize) {
        self.held -= records;
    }

    /// The spool was opened anew and holds `stored` records of the partition, beside those on their way.
    pub const fn reopened(&mut self, stored: usize) {
        self.held = stored + self.writing;
    }

    /// Whether the partition's records go to the spool.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.held > 0
    }

    /// Whether the spool may be drained.
    #[must_use]
    pub const fn may_drain(&self) -> bool {
        self.held > 0 && self.in_flight == 0
    }

    /// Whether nothing of the partition is anywhere.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.held == 0 && self.in_flight == 0
    }

    /// Records in the spool or on their way into it.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }
}
