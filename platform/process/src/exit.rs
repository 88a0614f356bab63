//! How a process ends: one list of exit codes for every binary (BSD's `sysexits` where it has a word for it).

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The question was understood and the answer is no: a check that failed, a request that was refused.
    Refused = 1,
    /// The command line can't be understood.
    Usage = 2,
    /// The configuration is bad (`EX_CONFIG` is 78; 64 is what services of this kind use).
    Config = 64,
    /// Something that is needed does not answer: a broker, an edge.
    Unavailable = 69,
    /// A defect of ours.
    Internal = 70,
    /// A file or a disk.
    Io = 74,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
