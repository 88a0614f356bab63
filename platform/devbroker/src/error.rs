//! Why a broker does not open, or stops serving.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why a broker could not be opened; nothing is bound or locked afterwards.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process (or another broker of this one) holds the folder.
    #[error("data folder {} is in use by {holder}: stop it, or choose another folder", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// Who holds it: process id and address, as that broker wrote them.
        holder: String,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}; choose another address or stop who uses it")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of the log holds something that was never written there, in front of more records or where none may be.
    #[error(
        "log file {} is damaged at byte {position}: {fault}; records follow it, so nothing was cut. Restore the file from \
         a copy, or give up everything from there on with `truncate -s {position}` (and remove later files beside it)",
        file.display()
    )]
    Damaged {
        /// The segment or offsets file.
        file: PathBuf,
        /// Where the first unreadable entry begins.
        position: u64,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A small file of the broker (a topic's description, a counter) does not read as one.
    #[error("{} cannot be understood: {fault}; restore it from a copy or remove the data folder", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl OpenError {
    /// For `map_err`: names the path an error belongs to.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}

/// Why a broker stopped serving before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket was opened outside a runtime that can drive it.
    #[error("the listening socket cannot be used: {0}")]
    Listener(io::Error),
}
