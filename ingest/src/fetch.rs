//! What the edge itself asks of providers: keys that lie at a URL, and URLs that confirm a subscription.
//!
//! ```text
//!   a source's key set ── at the start, when it is old, when a token names a key that it lacks ──┐
//!   a request's certificate ── when it is not kept, or old ──────────────────────────────────────┼─▶ one fetch a URL ─▶ kept
//!   a subscription's confirmation ── once its signature held ────────────────────────────────────┘
//! ```
//!
//! Only [`get`] opens connections: https, to a host that the provider's file or the source names, and never where an answer points.

pub mod url;
pub mod get;
pub mod kept;
mod certified;
pub mod remote;
pub mod confirm;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hooklog_process::clock::Clock;
use tokio::sync::Semaphore;

use crate::config;
use crate::edge::Edge;
use crate::fetch::get::{Client, ClientError, GetError, Got};
use crate::fetch::url::HttpsUrl;
use crate::metrics::Metrics;

/// How often it is looked whether a key set has to be asked for. Only the first set of a source is waited for so long, at most.
const LOOK: Duration = Duration::from_millis(250);

/// How often a failure to fetch keys is told in the log, in milliseconds.
const TELL_MS: i64 = 1000;

/// The way out of the edge, shared by all sources.
pub struct Fetcher {
    client: Client,
    clock: Clock,
    metrics: Metrics,
    /// Room for confirmations that are under way.
    confirming: Arc<Semaphore>,
    /// When a failure was last told, in milliseconds since 1970.
    told_at_ms: AtomicI64,
}

/// What is fetched, for metrics and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A source's key set.
    KeySet,
    /// The certificate that a request names.
    Certificate,
    /// The confirmation of a subscription.
    Confirmation,
}

impl What {
    /// The word for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::KeySet => "key_set",
            Self::Certificate => "certificate",
            Self::Confirmation => "confirmation",
        }
    }
}

impl Fetcher {
    /// By the settings.
    ///
    /// # Errors
    /// [`ClientError`] when the authorities' file can't be used.
    pub fn new(settings: &config::Fetch, clock: &Clock, metrics: &Metrics) -> Result<Self, ClientError> {
        let client = Client::new(settings, clock)?;
        let confirming = Arc::new(Semaphore::new(confirm::LIMIT));
        Ok(Self { client, clock: clock.clone(), metrics: metrics.clone(), confirming, told_at_ms: AtomicI64::new(0) })
    }

    /// Asks once, and counts how it ended.
    async fn get(&self, source: &str, what: What, url: &HttpsUrl) -> Result<Got, GetError> {
        let got = self.client.get(url).await;
        self.count(source, what, if got.is_ok() { "ok" } else { "failed" });
        got
    }

    fn count(&self, source: &str, what: What, result: &str) {
        self.metrics.fetches.with_label_values(&[source, what.label(), result]).inc();
    }

    /// Whether a failure may be told now: strangers can cause some, and must not fill a disk with lines about them. All are counted.
    fn may_tell(&self) -> bool {
        let now_ms = self.now_ms();
        let told_at_ms = self.told_at_ms.load(Ordering::Relaxed);
        let may = !(0..TELL_MS).contains(&now_ms.saturating_sub(told_at_ms));
        may && self.told_at_ms.compare_exchange(told_at_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

/// Whether others can be asked by the settings.
///
/// # Errors
/// [`ClientError`]
pub fn check(settings: &config::Fetch) -> Result<(), ClientError> {
    Client::new(settings, &Clock::system()).map(drop)
}

/// Keeps the key sets of all sources as new as they say, until the edge is gone.
pub(crate) fn keep(edge: &Arc<Edge>) {
    let edge = Arc::downgrade(edge);
    tokio::spawn(async move {
        while let Some(edge) = edge.upgrade() {
            for source in edge.sources.current().iter() {
                if let Some(remote) = &source.remote {
                    remote.renew(&edge.fetcher);
                }
            }
            drop(edge);
            tokio::time::sleep(LOOK).await;
        }
    });
}
