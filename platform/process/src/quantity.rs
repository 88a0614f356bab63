//! Sizes and lengths of time as people write them in a configuration: `"1MiB"`, `"400ms"`, `"72h"`.

use std::fmt;
use std::time::Duration;

/// Why a quantity was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: write a whole number and one of {units}")]
pub struct QuantityError {
    text: String,
    what: &'static str,
    units: &'static str,
}

/// A number of bytes: `"64KiB"`, `"1MiB"`, `"512B"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// A length of time: `"500us"`, `"400ms"`, `"30s"`, `"10m"`, `"72h"`, `"7d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const SPANS: &[(&str, u64)] =
    &[("us", 1), ("ms", 1000), ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (unit, factor) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    text[..text.len() - unit.len()].trim_end().parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut by_size: Vec<_> = units.to_vec();
    by_size.sort_by_key(|&(_, factor)| std::cmp::Reverse(factor));
    let fits = |&&(_, factor): &&(&str, u64)| value.is_multiple_of(factor) && value >= factor;
    match by_size.iter().find(fits) {
        Some((unit, factor)) => write!(f, "{}{unit}", value / factor),
        None => write!(f, "0{}", by_size.last().map_or("", |(unit, _)| unit)),
    }
}

impl ByteSize {
    /// The number of bytes as a length in memory.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = QuantityError;
    fn try_from(text: String) -> Result<Self, QuantityError> {
        let value = parse(&text, SIZES);
        value.map(Self).ok_or(QuantityError { text, what: "size", units: "B, KiB, MiB, GiB" })
    }
}

impl TryFrom<String> for Span {
    type Error = QuantityError;
    fn try_from(text: String) -> Result<Self, QuantityError> {
        let value = parse(&text, SPANS).map(Duration::from_micros);
        value.map(Self).ok_or(QuantityError { text, what: "length of time", units: "us, ms, s, m, h, d" })
    }
}

impl std::str::FromStr for ByteSize {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        text.to_owned().try_into()
    }
}

impl std::str::FromStr for Span {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, SIZES, f)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX), SPANS, f)
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_shown_alike() {
        for (text, bytes) in [("1MiB", 1 << 20), ("25MiB", 25 << 20), ("512B", 512), ("2GiB", 2 << 30), ("0B", 0)] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, text));
        }
        for (text, us) in [
            ("500us", 500),
            ("400ms", 400_000),
            ("30s", 30_000_000),
            ("10m", 600_000_000),
            ("7d", 604_800_000_000),
            ("0us", 0),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_micros(), span.to_string().as_str()), (us, text));
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_units() {
        for bad in ["", "MiB", "1", "1.5MiB", "-1MiB", "1MB", "99999999999GiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        let error = "5 minutes".parse::<Span>().unwrap_err().to_string();
        assert_eq!(error, "\"5 minutes\" is no length of time: write a whole number and one of us, ms, s, m, h, d");
    }
}
