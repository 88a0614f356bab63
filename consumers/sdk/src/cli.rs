//! The whole binary of a consumer: flags, configuration, logging, the admin port, signals and exit codes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use hooklog_process::admin::{self, Admin};
use hooklog_process::clock::Clock;
use hooklog_process::config::{ConfigError, Layers};
use hooklog_process::exit::Exit;
use hooklog_process::health::Health;
use hooklog_process::metrics::{MetricsError, Registry};
use hooklog_process::random::Random;
use hooklog_process::shown::Shown;
use hooklog_process::shutdown::Shutdown;
use hooklog_process::{failpoint, logging, ready_file};
use hooklog_schemas::TopicName;
use tokio::sync::oneshot;

use crate::consumer::Consumer;
use crate::runner::{Parts, RunError, Runner, RunnerMetrics};
use crate::settings::{DEFAULTS, PREFIX, Settings};

/// The flags of a running consumer; each goes over the file and the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunArgs {
    /// Brokers, host:port, separated by commas
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<String>,
    /// Topics to read, separated by commas
    #[arg(long, value_name = "TOPIC", value_delimiter = ',')]
    pub topics: Vec<TopicName>,
    /// Where the state lies; it must outlive the process
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Consumer group; the consumer's name by default
    #[arg(long)]
    pub group: Option<String>,
    /// Where health and metrics are served
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: Option<SocketAddr>,
    /// Written once every assigned partition is being read: {"admin": URL, "pid": N}
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Settings, TOML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Why a consumer's process ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Logging(#[from] logging::LoggingError),
    #[error("{0}")]
    Failpoint(#[from] failpoint::FailpointError),
    #[error("{0}")]
    Metrics(#[from] MetricsError),
    #[error("{what}: {cause}")]
    Io { what: String, cause: std::io::Error },
    #[error("the effective configuration can't be shown: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Run(#[from] RunError),
}

#[derive(Parser)]
#[command(version, about, subcommand_negates_reqs = true)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Reads the log and handles events until it is stopped (the default)
    Run(RunArgs),
}

/// The whole `main` of a consumer without flags of its own.
#[must_use]
pub fn main<C: Consumer>(consumer: C) -> ExitCode {
    let flags = Flags::parse();
    let args = flags.command.map_or(flags.run, |Command::Run(args)| args);
    run(consumer, &args)
}

/// Runs a consumer until a signal; for a `main` with flags of its own.
#[must_use]
pub fn run<C: Consumer>(consumer: C, args: &RunArgs) -> ExitCode {
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(run_until_signal(consumer, args));
        // Calls that were called off may hold threads: the process does not wait for them.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            match &failure {
                // Logging has not begun.
                Failure::Config(_) | Failure::Logging(_) => eprintln!("{}: {failure}", C::NAME),
                _ => tracing::error!(consumer = C::NAME, %failure, "consumer ends"),
            }
            exit(&failure).into()
        }
    }
}

/// The settings from file, environment and flags.
///
/// # Errors
/// [`ConfigError`] names the key and where it was set.
pub fn settings(name: &str, args: &RunArgs) -> Result<Settings, ConfigError> {
    let layers = Layers { defaults: DEFAULTS, file: args.config.as_deref(), prefix: PREFIX };
    let mut settings: Settings = layers.load()?;
    if settings.group.is_empty() {
        name.clone_into(&mut settings.group);
    }
    let RunArgs { broker, topics, data_dir, group, admin, .. } = args.clone();
    if let Some(broker) = broker {
        settings.kafka.bootstrap = broker;
    }
    if !topics.is_empty() {
        settings.topics = topics;
    }
    settings.data_dir = data_dir.unwrap_or(settings.data_dir);
    settings.group = group.unwrap_or(settings.group);
    settings.admin = admin.unwrap_or(settings.admin);
    Ok(settings)
}

async fn run_until_signal<C: Consumer>(consumer: C, args: &RunArgs) -> Result<(), Failure> {
    let settings = settings(C::NAME, args)?;
    logging::begin(settings.log.format, &settings.log.filter)?;
    failpoint::arm_from_environment()?;
    settings.check().map_err(RunError::from)?;
    let shutdown = Shutdown::from_signals().map_err(|cause| failed("signals can't be handled", cause))?;
    let (clock, registry) = (Clock::system(), Registry::new());
    let health = Health::new(clock.clone());
    let parts =
        Parts { clock, random: Random::os(), health: health.clone(), metrics: RunnerMetrics::register(&registry)? };

    let listener = tokio::net::TcpListener::bind(settings.admin).await;
    let listener = listener.map_err(|cause| failed(&format!("admin port {}", settings.admin), cause))?;
    let address = listener.local_addr().map_err(|cause| failed("admin port", cause))?;
    let shown = Shown::new(serde_json::to_value(&settings)?);
    let admin = Admin { registry, health, config: shown, documents: std::sync::Arc::default() };
    let serving = tokio::spawn(admin::serve(listener, admin, shutdown.clone()));

    let (sender, ready) = oneshot::channel();
    let ready_path = args.ready_file.clone();
    let readied = tokio::spawn(async move {
        match (ready.await, ready_path) {
            (Ok(()), Some(path)) => write_ready(&path, address),
            _ => Ok(()),
        }
    });
    let outcome = Runner::new(consumer, settings, parts).tell_ready(sender).run(shutdown.clone()).await;
    shutdown.request();
    // A task that panicked has said so already.
    let _ = serving.await;
    outcome?;
    readied.await.unwrap_or(Ok(()))
}

fn write_ready(path: &Path, address: SocketAddr) -> Result<(), Failure> {
    let content = serde_json::json!({ "admin": format!("http://{address}"), "pid": std::process::id() });
    ready_file::write(path, &content).map_err(|cause| failed(&path.display().to_string(), cause))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|cause| failed("no threads", cause))
}

fn failed(what: &str, cause: std::io::Error) -> Failure {
    Failure::Io { what: what.to_owned(), cause }
}

const fn exit(failure: &Failure) -> Exit {
    match failure {
        Failure::Config(_)
        | Failure::Logging(_)
        | Failure::Failpoint(_)
        | Failure::Run(RunError::Setting(_) | RunError::Connection(_)) => Exit::Config,
        Failure::Io { .. } => Exit::Io,
        Failure::Run(RunError::Admin(_) | RunError::Read(_)) => Exit::Unavailable,
        Failure::Run(RunError::MissingTopic { .. } | RunError::Fatal(_)) => Exit::Refused,
        Failure::Metrics(_) | Failure::Json(_) => Exit::Internal,
    }
}
