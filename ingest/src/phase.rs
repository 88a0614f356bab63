//! Where one connection stands, and until when it may stand there.
//!
//! A connection is always in one phase, and each phase has a length:
//!
//! ```text
//!  Shaking ──TLS──▶ Opened ──first byte──▶ Head ──headers whole──▶ Busy ──answer written──▶ Idle ──first byte──▶ Head …
//!  5 s              5 s                    10 s                    none: a wait's own         75 s
//!                                                                  deadline, see `within`
//! ```
//!
//! Without TLS it begins with `Opened`. A connection that has reached its age is closed by its next answer, which says so: closed
//! while it is idle, it could take a request with it that is on its way.
//!
//! In any phase, an answer that the client leaves unread has the write deadline. When a phase's deadline passes, the connection is
//! closed; when a wait's does, the wait ends.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How long things may last.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    /// From the connection to the end of its handshake, and from there to its first byte.
    pub first_byte: Duration,
    /// From a request's first byte to the end of its headers.
    pub headers: Duration,
    /// Without a request.
    pub idle: Duration,
    /// With an answer unread.
    pub write: Duration,
    /// The shortest wait of a request: no deadline given to [`Phase::within`] is nearer when the wait's cause begins.
    pub wait: Duration,
}

/// Why a connection was closed: the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The handshake did not end.
    Handshake,
    /// No byte came.
    FirstByte,
    /// The headers did not end.
    Headers,
    /// No further request came.
    Idle,
    /// The answer was not read.
    Write,
}

impl Passed {
    /// The word for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Handshake => "tls_handshake",
            Self::FirstByte => "first_byte",
            Self::Headers => "headers",
            Self::Idle => "idle",
            Self::Write => "write",
        }
    }
}

/// What a connection's task is to do beside serving it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Finish what is in hand and close.
    Drain,
    /// Close now.
    Close(Passed),
}

/// A wait's deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Lengths {
    pub(crate) fn shortest(&self) -> Duration {
        let all = [self.first_byte, self.headers, self.idle, self.write, self.wait];
        all.into_iter().min().unwrap_or_default()
    }
}

const OPENED: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const IDLE: u8 = 3;
const SHAKING: u8 = 4;

/// Where a connection stands, shared by its socket, its requests and those who look at it. Moments are milliseconds after the epoch.
pub struct Phase {
    lengths: Lengths,
    epoch: Instant,
    /// When the connection has reached its age.
    old_at: u64,
    phase: AtomicU8,
    /// When the phase began.
    since: AtomicU64,
    /// When a write began to wait, plus one; 0 when none does.
    blocked: AtomicU64,
    /// When the request's wait is over, plus one; 0 when it does not wait.
    wait_ends: AtomicU64,
    /// Some deadline seems to have passed.
    is_due: AtomicBool,
    is_draining: AtomicBool,
    /// The connection's task, known once it has begun.
    task: OnceLock<Waker>,
}

impl Phase {
    pub(crate) fn opened(lengths: Lengths, epoch: Instant, age: Duration) -> Self {
        Self {
            lengths,
            epoch,
            old_at: u64::try_from((epoch.elapsed() + age).as_millis()).unwrap_or(u64::MAX),
            phase: AtomicU8::new(OPENED),
            since: AtomicU64::new(millis_since(epoch)),
            blocked: AtomicU64::new(0),
            wait_ends: AtomicU64::new(0),
            is_due: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            task: OnceLock::new(),
        }
    }

    /// TLS is to be agreed on first.
    pub fn shaking(&self) {
        self.enter(SHAKING);
    }

    /// TLS is agreed on.
    pub fn shaken(&self) {
        self.enter(OPENED);
    }

    /// The request's headers are whole.
    pub fn busy(&self) {
        self.enter(BUSY);
    }

    /// The answer is given to the socket. Whether it is the connection's last, since the connection has reached its age.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.enter(IDLE) >= self.old_at
    }

    /// Whether no request was begun since the last answer, or at all.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        matches!(self.phase.load(Ordering::Relaxed), OPENED | IDLE)
    }

    /// Waits for `future` until `deadline`. One wait of a request at a time, on the connection's own task.
    ///
    /// # Errors
    /// [`Elapsed`] when the deadline passes first.
    pub async fn within<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
        let ends = deadline.saturating_duration_since(self.epoch).as_millis();
        let mut future = pin!(future);
        let waited = poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            // Rounded up: never early.
            self.wait_ends.store(u64::try_from(ends).unwrap_or(u64::MAX - 2) + 2, Ordering::Relaxed);
            let is_over = self.is_due.load(Ordering::SeqCst) && Instant::now() >= deadline;
            if is_over { Poll::Ready(Err(Elapsed)) } else { Poll::Pending }
        });
        let waited = waited.await;
        self.wait_ends.store(0, Ordering::Relaxed);
        waited
    }

    /// What the connection's task is to do now, after it has served what it could. It is woken when there is something.
    pub fn told(&self, is_drained: bool) -> Option<Told> {
        if !is_drained && self.is_draining.load(Ordering::SeqCst) {
            return Some(Told::Drain);
        }
        if !self.is_due.load(Ordering::SeqCst) {
            return None;
        }
        self.is_due.store(false, Ordering::SeqCst);
        let now = Duration::from_millis(millis_since(self.epoch));
        if self.wait_due().is_some_and(|due| due <= now) {
            // It was said after the request had looked: it has to look again.
            self.due();
        }
        // Looked at again: what was due may have come just now.
        self.connection_due().filter(|&(due, _)| due <= now).map(|(_, passed)| Told::Close(passed))
    }

    /// Whether the connection was told to drain.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Has the task of `cx`, the one and only that serves the connection, woken when [`Phase::told`] has something new.
    pub fn wake(&self, cx: &Context<'_>) {
        let Some(task) = self.task.get() else {
            // Nobody else sets it. Whoever has something to tell either finds the task here or has written it before it is looked for.
            let _ = self.task.set(cx.waker().clone());
            fence(Ordering::SeqCst);
            return;
        };
        debug_assert!(task.will_wake(cx.waker()), "a connection stays on its task");
    }

    /// Tells the connection to drain.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        self.rouse();
    }

    /// Tells the connection that a deadline seems to have passed.
    pub(crate) fn due(&self) {
        self.is_due.store(true, Ordering::SeqCst);
        self.rouse();
    }

    /// Wakes the task for what was written before; a task that has not begun reads it when it does.
    fn rouse(&self) {
        fence(Ordering::SeqCst);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Enters the phase, and says when.
    fn enter(&self, phase: u8) -> u64 {
        let now = millis_since(self.epoch);
        self.since.store(now, Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
        now
    }

    /// Bytes came in.
    pub(crate) fn read(&self) {
        if matches!(self.phase.load(Ordering::Relaxed), OPENED | IDLE) {
            self.enter(HEAD);
        }
    }

    /// A write was tried, with or without progress.
    pub(crate) fn wrote(&self, progress: bool) {
        if progress {
            self.blocked.store(0, Ordering::Relaxed);
        } else if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(millis_since(self.epoch) + 1, Ordering::Relaxed);
        }
    }

    /// The connection's next deadline.
    fn connection_due(&self) -> Option<(Duration, Passed)> {
        let moment = |at: &AtomicU64| at.load(Ordering::Relaxed);
        let since = Duration::from_millis(moment(&self.since));
        let phase = match self.phase.load(Ordering::Relaxed) {
            SHAKING => Some((since + self.lengths.first_byte, Passed::Handshake)),
            OPENED => Some((since + self.lengths.first_byte, Passed::FirstByte)),
            HEAD => Some((since + self.lengths.headers, Passed::Headers)),
            IDLE => Some((since + self.lengths.idle, Passed::Idle)),
            _ => None,
        };
        let blocked = moment(&self.blocked).checked_sub(1);
        let write = blocked.map(|at| (Duration::from_millis(at) + self.lengths.write, Passed::Write));
        [phase, write].into_iter().flatten().min_by_key(|&(due, _)| due)
    }

    fn wait_due(&self) -> Option<Duration> {
        self.wait_ends.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)
    }

    /// The next deadline of the connection or of its request's wait.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let connection = self.connection_due().map(|(due, _)| due);
        [self.wait_due(), connection].into_iter().flatten().min()
    }
}

pub(crate) fn millis_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
}
