//! What a webhook costs the edge as the number of its sources grows: two edges in turn, webhooks spread over all sources of each.

use std::time::Duration;

use crate::edge::{Edge, TOPIC};
use crate::error::BenchError;
use crate::figures::{Figure, ratio};
use crate::ingest::{Bench, account};
use crate::load::Load;
use crate::machine::CpuSeconds;
use crate::server::Server;
use crate::settings::CONNECTIONS;

/// The figure's name.
pub const FIGURE: &str = "edge_cpu_sources_10000_vs_1";

const SOURCES: [(&str, usize); 2] = [("edge-1-source", 1), ("edge-10000-sources", 10_000)];

/// Webhooks for each source before anything is measured.
const WARM_EACH: u64 = 3;

/// Loads that may be needed for it.
const WARM_UPS: u32 = 30;

impl Bench<'_> {
    /// All rounds.
    ///
    /// # Errors
    /// [`BenchError::Miscounted`] when a 2xx is not in Kafka; or whatever stopped the bench.
    pub fn sources(&self, load: &mut Load) -> Result<Vec<Figure>, BenchError> {
        self.topics.ensure(TOPIC)?;
        let connections = CONNECTIONS[0];
        let before = self.topics.appended(TOPIC)?;
        let mut loads = Vec::new();
        let mut servers = Vec::new();
        for (name, more_sources) in SOURCES {
            let asked = std::time::Instant::now();
            let server = Edge { more_sources, ..Edge::named(name) }.serve(self.broker.address(), self.folder)?;
            println!(
                "{name}: ready after {:.1} s, {:.1} MiB",
                asked.elapsed().as_secs_f64(),
                server.process.resident_mib()?
            );
            // What a source's first webhook costs is no part of what each costs.
            let (mut warmed, wanted) = (0, WARM_EACH * more_sources as u64);
            for _ in 0..WARM_UPS {
                let answers = load.spread(&server.url, connections, self.settings.warm_up, more_sources)?;
                warmed += answers.stored;
                loads.push(answers);
                if warmed >= wanted {
                    break;
                }
            }
            if warmed < wanted {
                println!("{name}: {warmed} webhooks are too few to warm every source");
            }
            servers.push((name, more_sources, server));
        }
        let mut micros = [Vec::new(), Vec::new()];
        for round in 1..=self.settings.rounds {
            for ((name, sources, server), micros) in servers.iter().zip(&mut micros) {
                let start = server.process.cpu()?;
                let answers = load.spread(&server.url, connections, self.settings.measured, *sources)?;
                let each = (server.process.cpu()? - start).micros_each(answers.stored);
                println!("round {round} {name}: {:.0}/s, cpu us/request: server {each:.1}", answers.rate());
                loads.push(answers);
                micros.push(each);
            }
        }
        for (name, _, server) in &servers {
            println!("{name}: {:.1} ms of cpu a second without a request", idle_cpu(server)?.0 * 1e3);
        }
        for (_, _, server) in servers {
            server.process.stop()?;
        }
        let stored = self.topics.settled(TOPIC)? - before;
        account("edges with many and few sources", &loads, stored, loads.len() * connections)?;
        self.topics.empty(TOPIC)?;
        let [few, many] = micros;
        Ok(vec![Figure::of(FIGURE, ratio(&many, &few))])
    }
}

/// What configured sources cost while nobody sends: they are looked at every two seconds.
fn idle_cpu(server: &Server) -> Result<CpuSeconds, BenchError> {
    const LOOKED_AT: Duration = Duration::from_secs(4);
    let start = server.process.cpu()?;
    std::thread::sleep(LOOKED_AT);
    Ok(CpuSeconds((server.process.cpu()? - start).0 / LOOKED_AT.as_secs_f64()))
}
