//! Which window of time a moment lies in, and which moment to believe.
//!
//! Days begin at midnight of a stated zone, weeks on Monday, months on the first. The conversion of days to years and
//! months is Howard Hinnant's (<https://howardhinnant.github.io/date_algorithms.html>).

use crate::DAY_MS;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// How long money has to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight on.
    Day,
    /// From Monday on.
    Week,
    /// From the first on.
    Month,
    /// For good.
    Total,
}

/// The part of time that one filling of a purse is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first millisecond since 1970 UTC.
    pub start_ms: i64,
    /// The first one after it; none for a period without end.
    pub end_ms: Option<i64>,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Total];

    /// As configs write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The window of a moment. `offset_ms`: how far local time is ahead of UTC at a moment.
    #[must_use]
    pub fn window(self, unix_ms: i64, offset_ms: &dyn Fn(i64) -> i64) -> Window {
        if self == Self::Total {
            return Window { start_ms: 0, end_ms: None };
        }
        let day = (unix_ms + offset_ms(unix_ms)).div_euclid(DAY_MS);
        let (first, next) = match self {
            Self::Day | Self::Total => (day, day + 1),
            // 1970-01-01 was a Thursday.
            Self::Week => {
                let monday = day - (day + 3).rem_euclid(7);
                (monday, monday + 7)
            }
            Self::Month => {
                let (year, month) = month_of(day);
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (first_of(year, month), first_of(next.0, next.1))
            }
        };
        // The offset at midnight may differ from the one now: summer time begins or ends in between.
        let midnight = |day: i64| {
            let local = day * DAY_MS;
            local - offset_ms(local - offset_ms(local))
        };
        Window { start_ms: midnight(first), end_ms: Some(midnight(next)) }
    }
}

/// Days since 1970-01-01 of the first day of a month.
const fn first_of(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

const fn month_of(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month)
}

/// The time that windows are cut by: it never goes back, and believes a jump forward only after a while. A clock that is
/// set wrong for a moment must not fill every purse anew.
///
/// A machine that slept comes back with such a jump: for ten minutes it spends from the window that it fell asleep in.
#[derive(Debug)]
pub struct Calendar {
    /// Wall time minus monotonic time, as believed.
    ahead_ms: AtomicI64,
    /// Monotonic time since when the wall clock is further ahead than that; none: -1.
    jumped_at_ms: AtomicI64,
    latest_ms: AtomicI64,
}

impl Calendar {
    /// A jump forward of less than this is a clock being corrected.
    const SMALL_MS: i64 = 2 * 60_000;
    /// How long a larger one has to last.
    const BELIEVED_AFTER_MS: i64 = 10 * 60_000;

    /// Begins at these times.
    #[must_use]
    pub fn new(unix_ms: i64, monotonic_ms: u64) -> Self {
        Self {
            ahead_ms: AtomicI64::new(unix_ms - signed(monotonic_ms)),
            jumped_at_ms: AtomicI64::new(-1),
            latest_ms: AtomicI64::new(unix_ms),
        }
    }

    /// The time to believe, milliseconds since 1970 UTC.
    pub fn now(&self, unix_ms: i64, monotonic_ms: u64) -> i64 {
        let monotonic_ms = signed(monotonic_ms);
        let ahead = unix_ms - monotonic_ms;
        let expected = (self.ahead_ms.load(Relaxed) + monotonic_ms).max(self.latest_ms.load(Relaxed));
        if unix_ms - expected < Self::SMALL_MS {
            self.jumped_at_ms.store(-1, Relaxed);
            self.ahead_ms.store(ahead, Relaxed);
        } else {
            let since = self.jumped_at_ms.load(Relaxed);
            if since < 0 {
                self.jumped_at_ms.store(monotonic_ms, Relaxed);
            } else if monotonic_ms - since >= Self::BELIEVED_AFTER_MS {
                self.jumped_at_ms.store(-1, Relaxed);
                self.ahead_ms.store(ahead, Relaxed);
            }
        }
        let now = self.ahead_ms.load(Relaxed) + monotonic_ms;
        self.latest_ms.fetch_max(now, Relaxed).max(now)
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUR_MS;

    /// Days since 1970-01-01 as a moment.
    fn at(day: i64, hours: i64) -> i64 {
        day * DAY_MS + hours * HOUR_MS
    }

    #[track_caller]
    fn check(period: Period, now: i64, offset_hours: i64, want: (i64, i64)) {
        let window = period.window(now, &|_| offset_hours * HOUR_MS);
        assert_eq!((window.start_ms, window.end_ms), (want.0, Some(want.1)));
    }

    #[test]
    fn windows_begin_at_midnight_of_the_zone() {
        // 2026-11-26 is day 20,783, a Thursday; the month began on day 20,758 and has 30 days.
        let noon = at(20_783, 12);
        check(Period::Day, noon, 0, (at(20_783, 0), at(20_784, 0)));
        check(Period::Day, noon, 13, (at(20_783, 11), at(20_784, 11)));
        check(Period::Day, noon, -8, (at(20_783, 8), at(20_784, 8)));
        check(Period::Week, noon, 0, (at(20_780, 0), at(20_787, 0)));
        check(Period::Month, noon, 0, (at(20_758, 0), at(20_788, 0)));
        check(Period::Month, at(20_758, 0), 0, (at(20_758, 0), at(20_788, 0)));
        check(Period::Month, at(20_758, 0) - 1, 0, (at(20_727, 0), at(20_758, 0)));
        // Leap day, turn of the year.
        check(Period::Month, at(19_782, 0), 0, (at(19_754, 0), at(19_783, 0)));
        check(Period::Month, at(20_453, 5), 0, (at(20_423, 0), at(20_454, 0)));
        assert_eq!(Period::Total.window(noon, &|_| 0), Window { start_ms: 0, end_ms: None });
    }

    #[test]
    fn a_day_of_summer_time_is_an_hour_shorter() {
        // One hour ahead until 01:00 UTC of this day, two hours from then on.
        let change = at(20_541, 1);
        let offset = |at_ms: i64| if at_ms < change { HOUR_MS } else { 2 * HOUR_MS };
        let window = Period::Day.window(at(20_541, 12), &offset);
        assert_eq!(window, Window { start_ms: at(20_541, -1), end_ms: Some(at(20_542, -2)) });
    }

    #[test]
    fn a_clock_that_jumps_opens_no_window() {
        let start = at(20_783, 12);
        let calendar = Calendar::new(start, 0);
        assert_eq!(calendar.now(start + 1_000, 1_000), start + 1_000);
        // Back: time stands still until it has caught up.
        assert_eq!(calendar.now(start - HOUR_MS, 2_000), start + 1_000);
        assert_eq!(calendar.now(start + 3_000, 3_000), start + 3_000);
        // A month ahead: not believed at first, and forgotten when it goes back.
        let month = 30 * DAY_MS;
        assert_eq!(calendar.now(start + month, 4_000), start + 4_000);
        assert_eq!(calendar.now(start + month + 60_000, 64_000), start + 64_000);
        assert_eq!(calendar.now(start + 65_000, 65_000), start + 65_000);
        // A machine that slept: believed after ten minutes.
        assert_eq!(calendar.now(start + month, 70_000), start + 70_000);
        assert_eq!(calendar.now(start + month + 600_000, 670_000), start + month + 600_000);
        // A clock that is corrected by a little is believed at once.
        assert_eq!(calendar.now(start + month + 661_000, 671_000), start + month + 661_000);
    }
}
