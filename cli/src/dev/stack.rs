//! Everything that `hooklog dev` runs, started from the log up and stopped from the edge down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use hooklog_ingest::run::{Outside, RunError, Running as Edge, start as start_edge};
use hooklog_kafka::{Connection, Tail};
use hooklog_ledger::sandbox::Sandbox;
use hooklog_process::admin::{Admin, serve as serve_admin};
use hooklog_process::clock::Clock;
use hooklog_process::exit::Exit;
use hooklog_process::health::Health;
use hooklog_process::metrics::Registry;
use hooklog_process::random::Random;
use hooklog_process::shown::Shown;
use hooklog_process::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::dev::board::Report;
use crate::dev::broker::Inside;
use crate::dev::consumers::{self, Consumers};
use crate::dev::events::{self, Ears};
use crate::dev::sources::{self, DevSource};
use crate::dev::watched::Reports;
use crate::failure::Failure;
use crate::home::{Held, Running};
use crate::output::Output;
use crate::topics;

/// Partitions of each topic: enough that order per key is seen to be all there is, few enough for one machine.
const PARTITIONS: u32 = 2;

/// Reports of consumers that wait to be printed.
const REPORTS_LIMIT: usize = 65_536;

/// Where a part listens that nobody needs to know beforehand.
const ANY: &str = "127.0.0.1:0";

/// What the line asked for.
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) sources: Option<PathBuf>,
    pub(crate) broker: Option<String>,
}

/// Everything at work.
pub(crate) struct Stack {
    pub(crate) running: Running,
    pub(crate) sources: Vec<DevSource>,
    /// The usual port of brokers was taken.
    pub(crate) moved: bool,
    clock: Clock,
    broker: Option<Inside>,
    edge: Edge,
    edge_stop: Shutdown,
    consumers: Consumers,
    reports: Option<(Reports, mpsc::Receiver<Report>)>,
    registry: Registry,
    /// Ends what serves the others: the sandbox, the consumers' admin port.
    beside: Shutdown,
}

impl Stack {
    /// Starts everything.
    pub(crate) async fn start(
        held: &Held,
        options: &Options,
        clock: &Clock,
        random: &Random,
        signals: Shutdown,
    ) -> Result<Self, Failure> {
        let mut config = sources::config(options.sources.as_deref(), held, random)?;
        let sources = sources::of(&config)?;
        let broker = match options.broker {
            Some(_) => None,
            None => Some(Inside::start(held.home().log())?),
        };
        let bootstrap = match (&broker, &options.broker) {
            (Some(inside), _) => inside.address().to_string(),
            (None, outside) => outside.clone().unwrap_or_default(),
        };
        make_topics(&bootstrap, &sources).await?;
        (config.listen, config.admin) = (options.listen, options.admin);
        config.kafka.bootstrap.clone_from(&bootstrap);
        config.spool.dir = held.home().spool();
        let edge_stop = signals.child();
        let outside = Outside {
            clock: clock.clone(),
            random: random.clone(),
            registry: Registry::new(),
            shutdown: edge_stop.clone(),
        };
        let edge = start_edge(config, &outside).await.map_err(|error| refused(&error))?;
        let beside = Shutdown::new();
        let payments = sandbox(&beside).await?;
        let (registry, health) = (Registry::new(), Health::new(clock.clone()));
        let consumers_admin = consumers_admin(&registry, &health, &beside).await?;
        let (sender, reports) = mpsc::channel(REPORTS_LIMIT);
        let told = Reports::to(sender);
        let consumers = Consumers::start(&consumers::Start {
            bootstrap: &bootstrap,
            payments: &payments,
            state: held.home().state(),
            sources: &sources,
            partitions: PARTITIONS,
            reports: told.clone(),
            clock: clock.clone(),
            random: random.clone(),
            registry: registry.clone(),
            health,
        })?;
        Ok(Self {
            running: Running {
                ingest: edge.url(),
                admin: format!("http://{}", edge.admin()),
                consumers: format!("http://{consumers_admin}"),
                bootstrap,
                payments,
                data_dir: held.home().root().to_owned(),
                secrets: sources
                    .iter()
                    .filter_map(|source| Some((source.name.to_string(), source.secret.clone()?)))
                    .collect(),
                providers: sources.iter().map(|source| (source.name.to_string(), source.provider.clone())).collect(),
                pid: std::process::id(),
            },
            moved: broker.as_ref().is_some_and(Inside::moved),
            sources,
            clock: clock.clone(),
            broker,
            edge,
            edge_stop,
            consumers,
            reports: Some((told, reports)),
            registry,
            beside,
        })
    }

    /// Waits until the consumers have their partitions; false when it is to end before that.
    pub(crate) async fn ready(&mut self, shutdown: &Shutdown) -> bool {
        let ended = self.ended();
        tokio::select! {
            () = self.consumers.ready() => !ended.iter().any(CancellationToken::is_cancelled),
            () = shutdown.requested() => false,
        }
    }

    /// Reads the log's end from now on, for [`Stack::watch`]: whatever comes after this is shown.
    pub(crate) async fn listen(&self) -> Result<Tail, Failure> {
        let bootstrap = self.running.bootstrap.clone();
        let topics: Vec<_> = consumers::readers(&self.sources).into_keys().collect();
        blocking(move || events::listen(&bootstrap, &topics)).await?
    }

    /// Prints events, if there is an output, until a signal or until a part ends on its own.
    pub(crate) async fn watch(&mut self, printer: Option<(Tail, Output)>, shutdown: &Shutdown) -> Result<(), Failure> {
        let stop = shutdown.child();
        let printing = match (printer, self.reports.take()) {
            (Some((tail, output)), Some((lost, reports))) => {
                let ears = Ears {
                    readers: consumers::readers(&self.sources),
                    reports,
                    lost,
                    registry: self.registry.clone(),
                    clock: self.clock.clone(),
                    shutdown: stop.clone(),
                };
                Some(events::start(tail, ears, output)?)
            }
            _ => None,
        };
        let broker = self.broker.as_ref().map_or_else(CancellationToken::new, Inside::ended);
        let consumers = self.consumers.ended();
        tokio::select! {
            () = shutdown.requested() => {}
            () = broker.cancelled() => {}
            () = consumers.cancelled() => {}
        }
        stop.request();
        if let Some(printing) = printing {
            let clock = self.clock.clone();
            blocking(move || events::join(printing, &clock)).await?;
        }
        Ok(())
    }

    /// Stops everything: the edge drains, the consumers book what they read, the broker goes last.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.edge_stop.request();
        let edge = self.edge.finish().await.map_err(|error| refused(&error));
        let consumers = self.consumers;
        let consumers = blocking(move || consumers.stop()).await?;
        self.beside.request();
        let broker = match self.broker {
            Some(inside) => blocking(move || inside.stop()).await?,
            None => Ok(()),
        };
        // The broker's end explains a consumer's, and a consumer's that of the edge.
        broker.and(consumers).and(edge)
    }

    fn ended(&self) -> Vec<CancellationToken> {
        self.broker.iter().map(Inside::ended).chain([self.consumers.ended()]).collect()
    }
}

async fn make_topics(bootstrap: &str, sources: &[DevSource]) -> Result<(), Failure> {
    let connection = Connection::plain(bootstrap, "hooklog-dev");
    let names: Vec<_> = sources.iter().map(|source| source.name.clone()).collect();
    let groups: Vec<String> = consumers::readings(sources).into_iter().map(|(name, _)| name.to_owned()).collect();
    let renamed: BTreeMap<_, _> = sources
        .iter()
        .map(|source| (hooklog_schemas::TopicName::of_source(&source.name), source.topic.clone()))
        .collect();
    blocking(move || {
        let shape = topics::Shape { replication: None, partitions: i32::try_from(PARTITIONS).ok() };
        let mut wanted = topics::wanted(&names, &groups)?;
        for topic in &mut wanted {
            if let Some(name) = renamed.get(&topic.name) {
                topic.name.clone_from(name);
            }
        }
        wanted.dedup_by(|a, b| a.name == b.name);
        topics::apply(&connection, &wanted, &shape).map(drop)
    })
    .await?
}

async fn sandbox(beside: &Shutdown) -> Result<String, Failure> {
    let (listener, address) = listen("the payments sandbox").await?;
    let shutdown = beside.clone();
    tokio::spawn(async move {
        if let Err(error) = Sandbox::new().serve(listener, shutdown).await {
            tracing::error!(%error, "the payments sandbox ended");
        }
    });
    Ok(format!("http://{address}"))
}

async fn consumers_admin(registry: &Registry, health: &Health, beside: &Shutdown) -> Result<SocketAddr, Failure> {
    let (listener, address) = listen("the consumers' admin port").await?;
    let admin = Admin {
        registry: registry.clone(),
        health: health.clone(),
        config: Shown::default(),
        documents: std::sync::Arc::default(),
    };
    tokio::spawn(serve_admin(listener, admin, beside.clone()));
    Ok(address)
}

async fn listen(what: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = TcpListener::bind(ANY).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| Failure::Internal(format!("no port for {what}: {error}")))
}

/// Runs what blocks where it holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::Internal(error.to_string()))
}

/// An edge that does not start, or ended badly, with its own exit code.
fn refused(error: &RunError) -> Failure {
    if let RunError::Bind { setting, .. } = error {
        return Failure::Refused(format!("{error}; choose another with --{setting} (port 0 takes a free one)"));
    }
    match error.exit() {
        Exit::Config => Failure::Config(error.to_string()),
        Exit::Internal => Failure::Internal(error.to_string()),
        _ => Failure::Refused(error.to_string()),
    }
}
