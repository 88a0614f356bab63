//! Points in time and lengths of time, with the unit in the type.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z, as Kafka counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// How long ago something was; never negative, since a clock that stepped back is no reason to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub Duration);

impl Timestamp {
    /// The age of this moment at `now`; zero when it lies ahead.
    #[must_use]
    pub fn age_at(self, now: Self) -> Age {
        Age(Duration::from_millis(u64::try_from(now.0.saturating_sub(self.0)).unwrap_or(0)))
    }

    /// The moment `length` later.
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)))
    }

    /// RFC 3339 in UTC with milliseconds, as CloudEvents' `time` wants it.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let days = self.0.div_euclid(86_400_000);
        let ms = self.0.rem_euclid(86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        if !(0..=9999).contains(&year) {
            return format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000);
        }
        // By hand for the years that occur: every record has one, and formatting is what it would mostly cost.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (place, value) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, hour),
            (14..16, minute),
            (17..19, second),
            (20..23, ms % 1000),
        ] {
            digits(&mut text[place], value);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Fills the places with the decimal digits of `value`.
fn digits(places: &mut [u8], value: i64) {
    let mut rest = u32::try_from(value).unwrap_or(0);
    for place in places.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Days since 1970-01-01 as year, month, day of the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_right_at_known_moments() {
        assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(951_782_400_123).rfc3339(), "2000-02-29T00:00:00.123Z");
        assert_eq!(Timestamp(1_700_000_000_000).rfc3339(), "2023-11-14T22:13:20.000Z");
        assert_eq!(Timestamp(-1).rfc3339(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(253_402_300_799_999).rfc3339(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(253_402_300_800_000).rfc3339(), "10000-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_age_is_never_negative() {
        assert_eq!(Timestamp(2000).age_at(Timestamp(500)), Age(Duration::ZERO));
        assert_eq!(Timestamp(500).age_at(Timestamp(2000)), Age(Duration::from_millis(1500)));
    }
}
