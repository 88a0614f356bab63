//! An edge in this process, with its own folder of secrets and a log in memory.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use hooklog_ingest::config::Config;
use hooklog_ingest::edge::{Edge, Parts};
use hooklog_ingest::listen::serve;
use hooklog_ingest::source::Sources;
use hooklog_kafka::Incoming;
use hooklog_kafka::testing::MemoryLog;
use hooklog_process::clock::{Clock, ManualClock};
use hooklog_process::metrics::{self, Registry};
use hooklog_process::random::Random;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::{Frame, TopicName};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// 2023-11-14T22:13:20Z, the edge's time until a test moves it.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) const SECRET: &str = "a secret of thirty-two characters";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) log: MemoryLog,
    pub(crate) shutdown: Shutdown,
    pub(crate) hand: ManualClock,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
    edge: Arc<Edge>,
    topics: Vec<TopicName>,
    registry: Registry,
    _folder: TempDir,
}

/// The configuration: defaults, the given settings, and a GitHub source unless sources are given.
pub(crate) fn config(folder: &Path, settings: &str) -> Config {
    let secret = folder.join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = settings.replace("$SECRET", &format!("{{ id = \"a\", file = {:?} }}", secret.display().to_string()));
    let file = folder.join("edge.toml");
    let sources = if settings.contains("[sources.") {
        ""
    } else {
        "[sources.github]\nprovider = \"github\"\nsecrets = [$SECRET]\n"
    };
    let sources = sources.replace("$SECRET", &format!("{{ id = \"a\", file = {:?} }}", secret.display().to_string()));
    std::fs::write(&file, format!("{settings}\n{sources}")).unwrap();
    Config::load(Some(&file)).unwrap()
}

pub(crate) async fn start(settings: &str) -> Server {
    start_with(settings, MemoryLog::new()).await
}

pub(crate) async fn start_with(settings: &str, log: MemoryLog) -> Server {
    start_framed(settings, log, Frame::SingleObject).await
}

pub(crate) async fn start_framed(settings: &str, log: MemoryLog, frame: Frame) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), settings);
    let (clock, hand) = Clock::manual(NOW * 1000);
    let (registry, shutdown) = (Registry::new(), Shutdown::new());
    let parts = Parts {
        sources: Sources::build(&config).unwrap(),
        log: Arc::new(log.clone()),
        frame,
        clock,
        random: Random::seeded(1),
        registry: registry.clone(),
        shutdown: shutdown.clone(),
    };
    let edge = Edge::new(&config, parts).unwrap();
    let mut topics = Vec::new();
    for source in edge.sources().iter() {
        // Making a topic changes the log that the edge has: clones are the same log.
        let _same = log.clone().with_topic(&source.topic, NonZeroU32::MIN);
        topics.push(source.topic.clone());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Arc::clone(&edge);
    let served = tokio::spawn(async move { serve(listener, serving, &config).await });
    Server { address, log, shutdown, hand, served, edge, topics, registry, _folder: folder }
}

impl Server {
    /// How many requests ended so.
    pub(crate) fn outcome(&self, label: &str) -> u64 {
        self.sum(&format!("outcome=\"{label}\""), "hooklog_ingest_requests_total")
    }

    /// How many requests ended at all.
    pub(crate) fn outcomes(&self) -> u64 {
        self.sum("", "hooklog_ingest_requests_total")
    }

    pub(crate) fn closed(&self, reason: &str) -> u64 {
        self.sum(&format!("reason=\"{reason}\""), "hooklog_ingest_connections_closed_total")
    }

    pub(crate) fn limit(&self, what: &str) -> u64 {
        self.sum(&format!("what=\"{what}\""), "hooklog_ingest_limit")
    }

    fn sum(&self, label: &str, name: &str) -> u64 {
        let text = metrics::text(&self.registry).unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Whether a request is between its headers and its end.
    pub(crate) fn has_request_in_hand(&self) -> bool {
        self.edge.requests_in_hand() > 0
    }

    /// What the log holds.
    pub(crate) fn records(&self) -> Vec<Incoming> {
        self.topics.iter().flat_map(|topic| self.log.all(topic)).collect()
    }

    /// How many records the log holds.
    pub(crate) fn stored(&self) -> usize {
        self.records().len()
    }
}
