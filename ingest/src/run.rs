//! The edge as a process: from the configuration to the drained end.

mod error;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hooklog_kafka::registry::Registry as SchemaRegistry;
use hooklog_kafka::{Connection, Writer, WriterSettings};
use hooklog_process::admin::{Admin, serve as serve_admin};
use hooklog_process::clock::Clock;
use hooklog_process::failpoint::arm_from_environment;
use hooklog_process::hangup::Hangup;
use hooklog_process::health::Health;
use hooklog_process::logging;
use hooklog_process::metrics::Registry;
use hooklog_process::random::Random;
use hooklog_process::ready_file;
use hooklog_process::shown::Shown;
use hooklog_process::shutdown::Shutdown;
use hooklog_schemas::{Frame, TopicName};
use tokio::net::{TcpListener, TcpSocket};

pub use error::RunError;

use crate::config::Config;
use crate::edge::{Edge, EdgeError, Parts};
use crate::fetch;
use crate::listen::{Door, serve};
use crate::reload::{LOOK, Means, Origin, Prepare, Reloader};
use crate::source::Sources;
use crate::spool::{Opened, SpoolError};
use crate::tls::Tls;

/// How long the last records, and those in the spool, may take to be acknowledged after the last request ended. With the drain's 25 s it
/// makes 30.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);

/// What of it is kept for the last records.
const FLUSH_LEAST: Duration = Duration::from_millis(500);

/// How long a start waits to hear how many partitions the topics have.
const LEARN_DEADLINE: Duration = Duration::from_secs(2);

/// Where the process finds its configuration, and where it says that it is ready.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--ready-file`.
    pub ready: Option<PathBuf>,
}

/// Checks the configuration and fetches every secret and certificate, binds nothing.
///
/// # Errors
/// [`RunError`], naming what is wrong and where.
pub fn check(files: &Files) -> Result<(), RunError> {
    let config = Config::load(files.config.as_deref())?;
    if config.sources.is_empty() {
        return Err(RunError::NoSource);
    }
    Sources::build(&config)?;
    Tls::open(&config.tls, &Clock::system())?;
    fetch::check(&config.fetch).map_err(EdgeError::from)?;
    Ok(())
}

/// Serves until a signal, then drains.
///
/// # Errors
/// [`RunError`], before anything is bound where the configuration is to blame.
pub fn run(files: &Files) -> Result<(), RunError> {
    let config = Config::load(files.config.as_deref())?;
    let filter = logging::begin(config.log.format, &config.log.filter)?;
    arm_from_environment()?;
    if config.sources.is_empty() {
        return Err(RunError::NoSource);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime
        .worker_threads(serving_threads(config.threads, std::thread::available_parallelism().map_or(1, usize::from)));
    let runtime = runtime.enable_all().build()?;
    let ended = runtime.block_on(async {
        let shutdown = Shutdown::from_signals()?;
        let outside = Outside { clock: Clock::system(), random: Random::os(), registry: Registry::new(), shutdown };
        let hangup = Hangup::from_signals()?;
        let origin = Origin { file: files.config.clone(), hangup, filter: Some(filter), every: LOOK };
        let running = start_from(Some(origin), config, &outside).await?;
        if let Some(path) = &files.ready {
            ready_file::write(path, &running.addresses())?;
        }
        running.finish().await
    });
    // All that was begun has ended; a configuration on a disk that hangs may still be being read.
    runtime.shutdown_background();
    ended
}

/// As configured, or one for each core but one, which the log's client needs.
fn serving_threads(configured: usize, cores: usize) -> usize {
    if configured > 0 { configured } else { cores.saturating_sub(1).max(1) }
}

/// What an edge takes from the process it lives in.
#[derive(Clone)]
pub struct Outside {
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
    /// Where metrics are declared.
    pub registry: Registry,
    /// The wish that it end.
    pub shutdown: Shutdown,
}

/// An edge that serves.
pub struct Running {
    scheme: &'static str,
    ingest: SocketAddr,
    admin: SocketAddr,
    edge: Arc<Edge>,
    writer: Arc<Writer>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Binds and serves in this process by a configuration that stays as it is: the way of `hooklog dev`.
///
/// # Errors
/// [`RunError`]
pub async fn start(config: Config, outside: &Outside) -> Result<Running, RunError> {
    start_from(None, config, outside).await
}

/// Binds and serves in this process: the binary's way. What changes where the configuration came from is taken over.
///
/// # Errors
/// [`RunError`]
pub async fn start_from(origin: Option<Origin>, config: Config, outside: &Outside) -> Result<Running, RunError> {
    let health = Health::new(outside.clock.clone());
    let serving = health.register("edge");
    let connection = Connection::new(&config.kafka.bootstrap, "hooklog-ingest", &config.kafka.properties)?;
    let sources = Sources::build(&config)?;
    let tls = Tls::open(&config.tls, &outside.clock)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let settings = WriterSettings {
        linger: config.kafka.linger.0,
        queue: config.kafka.queue,
        compression: config.kafka.compression,
        // Whoever waits has a deadline of his own; a record that is given up here would be overtaken by the next of its key.
        message_timeout: Duration::ZERO,
        ..WriterSettings::default()
    };
    let log_metrics = hooklog_kafka::Metrics::register(&outside.registry)?;
    let writer = Arc::new(Writer::start(&connection, &settings, &log_metrics)?);
    let topics: Vec<TopicName> = sources.iter().map(|source| source.topic.clone()).collect();
    let (learning, settings) = (Arc::clone(&writer), config.spool.settings());
    let frame = frame(&config.kafka.registry, &topics).await?;
    let spool = tokio::task::spawn_blocking(move || -> Result<Option<Opened>, SpoolError> {
        let opened = settings.map(|settings| Opened::in_folder(&settings)).transpose()?;
        learn(&learning, &topics);
        Ok(opened)
    });
    let spool = spool.await.map_err(std::io::Error::other)??;
    let parts = Parts {
        spool,
        log: Arc::clone(&writer) as Arc<dyn hooklog_kafka::Append>,
        frame,
        sources,
        clock: outside.clock.clone(),
        random: outside.random.clone(),
        registry: outside.registry.clone(),
        shutdown: outside.shutdown.clone(),
    };
    let edge = Edge::new(&config, parts)?;
    let serving_edge = Arc::clone(&edge);
    let (listener, ingest) = bind("listen", config.listen)?;
    let (admin_listener, admin) = bind("admin", config.admin)?;
    let shown = Shown::default();
    let admin_parts = Admin {
        registry: outside.registry.clone(),
        health,
        config: shown.clone(),
        documents: crate::openapi::served(),
    };
    let means = Means { origin, shown, prepare: prepare(&writer, &config.kafka.registry) };
    let reloader = Reloader::new(Arc::clone(&edge), config.clone(), means);
    tokio::spawn(reloader.run(outside.shutdown.clone()));
    // The admin port outlives the drain, so that it can be watched.
    let admin_end = Shutdown::new();
    tokio::spawn(serve_admin(admin_listener, admin_parts, admin_end.clone()));
    let shutdown = outside.shutdown.clone();
    let served = tokio::spawn(async move {
        serving.ready();
        let drain = {
            let serving = serving.clone();
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                shutdown.requested().await;
                serving.not_ready("draining");
            })
        };
        let served = serve(Door::new(listener, tls), serving_edge, &config).await;
        drain.abort();
        admin_end.request();
        served
    });
    tracing::info!(%ingest, scheme, %admin, "the edge serves");
    Ok(Running { scheme, ingest, admin, edge, writer, served })
}

/// How values are framed: by the registry's number where one is set, else by the schema's fingerprint. Every topic's subject is
/// registered; a registry gives one schema one number.
///
/// # Errors
/// [`RunError`] when the registry does not help.
pub async fn frame(registry: &str, topics: &[TopicName]) -> Result<Frame, RunError> {
    if registry.is_empty() {
        return Ok(Frame::SingleObject);
    }
    let registry = SchemaRegistry::at(registry)?;
    let mut frame = Frame::SingleObject;
    for topic in topics {
        frame = Frame::Registry(registry.register_envelope(topic).await?);
    }
    Ok(frame)
}

/// Asks the brokers how many partitions the topics have. Blocks.
fn learn(writer: &Writer, topics: &[TopicName]) {
    if !writer.learn(topics, LEARN_DEADLINE) {
        tracing::warn!(
            "the brokers have not told how many partitions the topics have; each topic's records share one lane until they do"
        );
    }
}

/// What a start does for its topics is done for those too that come later.
fn prepare(writer: &Arc<Writer>, registry: &str) -> Prepare {
    let (writer, registry) = (Arc::clone(writer), registry.to_owned());
    Box::new(move |topics| {
        let (writer, registry) = (Arc::clone(&writer), registry.clone());
        Box::pin(async move {
            frame(&registry, &topics).await.map_err(|error| error.to_string())?;
            let learned = tokio::task::spawn_blocking(move || learn(&writer, &topics)).await;
            learned.map_err(|error| error.to_string())
        })
    })
}

/// Connections that wait to be accepted. A system takes as many as it is set to (`net.core.somaxconn`) at most; what is beyond has been
/// told by the kernel that it is connected, and is then heard by nobody.
const BACKLOG: u32 = 4096;

fn bind(setting: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // So that an edge can be started again while connections of the last one fade.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|cause| RunError::Bind { setting, address, cause })
}

impl Running {
    /// Where it serves: the content of the ready file.
    #[must_use]
    pub fn addresses(&self) -> serde_json::Value {
        serde_json::json!({
            "ingest": self.url(),
            "admin": format!("http://{}", self.admin),
            "pid": std::process::id(),
        })
    }

    /// Where providers reach it, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.ingest)
    }

    /// Where providers reach it.
    #[must_use]
    pub const fn ingest(&self) -> SocketAddr {
        self.ingest
    }

    /// Where probes reach it.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Waits until it is drained and every record has its report.
    ///
    /// # Errors
    /// [`RunError`] when serving failed.
    pub async fn finish(self) -> Result<(), RunError> {
        self.served.await.map_err(std::io::Error::other)??;
        let until = Instant::now() + FLUSH_DEADLINE;
        let left = self.edge.store.settle(until).await;
        let writer = self.writer;
        let flushed = tokio::task::spawn_blocking(move || {
            writer.flush(until.saturating_duration_since(Instant::now()).max(FLUSH_LEAST))
        });
        let flushed = flushed.await.unwrap_or(false);
        self.edge.store.close().await;
        match (left, flushed) {
            (0, true) => tracing::info!("drained"),
            (0, false) => {
                tracing::warn!("some records had no report when the edge ended; none of them was answered with 2xx");
            }
            (records, _) => {
                tracing::warn!(records, "records stay in the spool; the next start drains them");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FLUSH_DEADLINE, serving_threads};
    use crate::config::Config;

    #[test]
    fn a_shutdown_ends_within_half_a_minute() {
        let drain = Config::defaults().unwrap().drain.0;
        assert!(drain + FLUSH_DEADLINE <= Duration::from_secs(30), "orchestrators kill after 30 s");
    }

    #[test]
    fn a_core_is_left_to_the_logs_client_where_there_is_more_than_one() {
        assert_eq!([1, 2, 8].map(|cores| serving_threads(0, cores)), [1, 1, 7]);
        assert_eq!(serving_threads(8, 2), 8, "what is configured holds");
    }
}
