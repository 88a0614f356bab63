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
use hooklog_bench::settings::{Arguments, BODY_BYTES, KEYS, PARTITIONS, Settings};
use hooklog_bench::topic::Topics;
use hooklog_bench::webhook::webhooks;

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
    let mut figures: Vec<Figure> = Vec::new();
    if !settings.connections().is_empty() {
        let mut load = Load::of(&webhooks(), folder.path())?;
        let rounds = bench.ingest(&mut load)?;
        figures.extend(settings.connections().into_iter().flat_map(|connections| figures::edge(&rounds, connections)));
    }
    if settings.reads() {
        figures.extend(figures::sdk(&bench.read()?));
    }
    for Figure { name, value } in figures.iter().filter(|figure| settings.wants(&figure.name)) {
        println!("figure {name} {value:.3}");
    }
    Ok(())
}
