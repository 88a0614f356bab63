//! From rounds to figures: the median of the rounds' ratios.

use crate::foreign::Language;
use crate::ingest::{Bare, Rounds, Run};
use crate::machine::cores;
use crate::readers::Reads;
use crate::server::Peer;
use crate::settings::NAIVE_LINGERS_MS;

/// A named number.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name.
    pub name: String,
    /// Its value: a ratio, or in the unit that ends its name.
    pub value: f64,
}

impl Figure {
    /// A figure of this name.
    #[must_use]
    pub fn of(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value }
    }
}

/// The middle value; the lower one of two.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(f64::NAN)
}

/// The median of each round's own ratio.
pub(crate) fn ratio(over: &[f64], under: &[f64]) -> f64 {
    median(&over.iter().zip(under).map(|(over, under)| over / under).collect::<Vec<_>>())
}

/// The edge's figures for a number of connections: those whose peers ran.
#[must_use]
pub fn edge(rounds: &Rounds, connections: usize) -> Vec<Figure> {
    let of = |peer: Peer, what: What| -> Vec<f64> { runs(rounds, peer, connections).map(what).collect() };
    let ran = |peer: &Peer| runs(rounds, *peer, connections).next().is_some();
    let figure = |name: &str, value| Figure::of(format!("{name}_{connections}"), value);
    let mut figures = Vec::new();
    let naive = NAIVE_LINGERS_MS.map(|linger_ms| Peer::Naive { linger_ms }).into_iter().filter(ran);
    if let Some(naive) = naive.max_by(|one, other| median(&of(*one, RATE)).total_cmp(&median(&of(*other, RATE)))) {
        figures.push(figure("edge_vs_naive", ratio(&of(Peer::Edge, RATE), &of(naive, RATE))));
        figures.push(figure("edge_cpu_vs_naive", ratio(&of(Peer::Edge, SERVER), &of(naive, SERVER))));
    }
    let bounds = bounds(&of(Peer::Signatures, SERVER), &of(Peer::Signatures, LOAD), &rounds.bare);
    if !bounds.is_empty() {
        println!("{connections} connections: bound {:.0}/s (median)", median(&bounds));
        figures.push(figure("edge_vs_bound", ratio(&of(Peer::Edge, RATE), &bounds)));
    }
    for language in Language::ALL {
        let deployments = language.workers().iter().map(|&workers| Peer::Foreign { language, workers });
        // One of them was chosen before the rounds.
        for peer in deployments.filter(ran) {
            let name = format!("edge_vs_{}", language.name());
            figures.push(figure(&name, ratio(&of(Peer::Edge, RATE), &of(peer, RATE))));
        }
    }
    figures
}

type What = fn(&Run) -> f64;
const RATE: What = |run| run.rate;
const SERVER: What = |run| run.server_micros;
const LOAD: What = |run| run.load_micros;

fn runs(rounds: &Rounds, peer: Peer, connections: usize) -> impl Iterator<Item = &Run> {
    rounds.runs.get(&(peer, connections)).into_iter().flatten()
}

/// What the machine could do if nothing but HTTP, HMAC, the load and Kafka had to be paid.
fn bounds(server: &[f64], load: &[f64], bare: &[Bare]) -> Vec<f64> {
    let costs = server.iter().zip(load).zip(bare);
    let all = costs.map(|((server, load), bare)| server + load + bare.producer_micros + bare.broker_micros);
    all.map(|micros| cores() as f64 * 1e6 / micros).collect()
}

/// A line for each peer and number of connections: the medians of what it did and what it cost.
#[must_use]
pub fn summary(rounds: &Rounds) -> Vec<String> {
    let lines = rounds.runs.iter().map(|((peer, connections), runs)| {
        let of = |what: What| median(&runs.iter().map(what).collect::<Vec<_>>());
        format!(
            "peer {peer} {connections} connections: {:.0}/s p50 {:.1} ms p99 {:.1} ms, cpu us/request: server {:.1} broker {:.1}",
            of(RATE),
            of(|run| run.p50_ms),
            of(|run| run.p99_ms),
            of(SERVER),
            of(|run| run.broker_micros),
        )
    });
    lines.collect()
}

/// The SDK's figures.
#[must_use]
pub fn sdk(reads: &Reads) -> Vec<Figure> {
    vec![
        Figure::of("sdk_vs_reader", ratio(&reads.sdk, &reads.reader)),
        Figure::of("sdk_vs_naive", ratio(&reads.sdk, &reads.naive)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_a_value_that_was_measured() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 1.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_edge_is_held_against_the_better_naive_peer_of_the_same_round() {
        let run = |rate: f64| Run { rate, server_micros: 1e6 / rate, load_micros: 10.0, ..Run::default() };
        let mut rounds = Rounds::default();
        let mut add = |peer, rates: [f64; 3]| rounds.runs.insert((peer, 64), rates.map(run).to_vec());
        add(Peer::Edge, [10.0, 22.0, 30.0]);
        add(Peer::Naive { linger_ms: 0 }, [10.0, 11.0, 10.0]);
        add(Peer::Naive { linger_ms: 5 }, [1.0, 50.0, 1.0]);
        add(Peer::Signatures, [100.0, 100.0, 100.0]);
        add(Peer::Foreign { language: Language::Node, workers: 2 }, [5.0, 5.5, 7.5]);
        rounds.bare = vec![Bare { producer_micros: 5.0, broker_micros: 5.0 }; 3];
        let figures = edge(&rounds, 64);
        assert_eq!(figures[0], Figure { name: "edge_vs_naive_64".to_owned(), value: 2.0 });
        assert_eq!(figures[1].name, "edge_cpu_vs_naive_64");
        let bound = cores() as f64 * 1e6 / 10_020.0;
        assert!((figures[2].value - 22.0 / bound).abs() < 1e-9);
        assert_eq!(figures[3], Figure { name: "edge_vs_node_64".to_owned(), value: 4.0 });
        assert_eq!(figures.len(), 4);
        assert!(summary(&rounds).iter().any(|line| line.starts_with("peer node-2 64 connections: 6/s")));
    }

    #[test]
    fn a_peer_that_did_not_run_has_no_figure() {
        let mut rounds = Rounds::default();
        rounds.runs.insert((Peer::Edge, 64), vec![Run { rate: 1.0, ..Run::default() }]);
        assert!(edge(&rounds, 64).is_empty());
    }
}
