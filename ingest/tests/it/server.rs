//! An edge in this process, with its own folder of secrets and a log in memory.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hooklog_disk::{Disk, DiskError};
use hooklog_ingest::config::Config;
use hooklog_ingest::edge::{Edge, Parts};
use hooklog_ingest::listen::{Door, serve};
use hooklog_ingest::source::Sources;
use hooklog_ingest::spool::Opened;
use hooklog_ingest::tls::Tls;
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

use crate::request::{Answer, PATIENCE, exchange};

/// 2023-11-14T22:13:20Z, the edge's time until a test moves it.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) const SECRET: &str = "a secret of thirty-two characters";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) log: MemoryLog,
    pub(crate) shutdown: Shutdown,
    pub(crate) hand: ManualClock,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
    pub(crate) edge: Arc<Edge>,
    topics: Vec<TopicName>,
    registry: Registry,
    folder: TempDir,
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
    start_whole(settings, log, frame, None).await
}

/// An edge with a spool on this disk.
pub(crate) async fn start_spooling(
    settings: &str,
    log: MemoryLog,
    disk: impl Fn() -> Opening + Send + 'static,
) -> Server {
    start_whole(settings, log, Frame::SingleObject, Some(Box::new(disk))).await
}

/// Why an edge with these settings is not built.
pub(crate) async fn refused(settings: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), settings);
    let parts = Parts {
        sources: Sources::build(&config).unwrap(),
        log: Arc::new(MemoryLog::new()),
        spool: None,
        frame: Frame::SingleObject,
        clock: Clock::system(),
        random: Random::seeded(1),
        registry: Registry::new(),
        shutdown: Shutdown::new(),
    };
    Edge::new(&config, parts).err().unwrap().to_string()
}

/// A spool's settings as they come.
pub(crate) fn spool_settings() -> hooklog_ingest::spool::Settings {
    Config::defaults().unwrap().spool.settings().unwrap()
}

/// What a spool opens its disk with.
pub(crate) type Opening = Result<Box<dyn Disk>, DiskError>;

async fn start_whole(
    settings: &str,
    log: MemoryLog,
    frame: Frame,
    disk: Option<Box<dyn Fn() -> Opening + Send>>,
) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), settings);
    config.spool.dir = folder.path().to_owned();
    let spool = disk.zip(config.spool.settings()).map(|(disk, settings)| Opened::on(&settings, disk).unwrap());
    let (clock, hand) = Clock::manual(NOW * 1000);
    let (registry, shutdown) = (Registry::new(), Shutdown::new());
    let tls = Tls::open(&config.tls, &clock).unwrap();
    let parts = Parts {
        sources: Sources::build(&config).unwrap(),
        log: Arc::new(log.clone()),
        spool,
        frame,
        clock,
        random: Random::seeded(1),
        registry: registry.clone(),
        shutdown: shutdown.clone(),
    };
    let edge = Edge::new(&config, parts).unwrap();
    let mut topics = Vec::new();
    for source in edge.sources().current().iter() {
        // Making a topic changes the log that the edge has: clones are the same log.
        let _same = log.clone().with_topic(&source.topic, NonZeroU32::MIN);
        topics.push(source.topic.clone());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Arc::clone(&edge);
    let served = tokio::spawn(async move { serve(Door::new(listener, tls), serving, &config).await });
    Server { address, log, shutdown, hand, served, edge, topics, registry, folder }
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

    pub(crate) fn quarantined(&self, result: &str) -> u64 {
        self.sum(&format!("result=\"{result}\""), "hooklog_ingest_quarantined_total")
    }

    pub(crate) fn spool_refused(&self, limit: &str) -> u64 {
        self.sum(&format!("limit=\"{limit}\""), "hooklog_ingest_spool_refused_total")
    }

    /// The sum of all series of this name.
    pub(crate) fn value(&self, name: &str) -> u64 {
        self.sum("", name)
    }

    /// How many bodies a schema said this of.
    pub(crate) fn schema(&self, result: &str) -> u64 {
        self.sum(&format!("result=\"{result}\""), "hooklog_ingest_schema_total")
    }

    /// Where its configuration and its secret lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The sum of a metric's series that have this label.
    pub(crate) fn sum(&self, label: &str, name: &str) -> u64 {
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

    /// Sends the request until its answer is as wished; fails when that takes too long.
    pub(crate) async fn until(&self, wished: impl Fn(u16) -> bool, request: &[u8]) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = exchange(self, request).await;
            if wished(answer.status) {
                return answer;
            }
            assert!(Instant::now() < deadline, "the answer stays {answer:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the log holds so many records.
    pub(crate) async fn until_stored(&self, records: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.stored() < records {
            assert!(Instant::now() < deadline, "the log holds {} records", self.stored());
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the spool holds so many records.
    pub(crate) async fn until_held(&self, records: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let held = self.sum("what=\"records\"", "hooklog_ingest_spool_held");
            if held == records {
                return;
            }
            assert!(Instant::now() < deadline, "the spool holds {held} records");
            tokio::task::yield_now().await;
        }
    }

    /// How many records the log holds.
    pub(crate) fn stored(&self) -> usize {
        self.records().len()
    }
}
