//! How long a fault experiment is: short on every run of the tests, long by `make faults`.

/// Set to `long` for the long form.
pub const VARIABLE: &str = "HOOKLOG_FAULTS";

/// `short`, or `long` where it was asked for.
#[must_use]
pub fn rounds(short: u32, long: u32) -> u32 {
    if std::env::var(VARIABLE).is_ok_and(|form| form == "long") { long } else { short }
}
