//! The edge while Kafka is silent and when it is back: how fast webhooks are spooled, and how fast the spool is drained, beside the rate
//! with Kafka in the same round.

use std::time::{Duration, Instant};

use crate::edge::{Edge, TOPIC, metric};
use crate::error::BenchError;
use crate::figures::{Figure, median, ratio};
use crate::ingest::{Bench, account};
use crate::load::{Answers, Load};
use crate::paced::Paced;
use crate::process::eventually;
use crate::server::Server;

/// The figures' names without the number of connections.
pub const FIGURES: [&str; 4] = ["edge_spool_vs_log", "edge_drain_vs_live", "edge_log_p99_ms", "edge_spool_p99_ms"];

const HELD: &str = "hooklog_ingest_spool_held{what=\"records\"}";

/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(180);

/// Until every partition's records go straight to the spool.
const SETTLING: Duration = Duration::from_secs(2);

/// One round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outage {
    /// Webhooks a second with Kafka.
    pub live_rate: f64,
    /// Their 99th percentile, in milliseconds.
    pub live_p99_ms: f64,
    /// Webhooks a second without.
    pub spool_rate: f64,
    /// Their 99th percentile.
    pub spool_p99_ms: f64,
    /// Records drained a second, once Kafka was back.
    pub drain_rate: f64,
}

/// What the spool held at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    seconds: f64,
    held: f64,
    /// Of the traffic meanwhile: what had been added.
    added: f64,
}

impl Bench<'_> {
    /// All rounds under so many connections.
    ///
    /// # Errors
    /// [`BenchError::Miscounted`] when a 2xx is not in Kafka once the spool is empty; or whatever stopped the bench.
    pub fn outage(&self, connections: usize, load: &mut Load) -> Result<Vec<Figure>, BenchError> {
        self.topics.ensure(TOPIC)?;
        let server = Edge::named("edge-outage").serve(self.broker.address(), self.folder)?;
        let before = self.topics.appended(TOPIC)?;
        let mut loads = vec![load.run(&server.url, connections, self.settings.warm_up)?];
        let mut rounds = Vec::new();
        for round in 1..=self.settings.rounds {
            let outage = self.silenced(&server, connections, load, (&mut loads, round))?;
            println!(
                "round {round} {connections} connections outage: log {:.0}/s p99 {:.1} ms, spool {:.0}/s p99 {:.1} ms, drain {:.0}/s",
                outage.live_rate, outage.live_p99_ms, outage.spool_rate, outage.spool_p99_ms, outage.drain_rate
            );
            rounds.push(outage);
            self.topics.settled(TOPIC)?;
            self.topics.empty(TOPIC)?;
        }
        server.process.stop()?;
        let stored = self.topics.settled(TOPIC)? - before;
        account(&format!("{connections} connections edge with outages"), &loads, stored, loads.len() * connections)?;
        Ok(figures(&rounds, connections))
    }

    fn silenced(
        &self,
        server: &Server,
        connections: usize,
        load: &mut Load,
        (loads, round): (&mut Vec<Answers>, u32),
    ) -> Result<Outage, BenchError> {
        let live = load.run(&server.url, connections, self.settings.measured)?;
        self.topics.settled(TOPIC)?;
        self.broker.pause();
        let switched = load.run(&server.url, connections, SETTLING);
        let spooled = load.run(&server.url, connections, self.settings.measured);
        let traffic = Paced::start(&server.url, round);
        self.broker.resume();
        let drained = drained(server, &traffic);
        let paced = traffic.stop()?;
        let (switched, spooled, samples) = (switched?, spooled?, drained?);
        println!(
            "round {round} {connections} connections: {:.0} records spooled, live traffic meanwhile {:.0}/s, failed {}",
            samples.first().map_or(0.0, |sample| sample.held),
            paced.rate(),
            live.failed + switched.failed + spooled.failed + paced.failed
        );
        loads.extend([live, switched, spooled, paced]);
        emptied(server)?;
        Ok(Outage {
            live_rate: live.rate(),
            live_p99_ms: live.p99_ms,
            spool_rate: spooled.rate(),
            spool_p99_ms: spooled.p99_ms,
            drain_rate: drain_rate(&samples),
        })
    }
}

fn held(server: &Server) -> Result<f64, BenchError> {
    metric(server.admin.as_deref().unwrap_or_default(), HELD)
}

/// Looks until the spool is empty.
fn drained(server: &Server, traffic: &Paced) -> Result<Vec<Sample>, BenchError> {
    let (start, mut samples) = (Instant::now(), Vec::new());
    let empty = eventually(DRAIN, || {
        let held = held(server).ok()?;
        samples.push(Sample { seconds: start.elapsed().as_secs_f64(), held, added: traffic.spooled() as f64 });
        (held == 0.0).then_some(())
    });
    if empty.is_none() {
        println!("the spool was not empty {DRAIN:?} after kafka was back; its rate until then counts");
    }
    Ok(samples)
}

fn emptied(server: &Server) -> Result<(), BenchError> {
    let empty = eventually(DRAIN, || held(server).ok().filter(|&held| held == 0.0));
    empty.map(|_| ()).ok_or_else(|| BenchError::Said {
        name: "the edge".to_owned(),
        said: "records are left in the spool".to_owned(),
        expected: "end of a drain",
    })
}

/// From the last look before it shrinks to the last of all: what Kafka's client needs to find its broker again is no part of it.
fn drain_rate(samples: &[Sample]) -> f64 {
    let shrinks = samples.windows(2).position(|pair| pair[1].held < pair[0].held);
    let (Some(first), Some(last)) = (shrinks.map(|at| samples[at]), samples.last()) else { return f64::NAN };
    (first.held - last.held + last.added - first.added) / (last.seconds - first.seconds)
}

fn figures(rounds: &[Outage], connections: usize) -> Vec<Figure> {
    let of = |what: fn(&Outage) -> f64| rounds.iter().map(what).collect::<Vec<_>>();
    let live = of(|round| round.live_rate);
    let values = [
        ratio(&of(|round| round.spool_rate), &live),
        ratio(&of(|round| round.drain_rate), &live),
        median(&of(|round| round.live_p99_ms)),
        median(&of(|round| round.spool_p99_ms)),
    ];
    FIGURES.into_iter().zip(values).map(|(name, value)| Figure::of(format!("{name}_{connections}"), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_counts_what_was_added_meanwhile_and_not_the_wait_for_the_broker() {
        let sample = |seconds, held, added| Sample { seconds, held, added };
        let samples =
            [sample(0.0, 900.0, 0.0), sample(1.0, 1000.0, 100.0), sample(2.0, 600.0, 200.0), sample(3.0, 0.0, 300.0)];
        assert_eq!(drain_rate(&samples), 600.0);
        assert!(drain_rate(&samples[..2]).is_nan());
        assert!(drain_rate(&[]).is_nan());
    }

    #[test]
    fn each_round_is_held_against_its_own_live_rate() {
        let round = |live_rate: f64| Outage {
            live_rate,
            live_p99_ms: 4.0,
            spool_rate: live_rate / 2.0,
            spool_p99_ms: 9.0,
            drain_rate: 3.0 * live_rate,
        };
        let figures = figures(&[round(10.0), round(30.0), round(20.0)], 64);
        let expected = [
            ("edge_spool_vs_log_64", 0.5),
            ("edge_drain_vs_live_64", 3.0),
            ("edge_log_p99_ms_64", 4.0),
            ("edge_spool_p99_ms_64", 9.0),
        ];
        assert_eq!(figures, expected.map(|(name, value)| Figure::of(name, value)));
    }
}
