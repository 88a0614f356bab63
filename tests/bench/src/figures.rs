//! From rounds to figures: the median of the rounds' ratios.

use crate::ingest::{Rounds, Run};
use crate::machine::cores;
use crate::readers::Reads;
use crate::server::Peer;
use crate::settings::NAIVE_LINGERS_MS;

/// A named number.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name.
    pub name: String,
    /// Its value: a ratio.
    pub value: f64,
}

/// The middle value; the lower one of two.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(f64::NAN)
}

/// The median of each round's own ratio.
fn ratio(over: &[f64], under: &[f64]) -> f64 {
    median(&over.iter().zip(under).map(|(over, under)| over / under).collect::<Vec<_>>())
}

/// The edge's figures for a number of connections.
#[must_use]
pub fn edge(rounds: &Rounds, connections: usize) -> Vec<Figure> {
    let of = |peer: Peer, what: fn(&Run) -> f64| -> Vec<f64> {
        rounds.runs.get(&(peer, connections)).into_iter().flatten().map(what).collect()
    };
    let rate: fn(&Run) -> f64 = |run| run.rate;
    let server: fn(&Run) -> f64 = |run| run.server_micros;
    let load: fn(&Run) -> f64 = |run| run.load_micros;
    let naive = NAIVE_LINGERS_MS.map(|linger_ms| Peer::Naive { linger_ms });
    let naive = naive.into_iter().max_by(|one, other| median(&of(*one, rate)).total_cmp(&median(&of(*other, rate))));
    let naive = naive.unwrap_or(Peer::Naive { linger_ms: 0 });
    let loads = of(Peer::Signatures, load);
    let bounds: Vec<f64> = of(Peer::Signatures, server)
        .into_iter()
        .zip(loads)
        .zip(&rounds.bare)
        .map(|((server, load), bare)| {
            cores() as f64 * 1e6 / (server + load + bare.producer_micros + bare.broker_micros)
        })
        .collect();
    println!(
        "{connections} connections: edge {:.0}/s, {naive} {:.0}/s, bound {:.0}/s (medians)",
        median(&of(Peer::Edge, rate)),
        median(&of(naive, rate)),
        median(&bounds)
    );
    let figure = |name: &str, value| Figure { name: format!("{name}_{connections}"), value };
    vec![
        figure("edge_vs_naive", ratio(&of(Peer::Edge, rate), &of(naive, rate))),
        figure("edge_vs_bound", ratio(&of(Peer::Edge, rate), &bounds)),
        figure("edge_cpu_vs_naive", ratio(&of(Peer::Edge, server), &of(naive, server))),
    ]
}

/// The SDK's figures.
#[must_use]
pub fn sdk(reads: &Reads) -> Vec<Figure> {
    let figure = |name: &str, value| Figure { name: name.to_owned(), value };
    vec![
        figure("sdk_vs_reader", ratio(&reads.sdk, &reads.reader)),
        figure("sdk_vs_naive", ratio(&reads.sdk, &reads.naive)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Bare;

    #[test]
    fn a_median_is_a_value_that_was_measured() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 1.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_edge_is_held_against_the_better_naive_peer_of_the_same_round() {
        let run = |rate: f64| Run { rate, server_micros: 1e6 / rate, load_micros: 10.0 };
        let mut rounds = Rounds::default();
        let mut add = |peer, rates: [f64; 3]| rounds.runs.insert((peer, 64), rates.map(run).to_vec());
        add(Peer::Edge, [10.0, 22.0, 30.0]);
        add(Peer::Naive { linger_ms: 0 }, [10.0, 11.0, 10.0]);
        add(Peer::Naive { linger_ms: 5 }, [1.0, 50.0, 1.0]);
        add(Peer::Signatures, [100.0, 100.0, 100.0]);
        rounds.bare = vec![Bare { producer_micros: 5.0, broker_micros: 5.0 }; 3];
        let figures = edge(&rounds, 64);
        assert_eq!(figures[0], Figure { name: "edge_vs_naive_64".to_owned(), value: 2.0 });
        let bound = cores() as f64 * 1e6 / 10_020.0;
        assert!((figures[1].value - 22.0 / bound).abs() < 1e-9);
        assert_eq!(figures[2].name, "edge_cpu_vs_naive_64");
    }
}
