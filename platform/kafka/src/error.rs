//! What can go wrong with the log, for those who append, read and administer: each error names its cause and the mend.

mod admin;
mod append;
mod config;
mod read;

pub use admin::AdminError;
pub use append::{AppendError, ErrorKind};
pub use config::ConfigError;
pub use read::ReadError;
