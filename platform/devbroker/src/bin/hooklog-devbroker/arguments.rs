//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// A one-node Kafka broker for development. Not for production.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// The address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:9092")]
    pub(crate) listen: SocketAddr,
    /// The address told to clients, if they reach the broker through a proxy.
    #[arg(long)]
    pub(crate) advertise: Option<SocketAddr>,
    /// Where records and offsets are kept.
    #[arg(long)]
    pub(crate) data_dir: PathBuf,
    /// Written once clients are served: {"bootstrap", "cluster_id", "pid"}.
    #[arg(long)]
    pub(crate) ready_file: Option<PathBuf>,
}
