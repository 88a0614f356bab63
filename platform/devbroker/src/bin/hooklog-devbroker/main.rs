//! The dev broker as a process of its own, for tests that kill it.

mod arguments;
mod ready;

use clap::Parser;
use hooklog_devbroker::{Broker, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use arguments::Arguments;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let settings = Settings::new(arguments.data_dir, arguments.listen);
    let broker = Broker::open(Settings { advertise: arguments.advertise, ..settings })?;
    if let Some(path) = &arguments.ready_file {
        ready::tell(path, &broker)?;
    }
    let shutdown = CancellationToken::new();
    let stopping = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminated.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
        stopping.cancel();
    });
    broker.serve(shutdown).await.map_err(Into::into)
}
