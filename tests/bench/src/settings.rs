//! What a run of the bench does: how many rounds, how long, which figures.

use std::time::Duration;

use clap::Parser;

use crate::foreign::Language;
use crate::server::Peer;

/// How many connections the load generator holds, one set of figures for each.
pub const CONNECTIONS: [usize; 2] = [64, 256];

/// The naive peer's lingers, in milliseconds: what makes a lone record fastest, and the client library's default.
pub const NAIVE_LINGERS_MS: [u32; 2] = [0, 5];

/// Partitions of every topic.
pub const PARTITIONS: i32 = 8;

/// Bytes of every webhook's body.
pub const BODY_BYTES: usize = 2048;

/// Ordering keys that the webhooks are spread over.
pub const KEYS: usize = 1000;

/// Measures the edge and the SDK against naive peers and against the machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench", version)]
pub struct Arguments {
    /// How many interleaved rounds; every figure is their median.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Few and short rounds: to see that it works, not to compare.
    #[arg(long)]
    quick: bool,
    /// Only the figures whose names begin so, such as `edge_vs_naive_64` or `sdk`; several beginnings with commas between them.
    #[arg(long, default_value = "", value_delimiter = ',')]
    only: Vec<String>,
}

/// The same, decided.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Interleaved rounds.
    pub rounds: u32,
    /// How long the broker works before anything is measured, so that its JVM has compiled what it runs.
    pub broker_warm_up: Duration,
    /// What is thrown away at the start of every run under load.
    pub warm_up: Duration,
    /// The same for peers in other languages, whose runtimes compile while they serve.
    pub foreign_warm_up: Duration,
    /// How long a run under load is measured.
    pub measured: Duration,
    /// Records that the bare producer writes in one run.
    pub produced: u64,
    /// Records that a consumer reads in one run.
    pub consumed: u64,
    /// Requests of one connection in one round, one after the other.
    pub alone: usize,
    only: Vec<String>,
}

impl From<Arguments> for Settings {
    fn from(given: Arguments) -> Self {
        let Arguments { rounds, quick, only } = given;
        let seconds = Duration::from_secs;
        if quick {
            return Self {
                rounds: rounds.min(5),
                broker_warm_up: seconds(4),
                warm_up: seconds(1),
                foreign_warm_up: seconds(3),
                measured: seconds(1),
                produced: 50_000,
                consumed: 50_000,
                alone: 200,
                only,
            };
        }
        Self {
            rounds,
            broker_warm_up: seconds(15),
            warm_up: seconds(4),
            foreign_warm_up: seconds(12),
            measured: seconds(2),
            produced: 100_000,
            consumed: 200_000,
            alone: 500,
            only,
        }
    }
}

impl Settings {
    /// Whether the figure is asked for.
    #[must_use]
    pub fn wants(&self, figure: &str) -> bool {
        self.only.iter().any(|beginning| figure.starts_with(beginning))
    }

    /// The numbers of connections for which this figure is asked for.
    #[must_use]
    pub fn connections(&self, figure: &str) -> Vec<usize> {
        let asked = |connections: &usize| self.wants(&format!("{figure}_{connections}"));
        CONNECTIONS.into_iter().filter(asked).collect()
    }

    /// Who serves under so many connections for the figures that are asked for, beside the edge and in one deployment each. Nobody, if
    /// none is.
    #[must_use]
    pub fn rivals(&self, connections: usize) -> Vec<Peer> {
        let wants = |figure: &str| self.wants(&format!("{figure}_{connections}"));
        let mut rivals = Vec::new();
        if wants("edge_vs_bound") {
            rivals.push(Peer::Signatures);
        }
        if wants("edge_vs_naive") || wants("edge_cpu_vs_naive") {
            rivals.extend(NAIVE_LINGERS_MS.map(|linger_ms| Peer::Naive { linger_ms }));
        }
        rivals
    }

    /// Which languages' peers are asked for under so many connections.
    #[must_use]
    pub fn languages(&self, connections: usize) -> Vec<Language> {
        let asked = |language: &Language| self.wants(&format!("edge_vs_{}_{connections}", language.name()));
        Language::ALL.into_iter().filter(asked).collect()
    }

    /// The numbers of connections under which the edge is held against anybody.
    #[must_use]
    pub fn contests(&self) -> Vec<usize> {
        let asked =
            |connections: &usize| !self.rivals(*connections).is_empty() || !self.languages(*connections).is_empty();
        CONNECTIONS.into_iter().filter(asked).collect()
    }

    /// Whether what nothing but Kafka costs is asked for.
    #[must_use]
    pub fn bounds(&self) -> bool {
        !self.connections("edge_vs_bound").is_empty()
    }

    /// Whether some figure about reading is asked for.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.wants("sdk_vs_reader") || self.wants("sdk_vs_naive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Settings {
        Arguments::parse_from([&["bench"], arguments].concat()).into()
    }

    #[test]
    fn all_is_measured_unless_beginnings_are_given() {
        let all = given(&[]);
        assert!(all.reads() && all.bounds() && all.wants("edge_idle_p50_ms"));
        assert_eq!(all.contests(), CONNECTIONS);
        assert_eq!(all.languages(64), Language::ALL);
        let go = given(&["--only", "edge_vs_go_64,edge_idle", "--rounds", "3"]);
        assert_eq!((go.contests(), go.rounds), (vec![64], 3));
        assert_eq!((go.rivals(64), go.languages(64), go.languages(256)), (vec![], vec![Language::Go], vec![]));
        assert!(go.wants("edge_idle_p50_ms") && !go.reads() && !go.bounds());
        let naive = given(&["--only", "edge_vs_naive"]);
        assert_eq!((naive.rivals(256).len(), naive.languages(256).len()), (2, 0));
    }

    #[test]
    fn quick_is_short() {
        let quick = given(&["--quick"]);
        assert!(quick.rounds <= 5 && quick.measured < given(&[]).measured);
    }
}
