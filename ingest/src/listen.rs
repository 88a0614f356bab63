//! The accept loop: connections within their number, each within its deadlines, all of them drained at the end.
//!
//! `axum::serve` has neither a deadline for headers nor a limit of connections, so the loop is our own, over hyper's HTTP/1.1.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::response::Response;
use hooklog_process::random::Random;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use crate::addresses::{Address, Addresses};
use crate::admit::{Permit, Room};
use crate::config::Config;
use crate::deadline::Deadlines;
use crate::edge::Edge;
use crate::linger::linger;
use crate::outcome::Outcome;
use crate::phase::{Lengths, Phase, Told};
use crate::receive::{Client, receive};
use crate::socket::Watched;
use crate::tls::Tls;

/// How many connections over the limit may be listened to until they have read that they are: they have no place of their own.
const REFUSALS: usize = 64;

/// How long such a connection may take to be told.
const REFUSAL: Duration = Duration::from_secs(1);

/// How long to wait after the system refused a connection (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where clients come in.
pub struct Door {
    listener: TcpListener,
    tls: Option<Tls>,
}

impl Door {
    /// A listener, with TLS or without.
    #[must_use]
    pub const fn new(listener: TcpListener, tls: Option<Tls>) -> Self {
        Self { listener, tls }
    }
}

/// Serves the edge until its shutdown is requested, then drains.
///
/// # Errors
/// None today: a refused connection is logged and survived.
pub async fn serve(door: Door, edge: Arc<Edge>, config: &Config) -> io::Result<()> {
    let Door { listener, tls } = door;
    let server = Arc::new(Server::new(edge, tls, config));
    server.show();
    let tasks = TaskTracker::new();
    let watch = tokio::spawn({
        let deadlines = Arc::clone(&server.deadlines);
        async move { deadlines.watch().await }
    });
    let renewal = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.renew().await }
    });
    let mut looks = tokio::time::interval(GAUGES_EVERY);
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.edge.shutdown.requested() => break,
            _ = looks.tick() => {
                server.show();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                tasks.spawn(Arc::clone(&server).connection(stream, peer));
            }
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    server.deadlines.drain();
    tasks.close();
    if tokio::time::timeout(config.drain.0, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "the drain took too long, connections are cut");
    }
    watch.abort();
    renewal.abort();
    Ok(())
}

/// How often the gauges of what is in hand are set.
const GAUGES_EVERY: Duration = Duration::from_secs(1);

struct Server {
    edge: Arc<Edge>,
    connections: Room,
    addresses: Addresses,
    refusals: Room,
    deadlines: Arc<Deadlines>,
    age: Duration,
    tls: Option<Tls>,
    http: http1::Builder,
}

impl Server {
    fn new(edge: Arc<Edge>, tls: Option<Tls>, config: &Config) -> Self {
        let mut http = http1::Builder::new();
        // Room for the headers and the target, which have limits of their own with an answer of their own, and for a piece of the body.
        let head = config.limits.headers.as_usize() + config.limits.uri.as_usize();
        http.timer(TokioTimer::new())
            .header_read_timeout(None)
            .keep_alive(true)
            .pipeline_flush(false)
            // Answers are a few short lines: one buffer costs less than a list of them.
            .writev(false)
            .max_headers(config.limits.header_count)
            .max_buf_size((2 * head).max(64 * 1024));
        Self {
            connections: Room::of(config.limits.connections),
            addresses: Addresses::new(config.limits.connections_per_address),
            refusals: Room::of(REFUSALS),
            deadlines: Deadlines::new(lengths(config)),
            age: config.timeouts.age.0,
            tls,
            edge,
            http,
        }
    }

    /// Keeps the certificate new, where there is one.
    async fn renew(&self) {
        if let Some(tls) = &self.tls {
            tls.renew(&self.edge.metrics).await;
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Some(_place) = self.place(peer.ip()) else {
            self.closed("full");
            return self.refuse(stream).await;
        };
        let _ = stream.set_nodelay(true);
        let open = self.deadlines.open(spread(self.age, &self.edge.random));
        match &self.tls {
            None => self.exchange(stream, peer, open.phase()).await,
            // On the heap: a connection without TLS has no room for it.
            Some(tls) => Box::pin(self.encrypted(tls, stream, peer, open.phase())).await,
        }
    }

    /// A connection from its handshake on.
    async fn encrypted(&self, tls: &Tls, stream: TcpStream, peer: SocketAddr, phase: &Arc<Phase>) {
        if let Some(stream) = self.shake(tls, stream, phase).await {
            self.exchange(stream, peer, phase).await;
        }
    }

    /// Tells a connection over the limit to come again. Best effort: it may not read it, and there may be too many of them.
    async fn refuse(&self, mut stream: TcpStream) {
        if self.tls.is_some() {
            return;
        }
        let full = format!(
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            self.edge.retry_after()
        );
        let told = tokio::time::timeout(REFUSAL, stream.write_all(full.as_bytes())).await;
        if let (Ok(Ok(())), Some(_room)) = (told, self.refusals.take(1)) {
            linger(stream).await;
        }
    }

    /// The handshake of a connection, within its deadline. What is not TLS ends here too.
    async fn shake(&self, tls: &Tls, stream: TcpStream, phase: &Phase) -> Option<TlsStream<TcpStream>> {
        phase.shaking();
        let mut handshake = pin!(tls.handshake(stream));
        let ended = poll_fn(|cx| {
            phase.wake(cx);
            if let Poll::Ready(ended) = handshake.as_mut().poll(cx) {
                return Poll::Ready(Ok(ended));
            }
            phase.told(false).map_or(Poll::Pending, |told| Poll::Ready(Err(told)))
        });
        match ended.await {
            Ok(Ok(stream)) => {
                phase.shaken();
                return Some(stream);
            }
            Ok(Err((error, stream))) => {
                tracing::debug!(%error, "a handshake failed");
                self.closed("tls_refused");
                linger(stream).await;
            }
            Err(Told::Close(passed)) => self.closed(passed.label()),
            // Nothing was asked yet.
            Err(Told::Drain) => {}
        }
        None
    }

    /// All requests of one connection.
    async fn exchange<S>(&self, socket: S, peer: SocketAddr, phase: &Arc<Phase>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            phase.busy();
            async {
                let client = Client { peer: peer.ip(), phase };
                let mut response: Response = receive(&self.edge, client, request).await;
                if phase.answered() {
                    self.closed("age");
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                hooklog_process::failpoint::hit("edge.after-answer");
                Ok::<_, Infallible>(response)
            }
        });
        let io = TokioIo::new(Watched::new(socket, Arc::clone(phase)));
        let mut connection = self.http.serve_connection(io, service);
        let (mut is_drained, mut was_idle) = (false, false);
        let ended = poll_fn(|cx| {
            phase.wake(cx);
            loop {
                if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                    return Poll::Ready(Ok(ended));
                }
                match phase.told(is_drained) {
                    None => return Poll::Pending,
                    Some(Told::Close(passed)) => return Poll::Ready(Err(passed)),
                    Some(Told::Drain) => {
                        (is_drained, was_idle) = (true, phase.is_between_requests());
                        Pin::new(&mut connection).graceful_shutdown();
                    }
                }
            }
        });
        match ended.await {
            Err(passed) => return self.closed(passed.label()),
            Ok(Err(error)) => self.failed(&error),
            Ok(Ok(())) => {}
        }
        // An idle connection that a drain closed has no answer on its way.
        if !was_idle {
            linger(connection.into_parts().io.into_inner()).await;
        }
    }

    /// A connection that ended with an error may have held a request that never became one for the router: it is counted here.
    fn failed(&self, error: &hyper::Error) {
        if error.is_parse_too_large() {
            self.edge.note(None, self.edge.clock.monotonic(), Outcome::HeadersTooLarge);
        } else if error.is_parse() {
            self.edge.note(None, self.edge.clock.monotonic(), Outcome::NotHttp);
        } else {
            tracing::debug!(%error, "connection ended");
        }
    }

    fn place(&self, peer: IpAddr) -> Option<(Permit<'_>, Address<'_>)> {
        Some((self.connections.take(1)?, self.addresses.take(peer)?))
    }

    fn closed(&self, reason: &str) {
        self.edge.metrics.closed.with_label_values(&[reason]).inc();
    }

    fn show(&self) {
        let gauge = |what: &str, room: &Room| {
            let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
            self.edge.metrics.in_hand.with_label_values(&[what]).set(number(room.taken()));
            self.edge.metrics.limit.with_label_values(&[what]).set(number(room.limit()));
        };
        gauge("connections", &self.connections);
        gauge("requests", &self.edge.requests);
        gauge("body_bytes", &self.edge.body_bytes);
    }
}

/// Less or more by up to a tenth, so that what was opened together does not end together.
fn spread(age: Duration, random: &Random) -> Duration {
    let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis((millis - millis / 10).saturating_add(random.below(millis / 5 + 1)))
}

fn lengths(config: &Config) -> Lengths {
    let timeouts = &config.timeouts;
    Lengths {
        first_byte: timeouts.first_byte.0,
        headers: timeouts.headers.0,
        idle: timeouts.idle.0,
        write: timeouts.write.0,
        wait: timeouts.body.0.min(timeouts.body_grace.0).min(config.kafka.append_deadline.0).min(config.spool.after.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_over_a_fifth_and_no_further() {
        let (age, random) = (Duration::from_secs(3600), Random::seeded(1));
        let spread: Vec<Duration> = (0..1000).map(|_| spread(age, &random)).collect();
        let (least, most) = (spread.iter().min().unwrap(), spread.iter().max().unwrap());
        assert!(*least >= age * 9 / 10 && *least < age * 92 / 100, "{least:?}");
        assert!(*most <= age * 11 / 10 && *most > age * 108 / 100, "{most:?}");
        assert_eq!(super::spread(Duration::ZERO, &random), Duration::ZERO);
    }
}
