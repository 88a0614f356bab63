//! A broker that runs for one test.

use std::net::SocketAddr;
use std::time::Duration;

use hooklog_devbroker::{Broker, Limits, Settings, Sync};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) dir: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) cluster_id: String,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A broker with an empty folder.
pub(crate) fn start() -> Running {
    start_with(Limits::default())
}

pub(crate) fn start_with(limits: Limits) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { sync: Sync::Never, limits, ..Settings::new(dir.path().into(), any_port()) };
    run(dir, settings)
}

pub(crate) fn run(dir: TempDir, settings: Settings) -> Running {
    let broker = Broker::open(settings).unwrap();
    let (address, cluster_id) = (broker.local_addr(), broker.cluster_id().to_string());
    let shutdown = CancellationToken::new();
    let stopping = shutdown.clone();
    let serving = tokio::spawn(async move { broker.serve(stopping).await.unwrap() });
    Running { dir, address, cluster_id, shutdown, serving }
}

impl Running {
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Stops; gives the folder back.
    pub(crate) async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.serving.await.unwrap();
        self.dir
    }
}
