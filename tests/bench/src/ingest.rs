//! The edge's rounds: every peer under the same load in turn, every 2xx looked for in Kafka, and the bare producer for the bound.

use std::collections::BTreeMap;
use std::path::Path;

use crate::broker::Broker;
use crate::edge;
use crate::error::BenchError;
use crate::fill::{Produced, produce};
use crate::foreign::Language;
use crate::load::{Answers, Load};
use crate::machine::CpuSeconds;
use crate::process::PATIENCE;
use crate::server::{Peer, Server};
use crate::settings::{CONNECTIONS, NAIVE_LINGERS_MS, Settings};
use crate::topic::{Shape, Topics};

/// Where the bare producer writes.
const BARE_TOPIC: &str = "bare";

/// One peer under one load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// Answers with 2xx a second.
    pub rate: f64,
    /// The median of an answer's latency, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The broker's CPU for an answer, in microseconds.
    pub broker_micros: f64,
    /// The server's CPU for an answer, in microseconds.
    pub server_micros: f64,
    /// The load generator's.
    pub load_micros: f64,
}

/// What a record costs when nothing but Kafka has to be paid, in microseconds of CPU.
#[derive(Debug, Clone, Copy)]
pub struct Bare {
    /// Of the producer.
    pub producer_micros: f64,
    /// Of the broker.
    pub broker_micros: f64,
}

impl Bare {
    const fn sum(&self) -> f64 {
        self.producer_micros + self.broker_micros
    }
}

/// All rounds of the edge and its peers.
#[derive(Debug, Default)]
pub struct Rounds {
    /// By peer and connections, in the order of the rounds.
    pub runs: BTreeMap<(Peer, usize), Vec<Run>>,
    /// The cheapest bare producer of each round.
    pub bare: Vec<Bare>,
}

/// What a round needs.
pub struct Bench<'a> {
    /// How long and how often.
    pub settings: &'a Settings,
    /// Where records go.
    pub broker: &'a Broker,
    /// The topics, to count.
    pub topics: &'a Topics,
    /// For configurations and logs.
    pub folder: &'a Path,
}

impl Bench<'_> {
    /// All rounds.
    ///
    /// # Errors
    /// [`BenchError::Miscounted`] when a peer's 2xx are not in Kafka; or whatever stopped the bench.
    pub fn ingest(&self, load: &mut Load) -> Result<Rounds, BenchError> {
        let mut rounds = Rounds::default();
        for connections in self.settings.contests() {
            let mut servers = vec![self.warm(Peer::Edge, connections, load)?];
            for peer in self.settings.rivals(connections) {
                servers.push(self.warm(peer, connections, load)?);
            }
            for language in self.settings.languages(connections) {
                servers.extend(self.foreign(language, connections, load)?);
            }
            // Short loads in turn on servers that all stand ready: a machine that others slow down for a while slows all peers alike.
            for round in 1..=self.settings.rounds {
                let mut standing = Vec::new();
                for mut tried in servers {
                    let run = self.run(&mut tried, connections, load, round);
                    if let Some(run) = spared(tried.peer, run)? {
                        rounds.runs.entry((tried.peer, connections)).or_default().push(run);
                        standing.push(tried);
                    } else {
                        rounds.runs.remove(&(tried.peer, connections));
                    }
                }
                servers = standing;
                // Nobody always runs first.
                servers.rotate_left(1);
            }
            for tried in servers {
                let peer = tried.peer;
                if spared(peer, self.count(tried, connections))?.is_none() {
                    rounds.runs.remove(&(peer, connections));
                }
            }
        }
        if self.settings.bounds() {
            self.topics.create(BARE_TOPIC)?;
            let shape = self.edge_shape(load)?;
            for round in 1..=self.settings.rounds {
                rounds.bare.push(self.bare(shape, round)?);
            }
        }
        Ok(rounds)
    }

    /// The better of a language's deployments, warm; none if it is not built or fails.
    fn foreign(&self, language: Language, connections: usize, load: &mut Load) -> Result<Option<Tried>, BenchError> {
        if language.program().is_none() {
            println!(
                "{} is left out: it is not built (`make peers` builds it, or says what is missing)",
                language.name()
            );
            return Ok(None);
        }
        let mut best: Option<(Tried, f64)> = None;
        for &workers in language.workers() {
            let peer = Peer::Foreign { language, workers };
            let Some((tried, rate)) = spared(peer, self.trial(peer, connections, load))? else { continue };
            let (better, worse) = match best.take() {
                Some(held) if held.1 > rate => (held, Some(tried)),
                held => ((tried, rate), held.map(|(tried, _)| tried)),
            };
            if let Some(worse) = worse {
                spared(peer, self.count(worse, connections))?;
            }
            best = Some(better);
        }
        Ok(best.map(|(tried, _)| tried))
    }

    /// A warm peer and its rate, once it is warm.
    fn trial(&self, peer: Peer, connections: usize, load: &mut Load) -> Result<(Tried, f64), BenchError> {
        let mut tried = self.warm(peer, connections, load)?;
        let answers = load.run(&tried.server.url, connections, self.settings.measured)?;
        tried.loads.push(answers);
        println!("{connections} connections {peer}: {:.0}/s on trial", answers.rate());
        Ok((tried, answers.rate()))
    }

    /// Starts a peer and has it serve what is thrown away.
    fn warm(&self, peer: Peer, connections: usize, load: &mut Load) -> Result<Tried, BenchError> {
        if let Some(topic) = peer.topic() {
            self.topics.ensure(&topic)?;
        }
        let server = peer.serve(self.broker.address(), self.folder)?;
        let before = peer.topic().map_or(Ok(0), |topic| self.topics.appended(&topic))?;
        let Settings { warm_up, foreign_warm_up, .. } = *self.settings;
        let length = if peer.is_foreign() { foreign_warm_up } else { warm_up };
        let warm = load.run(&server.url, connections, length)?;
        Ok(Tried { peer, server, before, loads: vec![warm] })
    }

    /// Small batches, as under the smaller number of connections: what costs a broker most.
    ///
    /// # Errors
    /// Whatever stopped the bench.
    pub fn warm_broker(&self, load: &mut Load) -> Result<(), BenchError> {
        let peer = Peer::Naive { linger_ms: 0 };
        let topic = peer.topic().unwrap_or_default();
        self.topics.ensure(&topic)?;
        let server = peer.serve(self.broker.address(), self.folder)?;
        load.run(&server.url, CONNECTIONS[0], self.settings.broker_warm_up)?;
        server.process.stop()?;
        self.topics.settled(&topic)?;
        self.topics.empty(&topic)
    }

    fn edge_shape(&self, load: &mut Load) -> Result<Shape, BenchError> {
        let edge = self.warm(Peer::Edge, CONNECTIONS[0], load)?;
        edge.server.process.stop()?;
        let shape = self.topics.shape(edge::TOPIC)?;
        println!(
            "an edge's record has {} bytes of value and {} headers of {} bytes; the bare producer writes the same",
            shape.value, shape.headers, shape.header_bytes
        );
        Ok(shape)
    }

    fn run(&self, tried: &mut Tried, connections: usize, load: &mut Load, round: u32) -> Result<Run, BenchError> {
        let (peer, server) = (tried.peer, &tried.server);
        let idle = Used { server: server.process.cpu()?, broker: self.broker.cpu()?, all: CpuSeconds::of_everybody()? };
        let answers = load.run(&server.url, connections, self.settings.measured)?;
        let used = Used {
            server: server.process.cpu()? - idle.server,
            broker: self.broker.cpu()? - idle.broker,
            all: CpuSeconds::of_everybody()? - idle.all,
        };
        if let Some(topic) = peer.topic() {
            self.topics.settled(&topic)?;
            self.topics.empty(&topic)?;
        }
        report(&format!("round {round} {connections} connections {peer}"), &answers, &used);
        tried.loads.push(answers);
        Ok(Run {
            rate: answers.rate(),
            p50_ms: answers.p50_ms,
            p99_ms: answers.p99_ms,
            broker_micros: used.broker.micros_each(answers.stored),
            server_micros: used.server.micros_each(answers.stored),
            load_micros: answers.cpu.micros_each(answers.stored),
        })
    }

    /// Stops the peer, and looks for its answers in Kafka.
    fn count(&self, tried: Tried, connections: usize) -> Result<(), BenchError> {
        let Tried { peer, server, before, loads } = tried;
        server.process.stop()?;
        let Some(topic) = peer.topic() else { return Ok(()) };
        let stored = self.topics.settled(&topic)? - before;
        let in_flight = loads.len() * connections;
        account(&format!("{connections} connections {peer}"), &loads, stored, in_flight)
    }

    /// The cheaper of the lingers.
    fn bare(&self, shape: Shape, round: u32) -> Result<Bare, BenchError> {
        let mut best: Option<Bare> = None;
        for linger_ms in NAIVE_LINGERS_MS {
            let before = self.topics.appended(BARE_TOPIC)?;
            let broker = self.broker.cpu()?;
            let wanted = Produced { topic: BARE_TOPIC, records: self.settings.produced, shape, linger_ms };
            let (seconds, cpu) = produce(self.broker.address(), &wanted, self.folder, 4 * PATIENCE)?;
            let run = Bare {
                producer_micros: cpu.micros_each(wanted.records),
                broker_micros: (self.broker.cpu()? - broker).micros_each(wanted.records),
            };
            let stored = self.topics.settled(BARE_TOPIC)? - before;
            if stored != wanted.records {
                let (peer, answered) = ("bare producer".to_owned(), wanted.records);
                return Err(BenchError::Miscounted { peer, answered, stored, in_flight: 0 });
            }
            self.topics.empty(BARE_TOPIC)?;
            println!(
                "round {round} bare-producer-linger-{linger_ms}ms: {:.0}/s, cpu us/record: producer {:.1} broker {:.1}; kafka {stored}",
                wanted.records as f64 / seconds,
                run.producer_micros,
                run.broker_micros
            );
            best = best.filter(|best| best.sum() <= run.sum()).or(Some(run));
        }
        Ok(best.expect("there is a linger"))
    }
}

/// A peer that serves, and the loads it had.
struct Tried {
    peer: Peer,
    server: Server,
    /// What its topic had when it started.
    before: u64,
    loads: Vec<Answers>,
}

/// A peer in another language that fails is told and left out; of our own, nothing is.
fn spared<T>(peer: Peer, outcome: Result<T, BenchError>) -> Result<Option<T>, BenchError> {
    match outcome {
        Ok(good) => Ok(Some(good)),
        Err(error) if peer.is_foreign() => {
            println!("{peer} is left out: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Every 2xx is a record, and every further record was in flight when a load was cut off, or belongs to a request that failed.
///
/// # Errors
/// [`BenchError::Miscounted`] when it is not so.
pub fn account(name: &str, loads: &[Answers], stored: u64, in_flight: usize) -> Result<(), BenchError> {
    let answered = loads.iter().map(|load| load.stored).sum();
    let failed: u64 = loads.iter().map(|load| load.failed).sum();
    let in_flight = u64::try_from(in_flight).unwrap_or(u64::MAX);
    if stored < answered || stored > answered.saturating_add(in_flight).saturating_add(failed) {
        return Err(BenchError::Miscounted { peer: name.to_owned(), answered, stored, in_flight });
    }
    println!(
        "{name}: 2xx {answered}, in kafka {stored} (+{} in flight when a load was cut), failed {failed}",
        stored - answered
    );
    Ok(())
}

/// CPU while a load ran.
struct Used {
    server: CpuSeconds,
    broker: CpuSeconds,
    all: CpuSeconds,
}

fn report(which: &str, answers: &Answers, used: &Used) {
    let each = |cpu: CpuSeconds| cpu.micros_each(answers.stored);
    let others = (used.all - used.server - used.broker - answers.cpu).0.max(0.0) / answers.seconds;
    println!(
        "{which}: {:.0}/s p50 {:.1} ms p99 {:.1} ms, \
         cpu us/request: server {:.1} broker {:.1} load {:.1}, cores used by others {others:.2}; failed {}",
        answers.rate(),
        answers.p50_ms,
        answers.p99_ms,
        each(used.server),
        each(used.broker),
        each(answers.cpu),
        answers.failed,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_not_in_kafka_and_records_that_nobody_sent_are_seen() {
        let load = |stored, failed| Answers { stored, failed, ..Answers::default() };
        let loads = [load(10, 0), load(20, 2)];
        for fine in [30, 36, 38] {
            account("peer", &loads, fine, 6).unwrap();
        }
        for wrong in [29, 39] {
            assert!(matches!(account("peer", &loads, wrong, 6), Err(BenchError::Miscounted { .. })), "{wrong}");
        }
    }

    #[test]
    fn only_a_foreign_peer_is_spared() {
        let failure = || Err::<(), _>(BenchError::Io(std::io::Error::other("gone")));
        assert!(spared(Peer::Foreign { language: Language::Go, workers: 1 }, failure()).unwrap().is_none());
        assert!(spared(Peer::Edge, failure()).is_err());
    }
}
