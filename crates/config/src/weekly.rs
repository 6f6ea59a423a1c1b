//! When the weekly report is made, and where it goes: part of `[report]`.

use crate::problem::shown;
use crate::provider::{KeySource, named};
use crate::reader::Section;
use std::path::{Path, PathBuf};

/// When the weekly report is made, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeeklyConfig {
    /// When.
    pub due: WeekTime,
    /// A folder for its files.
    pub folder: Option<PathBuf>,
    /// Where the address of a webhook is found; [`KeySource::None`] without one.
    pub webhook: KeySource,
}

/// A minute of the week, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekTime {
    /// Minutes after Monday, 00:00.
    minute: u16,
}

impl WeekTime {
    const WEEK_MS: i64 = 7 * 24 * 60 * MINUTE_MS;
    /// 1970-01-05 was a Monday.
    const FIRST_MONDAY_MS: i64 = 4 * 24 * 60 * MINUTE_MS;
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

    /// `monday 08:00`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (day, time) = text.split_once(' ')?;
        let day = Self::DAYS.iter().position(|known| *known == day)?;
        let (hour, minute) = time.trim().split_once(':')?;
        let two = |digits: &str, end: u16| {
            let number: u16 = digits.parse().ok()?;
            let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            (plain && number < end).then_some(number)
        };
        let of_day = two(hour, 24)? * 60 + two(minute, 60)?;
        Some(Self { minute: u16::try_from(day).ok()? * 24 * 60 + of_day })
    }

    /// The last time that it was this minute of the week, at or before `now_ms` (Unix milliseconds).
    #[must_use]
    pub fn last_before(self, now_ms: i64) -> i64 {
        let offset = Self::FIRST_MONDAY_MS + i64::from(self.minute) * MINUTE_MS;
        (now_ms - offset).div_euclid(Self::WEEK_MS) * Self::WEEK_MS + offset
    }
}

const MINUTE_MS: i64 = 60_000;

pub(crate) fn read(section: &Section<'_, '_>, base: &Path) -> Option<WeeklyConfig> {
    let folder = section.text("folder").map(|folder| base.join(folder.text));
    // Its address lets anybody post, so that it is kept like a key.
    let webhook = named(section, "webhook", base);
    let Some(text) = section.text("weekly") else {
        for name in ["folder", "webhook"].iter().filter(|name| section.has(name)) {
            section
                .problem(name, format!("`{name}` in [report] does nothing without `weekly`, such as \"monday 08:00\""));
        }
        return None;
    };
    if folder.is_none() && !section.has("webhook") {
        section.problem("weekly", "`weekly` in [report] wants a `folder` or a `webhook` to send it to");
    }
    let due = WeekTime::parse(&text.text);
    if due.is_none() {
        let message = "it takes a day and a time (UTC), such as \"monday 08:00\"";
        section.problem("weekly", format!("`weekly` in [report] is {}; {message}", shown(&text.text)));
    }
    Some(WeeklyConfig { due: due?, folder, webhook })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_of_the_week_comes_once_a_week() {
        // 2026-03-02 was a Monday.
        let monday_ms = 1_772_409_600_000;
        let at = |text: &str, after_ms: i64| {
            (WeekTime::parse(text).unwrap().last_before(monday_ms + after_ms) - monday_ms) / MINUTE_MS
        };
        assert_eq!(at("monday 00:00", 0), 0);
        assert_eq!(at("Monday 08:00", 8 * 60 * MINUTE_MS), 480);
        assert_eq!(at("monday 08:00", 8 * 60 * MINUTE_MS - 1), 480 - 7 * 24 * 60);
        assert_eq!(at("sunday 23:59", 0), -1);
        for bad in [
            "",
            "monday",
            "monday 8:00",
            "monday 24:00",
            "someday 08:00",
            "monday 08:60",
            "08:00 monday",
            "monday +8:00",
            "monday 08:+5",
        ] {
            assert_eq!(WeekTime::parse(bad), None, "{bad}");
        }
    }
}
