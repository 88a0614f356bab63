//! A dev broker for one test, on a thread and a runtime of its own, so that a test that blocks does not block it.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use hooklog_devbroker::{Broker, Settings, Sync};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A running dev broker; dropping it stops it and removes its data.
pub(crate) struct DevBroker {
    bootstrap: String,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
    dir: TempDir,
}

/// Starts a broker with an empty folder on a free port.
pub(crate) async fn start() -> DevBroker {
    let dir = tempfile::tempdir().expect("a folder for the broker");
    let mut broker = DevBroker { bootstrap: String::new(), shutdown: CancellationToken::new(), thread: None, dir };
    broker.open(SocketAddr::from(([127, 0, 0, 1], 0)), Sync::Never);
    broker
}

impl DevBroker {
    /// `host:port`.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Stops; folder and port are free afterwards.
    pub(crate) fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the broker's thread did not panic");
        }
    }

    /// Starts again on the same folder and port.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let address = self.bootstrap.parse().expect("the address it had before");
        self.open(address, Sync::Always);
    }

    fn open(&mut self, listen: SocketAddr, sync: Sync) {
        let settings = Settings { sync, ..Settings::new(self.dir.path().to_path_buf(), listen) };
        let broker = Broker::open(settings).expect("the broker opens");
        self.bootstrap = broker.local_addr().to_string();
        self.shutdown = CancellationToken::new();
        let shutdown = self.shutdown.clone();
        self.thread = Some(std::thread::spawn(move || {
            let runtime = Runtime::new().expect("a runtime for the broker");
            runtime.block_on(broker.serve(shutdown)).expect("the broker serves");
        }));
    }
}

impl Drop for DevBroker {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
