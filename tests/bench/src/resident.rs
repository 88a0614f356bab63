//! The edge's memory while it holds connections that have sent webhooks and are kept alive.

use crate::connection::Connection;
use crate::edge::{Edge, TOPIC};
use crate::error::BenchError;
use crate::figures::{Figure, median};
use crate::idle::{answered_well, exact};
use crate::ingest::Bench;
use crate::machine::file_limit;
use crate::webhook::webhooks;

/// How many connections, a figure for each.
pub const HELD: [usize; 3] = [64, 1_000, 10_000];

/// Webhooks that each connection sends.
const EACH: usize = 2;

/// How many connections send at a time.
const ABREAST: usize = 64;

/// Files that are open besides.
const OTHER_FILES: usize = 500;

/// Memory differs little between runs.
const ROUNDS: u32 = 3;

/// The figure's name.
#[must_use]
pub fn figure(held: usize) -> String {
    format!("edge_rss_mb_{held}")
}

impl Bench<'_> {
    /// Each number of connections on an edge of its own, a few times over.
    ///
    /// # Errors
    /// [`BenchError::Miscounted`] when a 2xx is not in Kafka; or whatever stopped the bench.
    pub fn resident(&self) -> Result<Vec<Figure>, BenchError> {
        let mut figures = Vec::new();
        let limit = file_limit()?;
        for held in HELD.into_iter().filter(|&held| self.settings.wants(&figure(held))) {
            if limit < (held + OTHER_FILES) as u64 {
                println!("{} is left out: {limit} files may be open, and the limit could not be raised", figure(held));
                continue;
            }
            let rounds = 1..=self.settings.rounds.min(ROUNDS);
            let seen = rounds.map(|round| self.holding(held, round)).collect::<Result<Vec<_>, _>>()?;
            figures.push(Figure::of(figure(held), median(&seen)));
        }
        Ok(figures)
    }

    fn holding(&self, held: usize, round: u32) -> Result<f64, BenchError> {
        self.topics.ensure(TOPIC)?;
        let before = self.topics.appended(TOPIC)?;
        let connections = Some(held + OTHER_FILES);
        let edge = Edge { connections, ..Edge::named("edge-holding") };
        let server = edge.serve(self.broker.address(), self.folder)?;
        let started = server.process.resident_mib()?;
        let open = opened(&server.url, held, round)?;
        let resident = server.process.resident_mib()?;
        println!("round {round} {held} connections held by the edge: {resident:.1} MiB, {started:.1} MiB at its start");
        drop(open);
        server.process.stop()?;
        exact(self.topics, "edge that holds connections", TOPIC, before + (held * EACH) as u64)?;
        Ok(resident)
    }
}

/// Open connections, each of which has had its answers.
fn opened(url: &str, held: usize, round: u32) -> Result<Vec<Connection>, BenchError> {
    let webhooks = webhooks();
    let mut open: Vec<Connection> = Vec::with_capacity(held);
    while open.len() < held {
        let first = open.len();
        for _ in first..held.min(first + ABREAST) {
            open.push(Connection::open(url)?);
        }
        for turn in 0..EACH {
            for (n, connection) in (first..).zip(&mut open[first..]) {
                let delivery = format!("4e1d0000-{round:04x}-400{turn:x}-8000-{n:012x}");
                connection.send(&webhooks[n % webhooks.len()], &delivery)?;
            }
            for connection in &mut open[first..] {
                answered_well(connection.status()?)?;
            }
        }
    }
    Ok(open)
}
