//! A connection's deadlines, kept by one lazy timer: a request costs a few stores, not a timer.
//!
//! A connection is always in one phase, and each phase has a length:
//!
//! ```text
//!  Opened ──first byte──▶ Head ──headers whole──▶ Busy ──answer written──▶ Idle ──first byte──▶ Head …
//!  5 s                    10 s                    none: the body's and       75 s
//!                                                 the log's own deadlines
//! ```
//!
//! In any phase, an answer that the client leaves unread has the write deadline. When a deadline passes, the connection is closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long each phase may last.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    /// From the connection to its first byte.
    pub first_byte: Duration,
    /// From a request's first byte to the end of its headers.
    pub headers: Duration,
    /// Without a request.
    pub idle: Duration,
    /// With an answer unread.
    pub write: Duration,
}

/// Why a connection was closed: the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
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
            Self::FirstByte => "first_byte",
            Self::Headers => "headers",
            Self::Idle => "idle",
            Self::Write => "write",
        }
    }
}

const OPENED: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const IDLE: u8 = 3;

/// Where a connection stands, shared by its socket, its requests and its timer.
#[derive(Debug)]
pub struct Phase {
    lengths: Lengths,
    opened: Instant,
    phase: AtomicU8,
    /// Milliseconds after `opened` at which the phase began.
    since: AtomicU64,
    /// Milliseconds after `opened`, plus one, since which a write waits; 0 when none does.
    blocked: AtomicU64,
}

impl Phase {
    /// A connection that was just opened.
    #[must_use]
    pub fn opened(lengths: Lengths) -> Arc<Self> {
        Arc::new(Self {
            lengths,
            opened: Instant::now(),
            phase: AtomicU8::new(OPENED),
            since: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
        })
    }

    /// The request's headers are whole.
    pub fn busy(&self) {
        self.enter(BUSY);
    }

    /// The answer is given to the socket.
    pub fn answered(&self) {
        self.enter(IDLE);
    }

    /// Waits until a deadline passes. Never returns for a connection that keeps them all.
    pub async fn watch(&self) -> Passed {
        loop {
            match self.next() {
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(passed) => return passed,
            }
        }
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.now_ms(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes came in.
    fn read(&self) {
        if matches!(self.phase.load(Ordering::Relaxed), OPENED | IDLE) {
            self.enter(HEAD);
        }
    }

    fn wrote(&self, progress: bool) {
        if progress {
            self.blocked.store(0, Ordering::Relaxed);
        } else if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.now_ms() + 1, Ordering::Relaxed);
        }
    }

    /// How long to wait before looking again, or what has passed.
    fn next(&self) -> Result<Duration, Passed> {
        let now = Duration::from_millis(self.now_ms());
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        let phase = match self.phase.load(Ordering::Relaxed) {
            OPENED => Some((since + self.lengths.first_byte, Passed::FirstByte)),
            HEAD => Some((since + self.lengths.headers, Passed::Headers)),
            IDLE => Some((since + self.lengths.idle, Passed::Idle)),
            _ => None,
        };
        let blocked = self.blocked.load(Ordering::Relaxed).checked_sub(1);
        let write = blocked.map(|at| (Duration::from_millis(at) + self.lengths.write, Passed::Write));
        let due = [phase, write].into_iter().flatten().min_by_key(|&(at, _)| at);
        if let Some((at, passed)) = due
            && at <= now
        {
            return Err(passed);
        }
        // A phase that begins while we sleep may be shorter than what is left of this one: look at least that often.
        let shortest = [self.lengths.first_byte, self.lengths.headers, self.lengths.idle, self.lengths.write];
        let shortest = shortest.into_iter().min().unwrap_or_default().max(Duration::from_millis(10));
        Ok(due.map_or(shortest, |(at, _)| at.saturating_sub(now).min(shortest)))
    }
}

/// A socket that tells its connection's [`Phase`] what it does.
pub struct Watched<S> {
    socket: S,
    phase: Arc<Phase>,
}

impl<S> Watched<S> {
    /// Watches the socket.
    pub fn new(socket: S, phase: Arc<Phase>) -> Self {
        Self { socket, phase }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.phase.read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.phase.wrote(polled.is_ready());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
