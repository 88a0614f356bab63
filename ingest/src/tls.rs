//! TLS at the edge's own door: handshakes with the certificate of now, which is renewed from its files while connections go on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hooklog_process::clock::Clock;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificate::{Contents, Files, Pair, TlsError};
use crate::config;
use crate::metrics::Metrics;

/// How often the files are looked at. They are read, not asked for their time: a change within the clock's grain is seen too.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// TLS as configured.
pub struct Tls {
    files: Files,
    clock: Clock,
    current: ArcSwap<Pair>,
    /// What the files held when they were first read.
    first: Fingerprint,
}

/// What the files hold, or why that can't be told: two looks with one fingerprint saw the same.
type Fingerprint = [u8; 32];

impl Tls {
    /// Reads the certificate and its key; nothing if none is configured.
    ///
    /// # Errors
    /// [`TlsError`], naming the file.
    pub fn open(settings: &config::Tls, clock: &Clock) -> Result<Option<Self>, TlsError> {
        let Some(files) = Files::of(settings)? else { return Ok(None) };
        let contents = files.read()?;
        let current = ArcSwap::from_pointee(contents.pair(&files, clock)?);
        Ok(Some(Self { files, clock: clock.clone(), current, first: contents.fingerprint() }))
    }

    /// Makes TLS of a connection, with the certificate of this moment.
    ///
    /// # Errors
    /// Why the handshake failed, and the connection.
    pub(crate) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, (io::Error, TcpStream)> {
        let server = Arc::clone(&self.current.load().server);
        TlsAcceptor::from(server).accept(stream).into_fallible().await
    }

    /// Looks at the files for ever, and takes what they hold once it has stayed the same for two looks: a certificate and its key are
    /// written one after the other. What can't be used is told once, and what was in use stays so.
    pub(crate) async fn renew(&self, metrics: &Metrics) {
        metrics.tls_expiry.with_label_values::<&str>(&[]).set(self.current.load().not_after_s);
        let failures = metrics.tls_reload_failures.with_label_values::<&str>(&[]);
        let (mut seen, mut tried) = (self.first, self.first);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some((look, fingerprint)) = self.look().await else { continue };
            let is_settled = std::mem::replace(&mut seen, fingerprint) == fingerprint;
            if !is_settled || tried == fingerprint {
                continue;
            }
            tried = fingerprint;
            match look.and_then(|contents| contents.pair(&self.files, &self.clock)) {
                Ok(pair) => {
                    tracing::info!(ends = pair.not_after_s, "the certificate was renewed");
                    metrics.tls_expiry.with_label_values::<&str>(&[]).set(pair.not_after_s);
                    self.current.store(Arc::new(pair));
                }
                Err(error) => {
                    failures.inc();
                    tracing::error!(%error, "the certificate can't be renewed, the one before stays in use");
                }
            }
        }
    }

    /// The files may lie on a disk that hangs: it must hold no thread that serves.
    async fn look(&self) -> Option<(Result<Contents, TlsError>, Fingerprint)> {
        let files = self.files.clone();
        let look = tokio::task::spawn_blocking(move || {
            let contents = files.read();
            let fingerprint = match &contents {
                Ok(contents) => contents.fingerprint(),
                Err(error) => error.fingerprint(),
            };
            (contents, fingerprint)
        });
        look.await.ok()
    }
}
