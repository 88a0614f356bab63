//! The broker inside: on threads of its own, so that whatever the rest of the process does, the log goes on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread::JoinHandle;

use hooklog_devbroker::{Broker, OpenError, Settings};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Where Kafka's clients look if nobody tells them otherwise.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);

/// A free port, if the usual one is taken.
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A broker that serves until it is told to stop.
pub(crate) struct Inside {
    address: SocketAddr,
    stop: CancellationToken,
    ended: CancellationToken,
    thread: JoinHandle<Result<(), String>>,
}

impl Inside {
    /// Opens the log in `folder` and serves it.
    pub(crate) fn start(folder: PathBuf) -> Result<Self, Failure> {
        let broker = match Broker::open(Settings::new(folder.clone(), USUAL)) {
            Err(OpenError::Bind { .. }) => Broker::open(Settings::new(folder, ANY)),
            opened => opened,
        };
        let broker = broker.map_err(|error| Failure::Refused(format!("the broker does not start: {error}")))?;
        let address = broker.local_addr();
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (told, tells) = (stop.clone(), ended.clone().drop_guard());
        let thread = std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
            let _tells = tells;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("broker-io")
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(broker.serve(told)).map_err(|error| error.to_string())
        });
        let thread = thread.map_err(|error| Failure::Internal(format!("no thread for the broker: {error}")))?;
        Ok(Self { address, stop, ended, thread })
    }

    /// Where it serves.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether somebody else has the usual port.
    pub(crate) fn moved(&self) -> bool {
        self.address.port() != USUAL.port()
    }

    /// Resolves when it has ended, whyever.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Stops it and waits until log and port are free. Blocks.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        let ended = self.thread.join().unwrap_or_else(|_| Err("it panicked".to_owned()));
        ended.map_err(|error| Failure::Internal(format!("the broker: {error}")))
    }
}
