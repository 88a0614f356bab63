//! The dev broker as a process of its own, for tests that kill it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use hooklog_devbroker::{Broker, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A one-node Kafka broker for development. Not for production.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:9092")]
    listen: SocketAddr,
    /// The address told to clients, if they reach the broker through a proxy.
    #[arg(long)]
    advertise: Option<SocketAddr>,
    /// Where records and offsets are kept.
    #[arg(long)]
    data_dir: PathBuf,
    /// Written once clients are served: {"bootstrap", "cluster_id", "pid"}.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let settings = Settings { advertise: arguments.advertise, ..Settings::new(arguments.data_dir, arguments.listen) };
    let broker = Broker::open(settings)?;
    if let Some(path) = &arguments.ready_file {
        tell(path, &broker)?;
    }
    let shutdown = CancellationToken::new();
    let serving = broker.serve(shutdown.clone());
    let stopping = async {
        tokio::select! { _ = terminated.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
        shutdown.cancel();
    };
    tokio::join!(serving, stopping).0.map_err(Into::into)
}

/// The port is bound: whoever reads this can connect, and is served as soon as the runtime turns.
fn tell(path: &Path, broker: &Broker) -> std::io::Result<()> {
    let ready = serde_json::json!({
        "bootstrap": broker.local_addr().to_string(),
        "cluster_id": broker.cluster_id(),
        "pid": std::process::id(),
    });
    let aside = path.with_extension("next");
    fs::write(&aside, ready.to_string())?;
    fs::rename(aside, path)
}
