//! The end of a connection that the edge closes: what the client still sends is read and thrown away for a while, since a socket
//! that is closed with unread bytes is reset, and a reset takes the answer with it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::source::MAX_BODY_LIMIT;

/// How long the edge listens for the client's end.
pub const LONGEST: Duration = Duration::from_secs(2);

/// How many bytes it throws away at most: the largest body that any source may take.
pub const MOST: u64 = MAX_BODY_LIMIT;

/// How many bytes are thrown away at a time.
const SCRAP: usize = 4096;

/// Says that nothing more comes, and waits until the client says the same or has had its time.
pub(crate) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S) {
    let listen = async {
        if socket.shutdown().await.is_err() {
            return;
        }
        let mut left = (&mut socket).take(MOST);
        let mut scrap = vec![0; SCRAP];
        while left.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    };
    // A client that goes on for longer is cut: it has had its answer, and its place is wanted.
    let _ = tokio::time::timeout(LONGEST, listen).await;
}
