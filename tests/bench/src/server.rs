//! What answers the webhooks: the edge, the naive peer, or signatures alone.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::BenchError;
use crate::process::{Process, sibling};
use crate::webhook::SECRET;

const BUILD: &str = "build it first (`make bench` does)";

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// `hooklog-ingest`.
    Edge,
    /// An afternoon's work, with this linger.
    Naive {
        /// In milliseconds.
        linger_ms: u32,
    },
    /// The same without Kafka: nothing but HTTP and HMAC-SHA-256.
    Signatures,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge => f.write_str("edge"),
            Self::Naive { linger_ms } => write!(f, "naive-linger-{linger_ms}ms"),
            Self::Signatures => f.write_str("hmac-only"),
        }
    }
}

impl Peer {
    /// Where it writes.
    #[must_use]
    pub const fn topic(self) -> Option<&'static str> {
        match self {
            Self::Edge => Some("hooks.github"),
            Self::Naive { linger_ms: 0 } => Some("naive.github"),
            Self::Naive { .. } => Some("naive-lingering.github"),
            Self::Signatures => None,
        }
    }

    /// Starts it against the broker at `address` and waits until it serves.
    ///
    /// # Errors
    /// When it is not built, or ends instead.
    pub fn serve(self, address: &str, folder: &Path) -> Result<Server, BenchError> {
        let ready = folder.join(format!("{self}.ready"));
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let mut command = match self {
            Self::Edge => {
                let mut edge = sibling("hooklog-ingest")?;
                edge.arg("--config").arg(edge_config(address, folder)?);
                edge
            }
            Self::Naive { linger_ms } => {
                let mut naive = sibling("naive")?;
                naive.args(["--broker", address, "--secret", SECRET, "--topic", self.topic().unwrap_or_default()]);
                naive.args(["--linger-ms", &linger_ms.to_string()]);
                naive
            }
            Self::Signatures => {
                let mut naive = sibling("naive")?;
                naive.args(["--hmac-only", "--secret", SECRET]);
                naive
            }
        };
        command.arg("--ready-file").arg(&ready);
        let mut process = Process::start(&self.to_string(), &mut command, folder, BUILD)?;
        let Ready { ingest } = process.until(|| serde_json::from_slice(&fs::read(&ready).ok()?).ok())?;
        Ok(Server { process, url: format!("{ingest}/in/github") })
    }
}

#[derive(Deserialize)]
struct Ready {
    ingest: String,
}

/// A peer that serves.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where webhooks go.
    pub url: String,
}

/// The edge as it comes: what is not said here are its defaults, or what the environment sets.
fn edge_config(address: &str, folder: &Path) -> Result<PathBuf, BenchError> {
    let (config, secret) = (folder.join("edge.toml"), folder.join("secret"));
    if !secret.exists() {
        // The edge refuses a secret that others can read.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret)?.write_all(SECRET.as_bytes())?;
    }
    let text = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[kafka]\nbootstrap = {address:?}\n\
         [spool]\ndir = {:?}\n[sources.github]\nprovider = \"github\"\nsecrets = [{{ id = \"bench\", file = {:?} }}]\n",
        folder.join("spool").display().to_string(),
        secret.display().to_string()
    );
    fs::write(&config, text)?;
    Ok(config)
}
