//! One connection: requests are started in the order they come, and answered in that order.
//!
//! Starting means running up to the first wait: an append is in line before the next request is read, so several of
//! them share a sync, and records produced behind a waiting fetch wake it. The answer of such a produce still comes
//! after the fetch's, at the latest when its wait is over.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use crate::answer;
use crate::broker::Shared;
use crate::request::{Answer, Call, Close};

/// An answer that is not there yet; none at all if the client wants none.
type Reply = Pin<Box<dyn Future<Output = Result<Option<Answer>, Close>> + Send>>;

/// A request whose turn to be answered will come.
struct Turn {
    reply: Started,
    /// Its share of the memory for requests.
    _share: OwnedSemaphorePermit,
}

enum Started {
    Done(Result<Option<Answer>, Close>),
    Waiting(Reply),
}

/// Serves one client until either side ends it.
pub(crate) async fn serve(broker: Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let Err(reason) = run(&broker, stream, peer).await else { return };
    match reason {
        Close::Io(_) | Close::TimedOut(_) | Close::Stopping => tracing::debug!(%peer, %reason, "connection closed"),
        _ => tracing::warn!(%peer, %reason, "connection closed"),
    }
}

async fn run(broker: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) -> Result<(), Close> {
    stream.set_nodelay(true)?;
    let local = broker.advertise.map_or_else(|| stream.local_addr(), Ok)?;
    let (reading, writing) = stream.into_split();
    let (turns, queue) = mpsc::channel(broker.limits.requests_per_connection.max(1));
    let receiving = receive(broker, reading, turns, Ends { peer, local });
    tokio::try_join!(receiving, send(broker, writing, queue)).map(|_| ())
}

#[derive(Clone, Copy)]
struct Ends {
    peer: SocketAddr,
    local: SocketAddr,
}

/// Reads and starts requests. Ends only with an error, which ends the sending too.
async fn receive(
    broker: &Arc<Shared>,
    mut stream: OwnedReadHalf,
    turns: mpsc::Sender<Turn>,
    ends: Ends,
) -> Result<(), Close> {
    let limits = &broker.limits;
    loop {
        let turn = turns.reserve().await.map_err(|_| Close::Stopping)?;
        let len =
            timeout(limits.idle, stream.read_i32()).await.map_err(|_| Close::TimedOut("silent for too long"))??;
        let bytes = match usize::try_from(len) {
            Ok(bytes) if bytes <= limits.request_bytes => bytes,
            _ => return Err(Close::TooLarge { bytes: len.into(), limit: limits.request_bytes }),
        };
        let share = u32::try_from(bytes.min(limits.request_bytes_in_flight)).unwrap_or(u32::MAX);
        let share = Arc::clone(&broker.request_bytes).acquire_many_owned(share).await.map_err(|_| Close::Stopping)?;
        let mut frame = BytesMut::zeroed(bytes);
        let whole = timeout(limits.request_read, stream.read_exact(&mut frame)).await;
        whole.map_err(|_| Close::TimedOut("request not whole in time"))??;
        let mut frame = frame.freeze();
        let call = Call::parse(&mut frame, ends.peer, ends.local)?;
        let mut reply: Reply = Box::pin(answer::answer(Arc::clone(broker), call, frame));
        let reply = match futures_util::poll!(reply.as_mut()) {
            std::task::Poll::Ready(done) => Started::Done(done),
            std::task::Poll::Pending => Started::Waiting(reply),
        };
        turn.send(Turn { reply, _share: share });
    }
}

/// Sends answers in the order of the requests.
async fn send(broker: &Arc<Shared>, mut stream: OwnedWriteHalf, mut queue: mpsc::Receiver<Turn>) -> Result<(), Close> {
    while let Some(turn) = queue.recv().await {
        let answer = match turn.reply {
            Started::Done(answer) => answer?,
            Started::Waiting(reply) => reply.await?,
        };
        if let Some(answer) = answer {
            let sent = timeout(broker.limits.idle, stream.write_all(&answer.bytes)).await;
            sent.map_err(|_| Close::TimedOut("answer not taken in time"))??;
            drop(answer.share);
        }
    }
    Ok(())
}
