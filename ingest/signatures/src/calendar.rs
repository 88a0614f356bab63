//! Calendar dates to milliseconds and back, so far as timestamps of webhooks go: RFC 3339 and HTTP dates, no leap seconds.

use crate::window::UnixMillis;

const DAY_MS: i64 = 86_400_000;

/// Reads `2026-11-24T23:45:01.123+01:00`; a missing zone is UTC, digits below the millisecond are dropped.
pub(crate) fn parse(text: &str) -> Option<UnixMillis> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        part.iter().all(u8::is_ascii_digit).then(|| part.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
    };
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| bytes.get(at) != Some(&byte)) || !matches!(bytes.get(10), Some(b'T' | b't'))
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let (fraction_ms, rest) = fraction(text.get(19..)?)?;
    let time_ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms;
    Some(UnixMillis(days_from_civil(year, month, day) * DAY_MS + time_ms - offset_ms(rest)?))
}

/// Writes UTC with milliseconds.
pub(crate) fn format(at: UnixMillis) -> String {
    let (days, ms) = (at.0.div_euclid(DAY_MS), at.0.rem_euclid(DAY_MS));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`; the weekday must be the date's.
pub(crate) fn parse_http_date(text: &str) -> Option<UnixMillis> {
    let (day, month, year) = (text.get(5..7)?, text.get(8..11)?, text.get(12..16)?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let at = parse(&format!("{year}-{month:02}-{day}T{}Z", text.get(17..25)?))?;
    (format_http_date(at) == text).then_some(at)
}

/// Writes an HTTP date, without the milliseconds.
pub(crate) fn format_http_date(at: UnixMillis) -> String {
    let days = at.0.div_euclid(DAY_MS);
    let (year, month, day) = civil_from_days(days);
    let name =
        |names: &[&'static str], place: i64| usize::try_from(place).ok().and_then(|place| names.get(place).copied());
    let weekday = name(&WEEKDAYS, days.rem_euclid(7)).unwrap_or_default();
    let month = name(&MONTHS, month - 1).unwrap_or_default();
    let seconds = at.0.rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(after) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = after.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(after.len());
    let (digits, rest) = after.split_at(end);
    let ms = digits.bytes().chain([b'0'; 2]).take(3).fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    (!digits.is_empty()).then_some((ms, rest))
}

fn offset_ms(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let [h1 @ b'0'..=b'9', h2 @ b'0'..=b'9', b':', m1 @ b'0'..=b'9', m2 @ b'0'..=b'9'] = &zone.as_bytes()[1..] else {
        return None;
    };
    let two = |high: &u8, low: &u8| i64::from(high - b'0') * 10 + i64::from(low - b'0');
    let (hours, minutes) = (two(h1, h2), two(m1, m2));
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse: Howard Hinnant's `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(UnixMillis(0)));
        assert_eq!(parse("2000-02-29T00:00:00.123Z"), Some(UnixMillis(951_782_400_123)));
        assert_eq!(parse("2023-11-14T22:13:20"), Some(UnixMillis(1_700_000_000_000)));
        assert_eq!(parse("2023-11-15T00:13:20.5+02:00"), Some(UnixMillis(1_700_000_000_500)));
        assert_eq!(parse("2023-11-14T22:13:20.123456789Z"), Some(UnixMillis(1_700_000_000_123)));
        assert_eq!(format(UnixMillis(-1)), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn nonsense_is_no_moment() {
        let bad = [
            "",
            "2023",
            "2023-02-29T00:00:00Z",
            "2023-11-14 22:13:20Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13:20.Z",
        ];
        let worse =
            ["2023-11-14T22:13:20+2:00", "2023-11-14T22:13:20Zz", "2023-13-01T00:00:00Z", "2023-11-14T22:13:20+é:00"];
        assert!(bad.into_iter().chain(worse).all(|text| parse(text).is_none()));
    }

    #[test]
    fn http_dates() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(parse_http_date(text), Some(UnixMillis(784_111_777_000)));
        assert_eq!(format_http_date(UnixMillis(784_111_777_999)), text);
        for bad in
            ["", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC"]
        {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            proptest::prop_assert_eq!(parse(&format(UnixMillis(ms))), Some(UnixMillis(ms)));
        }
    }
}
