//! What a run of the bench does: how many rounds, how long, which figures.

use std::time::Duration;

use clap::Parser;

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
    /// Only the figures whose names begin so, such as `edge_vs_naive_64` or `sdk`.
    #[arg(long, default_value = "")]
    only: String,
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
    /// How long a run under load is measured.
    pub measured: Duration,
    /// Records that the bare producer writes in one run.
    pub produced: u64,
    /// Records that a consumer reads in one run.
    pub consumed: u64,
    only: String,
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
                measured: seconds(1),
                produced: 50_000,
                consumed: 50_000,
                only,
            };
        }
        Self {
            rounds,
            broker_warm_up: seconds(15),
            warm_up: seconds(4),
            measured: seconds(2),
            produced: 100_000,
            consumed: 200_000,
            only,
        }
    }
}

impl Settings {
    /// Whether the figure is asked for.
    #[must_use]
    pub fn wants(&self, figure: &str) -> bool {
        figure.starts_with(&self.only)
    }

    /// The numbers of connections that some figure asked for needs.
    #[must_use]
    pub fn connections(&self) -> Vec<usize> {
        let asked = |connections: &usize| {
            ["edge_vs_naive", "edge_vs_bound", "edge_cpu_vs_naive"]
                .iter()
                .any(|figure| self.wants(&format!("{figure}_{connections}")))
        };
        CONNECTIONS.into_iter().filter(asked).collect()
    }

    /// Whether some figure about reading is asked for.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.wants("sdk_vs_reader") || self.wants("sdk_vs_naive")
    }
}
