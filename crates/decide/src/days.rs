//! Days and hours on the Unix clock, and spans of time as people write them. No zones and no calendar: a day is one in UTC.

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Milliseconds of a week.
pub const WEEK_MS: i64 = 7 * DAY_MS;

/// The day in UTC that a moment lies in, as days since 1970-01-01.
#[must_use]
pub fn day_of(unix_ms: i64) -> i32 {
    i32::try_from(unix_ms.div_euclid(DAY_MS)).unwrap_or(if unix_ms < 0 { i32::MIN } else { i32::MAX })
}

/// The milliseconds of a span such as `90m` (or `90min`), `12h`, `7d`, `2w`; none for other words, and for what is too long
/// to be counted.
#[must_use]
pub fn span_ms(text: &str) -> Option<i64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = text.split_at(split);
    let unit_ms = match unit {
        "m" | "min" => 60_000,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        "w" => WEEK_MS,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight() {
        for (unix_ms, want) in
            [(0, 0), (DAY_MS - 1, 0), (DAY_MS, 1), (-1, -1), (i64::MAX, i32::MAX), (i64::MIN, i32::MIN)]
        {
            assert_eq!(day_of(unix_ms), want, "{unix_ms}");
        }
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, want) in [
            ("90m", Some(90 * 60_000)),
            ("90min", Some(90 * 60_000)),
            ("12h", Some(12 * HOUR_MS)),
            ("7d", Some(7 * DAY_MS)),
            ("2w", Some(14 * DAY_MS)),
            ("7", None),
            ("d", None),
            ("-1d", None),
            ("7 days", None),
            ("", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(span_ms(text), want, "{text}");
        }
    }
}
