//! The accept loop: one task a connection, up to the limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::broker::Shared;
use crate::connection;

/// After a failed accept (no files left, mostly): long enough for something to be closed.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until it is dropped; all connections end with it.
pub(crate) async fn run(listener: TcpListener, broker: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((_, peer)) if connections.len() >= broker.limits.connections => {
                tracing::warn!(%peer, limit = broker.limits.connections, "connection refused: too many are open");
            }
            Ok((stream, peer)) => {
                connections.spawn(connection::serve(Arc::clone(broker), stream, peer));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
