//! The load: `wrk` on two threads with keep-alive connections, each sending its next webhook as soon as it has an answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::error::BenchError;
use crate::machine::CpuSeconds;
use crate::process::{PATIENCE, Process};
use crate::webhook::Webhook;

const SCRIPT: &str = include_str!("load.lua");

const NO_WRK: &str = "install wrk (Debian and Ubuntu: apt-get install wrk)";

/// A load generator with its webhooks in a file.
pub struct Load {
    folder: PathBuf,
    script: PathBuf,
    runs: u64,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answers {
    /// Answers with 2xx.
    pub stored: u64,
    /// Answers with 4xx or 5xx, and connections that broke.
    pub failed: u64,
    /// How long it took.
    pub seconds: f64,
    /// The median of an answer's latency, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// CPU of the load generator itself.
    pub cpu: CpuSeconds,
}

#[derive(Deserialize)]
struct Summary {
    requests: u64,
    micros: u64,
    refused: u64,
    broken: u64,
    p50_micros: u64,
    p99_micros: u64,
}

impl Load {
    /// Writes the script with all webhooks to `folder`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn of(webhooks: &[Webhook], folder: &Path) -> Result<Self, BenchError> {
        let table = |name: &str, values: &mut dyn Iterator<Item = &str>| {
            let values: Vec<String> = values.map(|value| format!("[==[{value}]==]")).collect();
            format!("{name} = {{\n{}\n}}\n", values.join(",\n"))
        };
        let bodies = table("BODIES", &mut webhooks.iter().map(|webhook| webhook.body.as_str()));
        let signatures = table("SIGNATURES", &mut webhooks.iter().map(|webhook| webhook.signature.as_str()));
        let script = folder.join("load.lua");
        fs::write(&script, bodies + &signatures + SCRIPT)?;
        Ok(Self { folder: folder.to_owned(), script, runs: 0 })
    }

    /// Sends to `url` on `connections` for so long.
    ///
    /// # Errors
    /// When `wrk` is not there or fails.
    pub fn run(&mut self, url: &str, connections: usize, length: Duration) -> Result<Answers, BenchError> {
        self.spread(url, connections, length, 0)
    }

    /// The same to `url-0`, `url-1` and on, so many of them in turn; with 0 to `url` alone.
    ///
    /// # Errors
    /// When `wrk` is not there or fails.
    pub fn spread(
        &mut self,
        url: &str,
        connections: usize,
        length: Duration,
        sources: usize,
    ) -> Result<Answers, BenchError> {
        // A part of every delivery id, so that none comes twice.
        self.runs += 1;
        let mut wrk = Command::new("wrk");
        wrk.arg("-t2").arg(format!("-c{connections}")).arg(format!("-d{}s", length.as_secs().max(1)));
        wrk.arg("-s").arg(&self.script).arg(url).arg("--").arg(format!("{:08x}-0000-0000", self.runs));
        wrk.arg(sources.to_string());
        let process = Process::start("wrk", &mut wrk, &self.folder, NO_WRK)?;
        let ended = process.finish(length + PATIENCE)?;
        let summary = ended.said.lines().find_map(|line| line.strip_prefix("summary "));
        let summary: Option<Summary> = summary.and_then(|text| serde_json::from_str(text).ok());
        let summary = summary.ok_or_else(|| BenchError::Said {
            name: "wrk".to_owned(),
            said: ended.said.clone(),
            expected: "summary",
        })?;
        Ok(Answers {
            stored: summary.requests.saturating_sub(summary.refused),
            failed: summary.refused + summary.broken,
            seconds: summary.micros as f64 / 1e6,
            p50_ms: summary.p50_micros as f64 / 1e3,
            p99_ms: summary.p99_micros as f64 / 1e3,
            cpu: ended.cpu,
        })
    }
}

impl Answers {
    /// Answers with 2xx a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.stored as f64 / self.seconds
    }
}
