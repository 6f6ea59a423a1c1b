//! Spans of time as people write them: `7d`, `12h`, `2026-03-02`.

use tierway_decide::{DAY_MS, span_ms};
use tierway_ledger::Span;

/// Nobody has older records; what is counted back from now stays a time.
const LONGEST_MS: i64 = 36_500 * DAY_MS;

/// Since when: so long ago, or a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// So many milliseconds ago.
    Ago(i64),
    /// Since this time, Unix milliseconds.
    At(i64),
}

impl Since {
    /// For clap.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match Self::read(text) {
            Some(Self::At(ms)) if ms > crate::store::now_ms() => Err("that day is still to come".into()),
            Some(since) => Ok(since),
            None => Err("wanted a span of time such as 90m, 12h, 7d, 4w, or a day such as 2026-03-02".into()),
        }
    }

    fn read(text: &str) -> Option<Self> {
        if let Ok(day) = text.parse::<jiff::civil::Date>() {
            let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            return Some(Self::At(midnight.timestamp().as_millisecond()));
        }
        span_ms(text).filter(|span| (1..=LONGEST_MS).contains(span)).map(Self::Ago)
    }

    /// From then until now.
    ///
    /// # Errors
    /// A day that is still to come.
    pub(crate) fn until(self, now_ms: i64) -> Result<Span, String> {
        let from_ms = match self {
            Self::Ago(ms) => now_ms - ms,
            Self::At(ms) if ms > now_ms => {
                return Err("--since names a day that is still to come: there are no requests since then".into());
            }
            Self::At(ms) => ms,
        };
        Ok(Span { from_ms, to_ms: now_ms + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_since_a_day_to_come() {
        let span = |since: Since| since.until(1_000).map(|span| (span.from_ms, span.to_ms));
        assert_eq!(span(Since::Ago(400)), Ok((600, 1_001)));
        assert_eq!(span(Since::At(1_000)), Ok((1_000, 1_001)));
        assert!(span(Since::At(1_001)).unwrap_err().contains("still to come"));
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, want) in [
            ("12h", Some(Since::Ago(DAY_MS / 2))),
            ("36500d", Some(Since::Ago(LONGEST_MS))),
            ("36501d", None),
            ("2026-03-02", Some(Since::At(1_772_409_600_000))),
            ("7", None),
            ("0d", None),
            ("2026-13-02", None),
        ] {
            assert_eq!(Since::read(text), want, "{text}");
        }
    }
}
