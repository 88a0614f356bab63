//! Peers in other languages: what `make peers` built of `tests/bench/peers`, each with the deployments that its ecosystem has for a
//! machine of two cores.

use std::path::{Path, PathBuf};

/// Where a peer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// Vert.x and Kafka's own client, on Java.
    Vertx,
    /// net/http and franz-go.
    Go,
    /// node:http and kafkajs.
    Node,
    /// FastAPI, uvicorn and aiokafka.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Vertx, Self::Go, Self::Node, Self::Python];

    /// As in the figures' names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vertx => "vertx",
            Self::Go => "go",
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    /// Event loops or processes to try; the better number is what the edge is held against. Go has one process on all cores.
    #[must_use]
    pub const fn workers(self) -> &'static [u32] {
        match self {
            Self::Go => &[1],
            Self::Vertx | Self::Node | Self::Python => &[1, 2],
        }
    }

    /// What starts it, if it is built.
    #[must_use]
    pub fn program(self) -> Option<PathBuf> {
        Some(self.program_in(&folder())).filter(|program| program.is_file())
    }

    fn program_in(self, folder: &Path) -> PathBuf {
        folder.join(self.name()).join("run")
    }
}

/// `HOOKLOG_PEERS`, or where `make peers` puts them.
fn folder() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/hooklog/peers");
    std::env::var_os("HOOKLOG_PEERS").map_or_else(home, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_sources_a_build_and_a_start() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let build = std::fs::read_to_string(sources.join("build")).unwrap();
        for language in Language::ALL {
            assert!(sources.join(language.name()).is_dir(), "{}", language.name());
            assert!(build.contains(&format!("\nbuild {} ", language.name())), "{}", language.name());
            assert!(!language.workers().is_empty());
        }
        assert_eq!(Language::Go.program_in(Path::new("peers")), Path::new("peers/go/run"));
    }
}
