//! Why a request was not believed: a label for metrics and logs, never a word for the caller.

/// Why a request was not believed. The caller hears one and the same 401 for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// A header that the scheme needs is not there.
    #[error("a signature header is missing")]
    Missing,
    /// A single-valued header came more than once.
    #[error("a signature header came more than once")]
    DuplicateHeader,
    /// A parameter or field that must be one came more than once.
    #[error("a signed parameter or field came more than once")]
    Repeated,
    /// A header cannot be what the scheme says: wrong length, encoding, prefix, characters.
    #[error("a signature header is malformed")]
    Malformed,
    /// The list holds more items than any honest sender sends.
    #[error("the signature header has too many items")]
    TooManyItems,
    /// The list holds signatures, but none under an accepted label.
    #[error("no signature has an accepted label")]
    NoAcceptedLabel,
    /// The timestamp is older than the tolerance.
    #[error("the timestamp is too old")]
    Stale,
    /// The timestamp lies further ahead than the tolerance.
    #[error("the timestamp lies in the future")]
    Future,
    /// The token names another algorithm than the scheme's, or extensions that are not understood.
    #[error("the token's algorithm is not the scheme's")]
    Algorithm,
    /// Something else that the scheme requires does not hold.
    #[error("a required condition does not hold")]
    Condition,
    /// Everything is there and well formed, and no secret made it.
    #[error("no secret matches")]
    Mismatch,
}

impl Rejection {
    /// All of them, in the order of their declaration: the closed set of label values.
    pub const ALL: [Self; 11] = [
        Self::Missing,
        Self::DuplicateHeader,
        Self::Repeated,
        Self::Malformed,
        Self::TooManyItems,
        Self::NoAcceptedLabel,
        Self::Stale,
        Self::Future,
        Self::Algorithm,
        Self::Condition,
        Self::Mismatch,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::DuplicateHeader => "duplicate_header",
            Self::Repeated => "repeated",
            Self::Malformed => "malformed",
            Self::TooManyItems => "too_many_items",
            Self::NoAcceptedLabel => "no_accepted_label",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Algorithm => "algorithm",
            Self::Condition => "condition",
            Self::Mismatch => "mismatch",
        }
    }
}
