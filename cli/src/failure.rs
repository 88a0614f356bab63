//! Why a command did not succeed: one message for the reader, one code for the script.

use std::path::{Path, PathBuf};

use hooklog_process::exit::Exit;

/// Why a command ended without success. Each text names the cause, and the mend where there is one.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The question was understood and the answer is no; what was found is printed already or said here.
    #[error("{0}")]
    Refused(String),
    /// Arguments that do not fit together or are not what they should be.
    #[error("{0}")]
    Usage(String),
    /// A configuration, a secret or a provider file is wrong.
    #[error("{0}")]
    Config(String),
    /// A broker or an edge does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// A file or a folder.
    #[error("{path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A defect.
    #[error("{0}")]
    Internal(String),
    /// Whoever read the output (`head`, a closed pager) has had enough: no failure.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// For `map_err`: names the file or folder an error belongs to.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |cause| Self::Io { path: path.to_owned(), cause }
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::OutputClosed => Exit::Ok,
            Self::Refused(_) => Exit::Refused,
            Self::Usage(_) => Exit::Usage,
            Self::Config(_) => Exit::Config,
            Self::Unavailable(_) => Exit::Unavailable,
            Self::Io { .. } => Exit::Io,
            Self::Internal(_) => Exit::Internal,
        }
    }

    /// Says it on standard error.
    pub fn tell(&self) {
        if !matches!(self, Self::OutputClosed) {
            eprintln!("hooklog: {self}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_output_is_no_failure_and_every_other_has_its_code() {
        assert_eq!(Failure::OutputClosed.exit(), Exit::Ok);
        assert_eq!(Failure::Refused(String::new()).exit(), Exit::Refused);
        let io = Failure::io(Path::new("/x"))(std::io::Error::other("full"));
        assert_eq!((io.exit(), io.to_string().as_str()), (Exit::Io, "/x: full"));
    }
}
