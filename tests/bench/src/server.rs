//! What answers the webhooks: the edge, the naive peer, signatures alone, or a peer in another language.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::edge::{self, Edge};
use crate::error::BenchError;
use crate::foreign::Language;
use crate::process::{Process, sibling};
use crate::webhook::SECRET;

const BUILD: &str = "build it first (`make bench` and `make peers` do)";

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
    /// An afternoon's work in another language.
    Foreign {
        /// Which.
        language: Language,
        /// On so many event loops or processes.
        workers: u32,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge => f.write_str("edge"),
            Self::Naive { linger_ms } => write!(f, "naive-linger-{linger_ms}ms"),
            Self::Signatures => f.write_str("hmac-only"),
            Self::Foreign { language, .. } if language.workers().len() == 1 => f.write_str(language.name()),
            Self::Foreign { language, workers } => write!(f, "{}-{workers}", language.name()),
        }
    }
}

impl Peer {
    /// Where it writes.
    #[must_use]
    pub fn topic(self) -> Option<String> {
        match self {
            Self::Edge => Some(edge::TOPIC.to_owned()),
            Self::Naive { .. } | Self::Foreign { .. } => Some(format!("{self}.github")),
            Self::Signatures => None,
        }
    }

    /// Whether the bench goes on without it when it fails.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::Foreign { .. })
    }

    /// Starts it against the broker at `address` and waits until it serves.
    ///
    /// # Errors
    /// When it is not built, or ends instead.
    pub fn serve(self, address: &str, folder: &Path) -> Result<Server, BenchError> {
        let topic = self.topic().unwrap_or_default();
        let usual = ["--broker", address, "--topic", &topic, "--secret", SECRET];
        let mut command = match self {
            Self::Edge => return Edge::named("edge").serve(address, folder),
            Self::Naive { linger_ms } => {
                let mut naive = sibling("naive")?;
                naive.args(usual).args(["--linger-ms", &linger_ms.to_string()]);
                naive
            }
            Self::Signatures => {
                let mut naive = sibling("naive")?;
                naive.args(["--hmac-only", "--secret", SECRET]);
                naive
            }
            Self::Foreign { language, workers } => {
                let mut foreign = Command::new(language.program().unwrap_or_default());
                foreign.args(usual).args(["--workers", &workers.to_string()]);
                foreign
            }
        };
        start(&self.to_string(), &mut command, folder)
    }
}

#[derive(Deserialize)]
struct Ready {
    ingest: String,
    admin: Option<String>,
}

/// A peer that serves.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where webhooks go.
    pub url: String,
    /// Where it tells of itself, if it does.
    pub admin: Option<String>,
}

/// Starts what takes a `--ready-file` and waits until it serves.
pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Server, BenchError> {
    let ready = folder.join(format!("{name}.ready"));
    if ready.exists() {
        fs::remove_file(&ready)?;
    }
    command.arg("--ready-file").arg(&ready);
    let mut process = Process::start(name, command, folder, BUILD)?;
    let Ready { ingest, admin } = process.until(|| serde_json::from_slice(&fs::read(&ready).ok()?).ok())?;
    Ok(Server { process, url: format!("{ingest}/in/github"), admin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployments_of_a_peer_do_not_share_a_topic() {
        let foreign = |language, workers| Peer::Foreign { language, workers };
        assert_eq!(foreign(Language::Vertx, 2).topic().unwrap(), "vertx-2.github");
        assert_eq!(foreign(Language::Go, 1).topic().unwrap(), "go.github");
        assert_eq!(Peer::Naive { linger_ms: 0 }.topic().unwrap(), "naive-linger-0ms.github");
        assert!(Peer::Signatures.topic().is_none());
    }
}
