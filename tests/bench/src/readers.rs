//! The SDK's rounds: a trivial consumer of the SDK, a bare reader and a naive consumer read the same records in turn.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde::Deserialize;

use crate::error::BenchError;
use crate::fill::{Took, events};
use crate::ingest::Bench;
use crate::process::{PATIENCE, Process, sibling};

/// What all of them read.
const TOPIC: &str = "hooks.bench";

const BUILD: &str = "build it first (`make bench` does)";

/// The rates of each round, in records a second.
#[derive(Debug, Default)]
pub struct Reads {
    /// Of the SDK.
    pub sdk: Vec<f64>,
    /// Of the bare reader.
    pub reader: Vec<f64>,
    /// Of the naive consumer.
    pub naive: Vec<f64>,
}

impl Bench<'_> {
    /// All rounds.
    ///
    /// # Errors
    /// Whatever stopped the bench.
    pub fn read(&self) -> Result<Reads, BenchError> {
        let records = self.settings.consumed;
        self.topics.create(TOPIC)?;
        events(self.broker.address(), TOPIC, records)?;
        let stored = self.topics.settled(TOPIC)?;
        if stored != records {
            let peer = "the consumers' producer".to_owned();
            return Err(BenchError::Miscounted { peer, answered: records, stored, in_flight: 0 });
        }
        let mut reads = Reads::default();
        for round in 1..=self.settings.rounds {
            let reader = self.client("read", round)?;
            let naive = self.client("naive-consumer", round)?;
            let sdk = self.sdk(round)?;
            println!(
                "round {round} {records} records: sdk {sdk:.0}/s, bare reader {reader:.0}/s, naive consumer {naive:.0}/s"
            );
            reads.reader.push(reader);
            reads.naive.push(naive);
            reads.sdk.push(sdk);
        }
        Ok(reads)
    }

    fn client(&self, name: &str, round: u32) -> Result<f64, BenchError> {
        let mut command = match name {
            "read" => {
                let mut bare = sibling("bare")?;
                bare.arg("read");
                bare
            }
            _ => {
                let mut naive = sibling("naive-consumer")?;
                naive.arg("--data-dir").arg(self.folder.join(format!("naive-{round}")));
                naive.args(["--group", &format!("naive-{round}")]);
                naive
            }
        };
        command.args(["--broker", self.broker.address(), "--topic", TOPIC]);
        command.args(["--records", &self.settings.consumed.to_string()]);
        let ended = Process::start(name, &mut command, self.folder, BUILD)?.finish(4 * PATIENCE)?;
        Ok(self.settings.consumed as f64 / Took::read(name, &ended.said)?)
    }

    /// From the first look that sees records applied to the first that sees all of them.
    fn sdk(&self, round: u32) -> Result<f64, BenchError> {
        let (ready, data) = (self.folder.join("tally.ready"), self.folder.join(format!("tally-{round}")));
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let group = format!("tally-{round}");
        // A consumer wants its dead letters' topic before it reads anything.
        self.topics.create(&format!("hooks.{group}.dlq"))?;
        let mut tally = sibling("tally")?;
        tally.args(["run", "--broker", self.broker.address(), "--topics", TOPIC, "--admin", "127.0.0.1:0"]);
        tally.args(["--group", &group]).arg("--data-dir").arg(&data);
        tally.arg("--ready-file").arg(&ready);
        let mut process = Process::start("tally", &mut tally, self.folder, BUILD)?;
        let Ready { admin } = process.until(|| serde_json::from_slice(&fs::read(&ready).ok()?).ok())?;
        let applied = || applied(&admin).ok().filter(|&applied| applied > 0).map(|applied| (applied, Instant::now()));
        let (already, start) = process.until(applied)?;
        let all = self.settings.consumed;
        let (_, end) = process.until(|| applied().filter(|&(applied, _)| applied >= all))?;
        process.stop()?;
        Ok((all - already) as f64 / (end - start).as_secs_f64())
    }
}

#[derive(Deserialize)]
struct Ready {
    admin: String,
}

/// How many records the consumer says it applied.
fn applied(admin: &str) -> std::io::Result<u64> {
    let address = admin.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let series = answer.lines().filter(|line| line.starts_with("hooklog_consumer_records_total{"));
    let applied = series.filter(|line| line.contains("outcome=\"applied\""));
    Ok(applied.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum())
}
