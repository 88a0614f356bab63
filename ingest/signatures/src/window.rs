//! Signed timestamps: parsed strictly, and held to a window that reaches both ways.

use std::time::Duration;

use crate::calendar;
use crate::rejection::Rejection;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub i64);

/// How a provider writes a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TimeUnit {
    /// Seconds since 1970, digits only.
    S,
    /// Milliseconds since 1970, digits only.
    Ms,
    /// RFC 3339; without a zone it is UTC.
    Rfc3339,
    /// RFC 9110, in its one current form: `Sun, 06 Nov 1994 08:49:37 GMT`.
    HttpDate,
    /// Anything, for vectors of implementations that look at no clock.
    #[cfg(test)]
    #[serde(skip)]
    Ignored,
}

impl TimeUnit {
    /// Reads a timestamp; `None` for anything but its strict form.
    pub(crate) fn parse(self, text: &str) -> Option<UnixMillis> {
        match self {
            Self::S => digits(text)?.checked_mul(1000).map(UnixMillis),
            Self::Ms => digits(text).map(UnixMillis),
            Self::Rfc3339 => calendar::parse(text),
            Self::HttpDate => calendar::parse_http_date(text),
            #[cfg(test)]
            Self::Ignored => Some(UnixMillis(0)),
        }
    }

    /// Writes a timestamp as the provider would.
    pub(crate) fn format(self, at: UnixMillis) -> String {
        match self {
            Self::S => at.0.div_euclid(1000).to_string(),
            Self::Ms => at.0.to_string(),
            Self::Rfc3339 => calendar::format(at),
            Self::HttpDate => calendar::format_http_date(at),
            #[cfg(test)]
            Self::Ignored => String::new(),
        }
    }
}

/// Digits only: no sign, no blank, no point, nothing that overflows.
fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// How far a timestamp may lie from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) past: Duration,
    pub(crate) future: Duration,
}

impl Window {
    /// A one-sided check would take milliseconds read as seconds for the year 55,000 and never expire them.
    pub(crate) fn check(self, at: UnixMillis, now: UnixMillis) -> Result<(), Rejection> {
        let age_ms = i128::from(now.0) - i128::from(at.0);
        if age_ms > i128::try_from(self.past.as_millis()).unwrap_or(i128::MAX) {
            return Err(Rejection::Stale);
        }
        if -age_ms > i128::try_from(self.future.as_millis()).unwrap_or(i128::MAX) {
            return Err(Rejection::Future);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_that_fit_are_a_timestamp() {
        assert_eq!(TimeUnit::S.parse("1614265330"), Some(UnixMillis(1_614_265_330_000)));
        assert_eq!(TimeUnit::Ms.parse("1614265330123"), Some(UnixMillis(1_614_265_330_123)));
        for bad in ["", "-1", "+1", " 1", "1 ", "1.0", "1e9", "0x1", "١", "9223372036854775808"] {
            assert_eq!(TimeUnit::S.parse(bad), None, "{bad:?}");
            assert_eq!(TimeUnit::Ms.parse(bad), None, "{bad:?}");
        }
        assert_eq!(TimeUnit::S.parse("9223372036854775807"), None, "seconds that overflow as milliseconds");
    }

    #[test]
    fn the_window_reaches_both_ways_and_includes_its_edges() {
        let window = Window { past: Duration::from_secs(300), future: Duration::from_secs(60) };
        let now = UnixMillis(1_000_000);
        assert_eq!(window.check(UnixMillis(700_000), now), Ok(()));
        assert_eq!(window.check(UnixMillis(699_999), now), Err(Rejection::Stale));
        assert_eq!(window.check(UnixMillis(1_060_000), now), Ok(()));
        assert_eq!(window.check(UnixMillis(1_060_001), now), Err(Rejection::Future));
        assert_eq!(window.check(UnixMillis(i64::MAX), UnixMillis(i64::MIN)), Err(Rejection::Future));
        assert_eq!(window.check(UnixMillis(i64::MIN), UnixMillis(i64::MAX)), Err(Rejection::Stale));
    }
}
