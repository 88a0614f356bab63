//! A moment as it is written on the line: a time, or how long ago.

use std::str::FromStr;
use std::time::Duration;

use hooklog_process::quantity::Span;
use hooklog_schemas::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time (RFC 3339), or so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At this time.
    Time(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// When it is, if it is `now_ms` milliseconds after 1970.
    #[must_use]
    pub fn at(self, now_ms: i64) -> Timestamp {
        match self {
            Self::Time(time) => time,
            Self::Ago(ago) => Timestamp(now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = text.parse::<Span>() {
            return Ok(Self::Ago(ago.0));
        }
        match OffsetDateTime::parse(text, &Rfc3339) {
            Ok(at) => {
                Ok(Self::Time(Timestamp(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))))
            }
            Err(_) => Err("write a time (2026-11-24T12:00:00Z) or how long ago (10m)".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!("10m".parse(), Ok(Moment::Ago(Duration::from_secs(600))));
        assert_eq!("2023-11-14T23:13:20+01:00".parse(), Ok(Moment::Time(Timestamp(1_700_000_000_000))));
        assert!("yesterday".parse::<Moment>().unwrap_err().contains("write a time"));
        assert_eq!(Moment::Ago(Duration::from_secs(1)).at(5000), Timestamp(4000));
    }
}
