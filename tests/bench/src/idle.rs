//! An idle server's latency: one connection, one webhook after the other, the edge and the naive peer in turn.

use std::time::Instant;

use crate::connection::Connection;
use crate::error::BenchError;
use crate::figures::{Figure, median};
use crate::ingest::Bench;
use crate::server::Peer;
use crate::topic::Topics;
use crate::webhook::webhooks;

/// The figures' names.
pub const FIGURES: [&str; 2] = ["edge_idle_p50_ms", "naive_idle_p50_ms"];

/// Without linger: what makes a lone record fastest.
const PEERS: [Peer; 2] = [Peer::Edge, Peer::Naive { linger_ms: 0 }];

impl Bench<'_> {
    /// All rounds: the median of each round's median.
    ///
    /// # Errors
    /// [`BenchError::Miscounted`] when a 2xx is not in Kafka; or whatever stopped the bench.
    pub fn idle(&self) -> Result<Vec<Figure>, BenchError> {
        let mut servers = Vec::new();
        for peer in PEERS {
            let topic = peer.topic().unwrap_or_default();
            self.topics.ensure(&topic)?;
            let before = self.topics.appended(&topic)?;
            servers.push((peer, topic, before, peer.serve(self.broker.address(), self.folder)?));
        }
        let mut rounds = [Vec::new(), Vec::new()];
        // The first round meets cold servers and is thrown away.
        for round in 0..=self.settings.rounds {
            for ((peer, _, _, server), medians) in servers.iter().zip(&mut rounds) {
                let p50 = p50_ms(&server.url, self.settings.alone, round)?;
                println!("round {round} alone {peer}: p50 {p50:.3} ms");
                medians.extend((round > 0).then_some(p50));
            }
        }
        let sent = self.settings.alone as u64 * u64::from(self.settings.rounds + 1);
        for (peer, topic, before, server) in servers {
            server.process.stop()?;
            exact(self.topics, &format!("{peer} alone"), &topic, before + sent)?;
        }
        Ok(FIGURES.into_iter().zip(&rounds).map(|(name, medians)| Figure::of(name, median(medians))).collect())
    }
}

/// Nothing is in flight where every answer was waited for: the topic has just what was sent.
pub(crate) fn exact(topics: &Topics, name: &str, topic: &str, wanted: u64) -> Result<(), BenchError> {
    let stored = topics.settled(topic)?;
    topics.empty(topic)?;
    if stored == wanted {
        return Ok(());
    }
    Err(BenchError::Miscounted { peer: name.to_owned(), answered: wanted, stored, in_flight: 0 })
}

fn p50_ms(url: &str, requests: usize, round: u32) -> Result<f64, BenchError> {
    let webhooks = webhooks();
    let mut connection = Connection::open(url)?;
    let mut latencies = Vec::with_capacity(requests);
    for (n, webhook) in webhooks.iter().cycle().take(requests).enumerate() {
        let asked = Instant::now();
        let status = connection.ask(webhook, &format!("a10e0000-{round:04x}-4000-8000-{n:012x}"))?;
        latencies.push(asked.elapsed().as_secs_f64() * 1e3);
        answered_well(status)?;
    }
    Ok(median(&latencies))
}

/// Anything but a 2xx makes a measurement worthless.
pub(crate) fn answered_well(status: u16) -> Result<(), BenchError> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    Err(BenchError::Said { name: "a server".to_owned(), said: status.to_string(), expected: "2xx" })
}
