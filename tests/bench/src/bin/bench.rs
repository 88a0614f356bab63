//! `make bench`: one run, one Kafka node, interleaved rounds, a line `figure NAME VALUE` for each figure.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::process::ExitCode;

use clap::Parser;
use hooklog_bench::broker::Broker;
use hooklog_bench::error::BenchError;
use hooklog_bench::figures::{self, Figure};
use hooklog_bench::ingest::Bench;
use hooklog_bench::load::Load;
use hooklog_bench::machine;
use hooklog_bench::settings::{Arguments, BODY_BYTES, CONNECTIONS, KEYS, PARTITIONS, Settings};
use hooklog_bench::topic::Topics;
use hooklog_bench::webhook::webhooks;
use hooklog_bench::{idle, outage, sources};

fn main() -> ExitCode {
    match bench(&Settings::from(Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(settings: &Settings) -> Result<(), BenchError> {
    let folder = tempfile::Builder::new().prefix("hooklog-bench-").tempdir()?;
    let broker = Broker::start(folder.path())?;
    println!("machine: {}", machine::description());
    println!("kafka {}: 1 node, heap 512 MiB, {PARTITIONS} partitions, acks=all idempotent", broker.version());
    println!("load: wrk, 2 threads, bodies of {BODY_BYTES} bytes, {KEYS} keys, {} rounds", settings.rounds);
    let topics = Topics::of(broker.address())?;
    let bench = Bench { settings, broker: &broker, topics: &topics, folder: folder.path() };
    let mut load = Load::of(&webhooks(), folder.path())?;
    let mut failures = Vec::new();
    for part in PARTS {
        // A part that fails takes no figure of another with it.
        match part(&bench, &mut load) {
            Ok(figures) => tell(settings, &figures),
            Err(error) => {
                println!("no figure: {error}");
                failures.push(error);
            }
        }
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}

fn tell(settings: &Settings, figures: &[Figure]) {
    for Figure { name, value } in figures.iter().filter(|figure| settings.wants(&figure.name)) {
        println!("figure {name} {value:.3}");
    }
}

type Part = fn(&Bench<'_>, &mut Load) -> Result<Vec<Figure>, BenchError>;

/// What is measured, in this order; each does nothing when none of its figures is asked for.
const PARTS: [Part; 7] = [
    contests,
    idle_latency,
    |bench, _| bench.resident(),
    many_sources,
    |bench, load| outage_under(CONNECTIONS[0], bench, load),
    |bench, load| outage_under(CONNECTIONS[1], bench, load),
    reading,
];

/// The edge beside others.
fn contests(bench: &Bench<'_>, load: &mut Load) -> Result<Vec<Figure>, BenchError> {
    let contests = bench.settings.contests();
    if contests.is_empty() {
        return Ok(Vec::new());
    }
    bench.warm_broker(load)?;
    let rounds = bench.ingest(load)?;
    figures::summary(&rounds).iter().for_each(|line| println!("{line}"));
    Ok(contests.into_iter().flat_map(|connections| figures::edge(&rounds, connections)).collect())
}

fn idle_latency(bench: &Bench<'_>, _: &mut Load) -> Result<Vec<Figure>, BenchError> {
    let asked = idle::FIGURES.into_iter().any(|name| bench.settings.wants(name));
    if asked { bench.idle() } else { Ok(Vec::new()) }
}

fn many_sources(bench: &Bench<'_>, load: &mut Load) -> Result<Vec<Figure>, BenchError> {
    if bench.settings.wants(sources::FIGURE) { bench.sources(load) } else { Ok(Vec::new()) }
}

fn outage_under(connections: usize, bench: &Bench<'_>, load: &mut Load) -> Result<Vec<Figure>, BenchError> {
    let asked = outage::FIGURES.into_iter().any(|name| bench.settings.wants(&format!("{name}_{connections}")));
    if asked { bench.outage(connections, load) } else { Ok(Vec::new()) }
}

fn reading(bench: &Bench<'_>, _: &mut Load) -> Result<Vec<Figure>, BenchError> {
    if bench.settings.reads() { Ok(figures::sdk(&bench.read()?)) } else { Ok(Vec::new()) }
}
