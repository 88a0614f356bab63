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
    let mut figures = contests(&bench, &mut load)?;
    figures.extend(extremes(&bench, &mut load)?);
    if settings.reads() {
        figures.extend(figures::sdk(&bench.read()?));
    }
    for Figure { name, value } in figures.iter().filter(|figure| settings.wants(&figure.name)) {
        println!("figure {name} {value:.3}");
    }
    Ok(())
}

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

/// The edge idle, with thousands of connections or sources, and without Kafka.
fn extremes(bench: &Bench<'_>, load: &mut Load) -> Result<Vec<Figure>, BenchError> {
    let mut figures = Vec::new();
    let wants = |name: &str| bench.settings.wants(name);
    if idle::FIGURES.into_iter().any(wants) {
        figures.extend(bench.idle()?);
    }
    figures.extend(bench.resident()?);
    if wants(sources::FIGURE) {
        figures.extend(bench.sources(load)?);
    }
    for connections in CONNECTIONS {
        if outage::FIGURES.into_iter().any(|name| wants(&format!("{name}_{connections}"))) {
            figures.extend(bench.outage(connections, load)?);
        }
    }
    Ok(figures)
}
