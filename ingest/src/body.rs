//! Reading a body: within its size, its time and its pace, hashed and verified as it streams, kept in one piece.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hooklog_signatures::Verifier;
use http_body::Body;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use crate::admit::Permit;
use crate::outcome::Outcome;
use crate::phase::{Elapsed, Phase};

/// How large, how long and how slow a body may be.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The largest body, in bytes.
    pub max_bytes: usize,
    /// The longest it may take.
    pub longest: Duration,
    /// How long it may be slower than `rate`.
    pub grace: Duration,
    /// The lowest lasting rate, in bytes a second.
    pub rate: u64,
}

/// A body's pace, measured on its connection.
pub struct Clocked<'a> {
    /// How large, how long and how slow it may be.
    pub pace: Pace,
    /// When the request began.
    pub start: Instant,
    /// The connection's phase, which ends waits.
    pub phase: &'a Phase,
}

/// A body that was read whole.
pub struct Read {
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

impl Pace {
    /// Until when the next bytes must be there, after `received` bytes of a body that began at `start`.
    fn deadline(&self, start: Instant, received: usize) -> Instant {
        let earned = Duration::from_secs_f64(received as f64 / self.rate.max(1) as f64);
        start + (self.grace + earned).min(self.longest)
    }
}

/// Reads the whole body, feeding every piece to the verifier, if there is one.
///
/// # Errors
/// The [`Outcome`] that ends the request: too large, too slow, gone, or no room for it.
pub async fn read<B>(
    mut body: B,
    clocked: &Clocked<'_>,
    permit: &mut Permit<'_>,
    mut verifier: Option<&mut Verifier<'_>>,
) -> Result<Read, Outcome>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut sha256 = Sha256::new();
    let mut pieces = Pieces::default();
    loop {
        let deadline = clocked.pace.deadline(clocked.start, pieces.length);
        let frame = match clocked.phase.within(deadline, body.frame()).await {
            Err(Elapsed) => return Err(Outcome::SlowClient),
            Ok(None) => break,
            Ok(Some(Err(_gone))) => return Err(Outcome::ClientGone),
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers are no part of the body.
        let Ok(piece) = frame.into_data() else { continue };
        let length = pieces.length + piece.len();
        if length > clocked.pace.max_bytes {
            return Err(Outcome::BodyTooLarge);
        }
        if length > permit.size() && !permit.grow(length - permit.size()) {
            return Err(Outcome::Overloaded);
        }
        sha256.update(&piece);
        if let Some(verifier) = &mut verifier {
            verifier.update(&piece);
        }
        pieces.push(piece, body.size_hint().exact());
        if body.is_end_stream() {
            break;
        }
    }
    Ok(Read { bytes: pieces.whole(), sha256: sha256.finalize().into() })
}

/// The pieces so far: a body that came in one piece, as most do, is never copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    more: Option<BytesMut>,
    length: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes, still_to_come: Option<u64>) {
        if self.length == 0 {
            self.length = piece.len();
            self.first = piece;
            return;
        }
        self.length += piece.len();
        let more = self.more.get_or_insert_with(|| {
            // The rest is known where there is a content-length; it was checked against the limit before anything was read.
            let rest = usize::try_from(still_to_come.unwrap_or(0)).unwrap_or(0);
            let mut whole = BytesMut::with_capacity(self.first.len() + piece.len() + rest);
            whole.extend_from_slice(&self.first);
            whole
        });
        more.extend_from_slice(&piece);
    }

    fn whole(self) -> Bytes {
        self.more.map_or(self.first, BytesMut::freeze)
    }
}
