//! What a handler or an effect answers when it can't do its work; the kind decides what happens to the event.

use std::fmt;

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It may work later: it is tried again, then set aside.
    Transient,
    /// It will never work: the event is set aside as a dead letter and the next one is handled.
    Permanent,
    /// Nothing will work: the process stops with this cause.
    Fatal,
}

/// A handler's or an effect's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    message: String,
}

impl Fault {
    /// It may work later: a time-out, a connection refused, a 503.
    #[must_use]
    pub fn transient(message: impl fmt::Display) -> Self {
        Self { kind: FaultKind::Transient, message: message.to_string() }
    }

    /// It will never work: a body that is not what it should be, a 400.
    #[must_use]
    pub fn permanent(message: impl fmt::Display) -> Self {
        Self { kind: FaultKind::Permanent, message: message.to_string() }
    }

    /// Nothing will work: a missing permission, a broken configuration.
    #[must_use]
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self { kind: FaultKind::Fatal, message: message.to_string() }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        self.kind
    }

    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::permanent(error)
    }
}
