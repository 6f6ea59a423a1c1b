//! Numbers for people: as many digits as tell something, no more.

use crate::report::{Line, Money, Report};
use tierway_decide::Usd;

/// Decimals of cents.
const CENTS: u32 = 2;

/// Amounts that are read together: all have as many decimals, so that what is added up or subtracted agrees as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    places: u32,
}

impl Amounts {
    /// For amounts of which this is the greatest: cents from $10 on, four decimals from ten cents on, below that as many as
    /// show four digits of it.
    #[must_use]
    pub fn up_to(most: Usd) -> Self {
        let most = most.as_f64().abs();
        let places = match most {
            10.0.. => CENTS,
            0.1.. => 4,
            0.0 => CENTS,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 4 to 12")]
            small => (3.0 - small.log10().floor()).clamp(4.0, 12.0) as u32,
        };
        Self { places }
    }

    /// For a whole report: below $10 with a digit or two more where its tiers would not add up as shown.
    pub(crate) fn of(report: &Report) -> Self {
        let money = &report.totals.money;
        let usual = Self::up_to(money.baseline.max(money.paid_in_all));
        let more = if usual.places == CENTS { 0 } else { 2 };
        let add_up = |amounts: &Self| {
            let tiers: Usd = report.tiers.iter().map(|line| amounts.rounded(line.paid)).sum();
            tiers == amounts.rounded(money.paid_in_all)
        };
        (0..=more).map(|more| Self { places: (usual.places + more).min(12) }).find(add_up).unwrap_or(usual)
    }

    /// `$12.35`, `-$0.0833`, `$0`; `<$0.0001` where no digit of it would show.
    #[must_use]
    pub fn show(self, amount: Usd) -> String {
        let (sign, shown) = (if amount < Usd::ZERO { "-" } else { "" }, self.units(amount));
        match shown {
            0 if amount == Usd::ZERO => "$0".into(),
            0 => format!("{}{sign}{}", if sign.is_empty() { "<" } else { ">" }, self.digits(1)),
            shown => format!("{sign}{}", self.digits(shown)),
        }
    }

    /// One amount less another, as a reader of both computes it.
    #[must_use]
    pub fn less(self, from: Usd, amount: Usd) -> Usd {
        self.rounded(from) - self.rounded(amount)
    }

    /// Money whose parts agree as shown.
    pub(crate) fn agreeing(self, money: &Money) -> Money {
        let saved = self.less(money.baseline, money.paid);
        Money { saved, gained: saved + self.rounded(money.lost), ..money.clone() }
    }

    fn rounded(self, amount: Usd) -> Usd {
        let unit = i64::try_from(self.unit()).unwrap_or(i64::MAX);
        let units = i64::try_from(self.units(amount)).unwrap_or(i64::MAX);
        let picos = units.saturating_mul(unit);
        Usd::from_picos(if amount < Usd::ZERO { -picos } else { picos })
    }

    /// The last digit that shows, in units of 1e-12 dollars.
    const fn unit(self) -> u64 {
        10u64.pow(12 - self.places)
    }

    /// So many of the last digit that shows; ties go away from zero.
    fn units(self, amount: Usd) -> u64 {
        (amount.picos().unsigned_abs() + self.unit() / 2) / self.unit()
    }

    fn digits(self, units: u64) -> String {
        let (dollar, width) = (10u64.pow(self.places), self.places as usize);
        format!("${}.{:0width$}", thousands(units / dollar), units % dollar)
    }
}

/// `$12.35`, `$1,234.00`, `$0.0004`, `-$3.20`: cents, and for amounts below a cent two digits that are not 0. For an amount that
/// stands alone; those that are read together have [`Amounts`].
#[must_use]
pub fn dollars(amount: Usd) -> String {
    let sign = if amount < Usd::ZERO { "-" } else { "" };
    let value = amount.as_f64().abs();
    if value == 0.0 {
        return "$0".into();
    }
    if value >= 0.01 {
        // Integer cents, so that thousands can be set apart; ties go away from zero.
        let cents = (u128::from(amount.picos().unsigned_abs()) + 5_000_000_000) / 10_000_000_000;
        return format!("{sign}${}.{:02}", grouped(cents / 100), cents % 100);
    }
    let zeros = (-value.log10().floor()).clamp(1.0, 12.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=12")]
    let digits = zeros as usize + 1;
    format!("{sign}${}", format!("{value:.digits$}").trim_end_matches('0'))
}

/// What a line's calls cost as far as prices are known: `$0.02`; `$0.02+` where some have none; `unknown` where none has one.
#[must_use]
pub(crate) fn cost(line: &Line, amounts: Amounts) -> String {
    match line.unpriced {
        0 => amounts.show(line.paid),
        _ if line.paid == Usd::ZERO => "unknown".into(),
        _ => format!("{}+", amounts.show(line.paid)),
    }
}

/// `1,234,567`.
#[must_use]
pub fn thousands(count: u64) -> String {
    grouped(u128::from(count))
}

/// `1 call`, `1,234 calls`.
#[must_use]
pub fn many(count: u64, one: &str) -> String {
    format!("{} {one}{}", thousands(count), if count == 1 { "" } else { "s" })
}

fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12.3%`; `0%` and `100%` only when they are exact.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let rounded = (percent * 10.0).round() / 10.0;
    if share == 0.0 {
        "0%".into()
    } else if rounded == 0.0 {
        (if share > 0.0 { "<0.1%" } else { ">-0.1%" }).into()
    } else if rounded == 100.0 && share < 1.0 {
        ">99.9%".into()
    } else if share == 1.0 {
        "100%".into()
    } else {
        format!("{rounded:.1}%")
    }
}

/// `840 ms`, `1.2 s`, `3 min 20 s`; a dash for none.
#[must_use]
pub fn milliseconds(ms: Option<f64>) -> String {
    match ms {
        None => "–".into(),
        Some(ms) if ms < 999.5 => format!("{ms:.0} ms"),
        Some(ms) if ms < 99_950.0 => format!("{:.1} s", ms / 1e3),
        Some(ms) => {
            let seconds = (ms / 1e3).round();
            format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
        }
    }
}

/// How much of a list to show where about `most` fit, and how much is then left over: never one alone, since the line that
/// says so would have had room for it.
#[must_use]
pub const fn shown(len: usize, most: usize) -> (usize, usize) {
    if len <= most + 1 { (len, 0) } else { (most, len - most) }
}

/// Date and time of a Unix millisecond, UTC, to the minute: `2026-03-02 00:00`.
pub(crate) fn minute(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| format!("{unix_ms} ms"), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

/// From one Unix millisecond to another, as [`minute`] has them.
pub(crate) fn period(from_ms: i64, to_ms: i64) -> String {
    format!("{} to {} UTC", minute(from_ms), minute(to_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_over_alone() {
        for (len, want) in [(0, (0, 0)), (8, (8, 0)), (9, (9, 0)), (10, (8, 2))] {
            assert_eq!(shown(len, 8), want, "{len}");
        }
    }

    #[test]
    fn amounts_that_are_read_together_agree() {
        // Baseline, paid, lost: what is shown of these and of what follows from them.
        for (picos, want) in [
            ([416_650_000_000, 333_349_000_000, 8_660_000_000], "$0.4167 - $0.3333 = $0.0834 = $0.0921 - $0.0087"),
            ([9_150_000, 1_000_000, 0], "$0.000009150 - $0.000001000 = $0.000008150 = $0.000008150 - $0"),
            (
                [123_456_785_000_000_000, 985_000_000_000, 3_000_000],
                "$123,456.79 - $0.99 = $123,455.80 = $123,455.80 - <$0.01",
            ),
            ([0, 150_000_000_000, 150_000_000_000], "$0 - $0.1500 = -$0.1500 = $0 - $0.1500"),
        ] {
            let [baseline, paid, lost] = picos.map(Usd::from_picos);
            let amounts = Amounts::up_to(baseline.max(paid));
            let money = amounts.agreeing(&Money { baseline, paid, lost, ..Money::default() });
            let [saved, gained] = [money.saved, money.gained].map(|amount| amounts.show(amount));
            let [baseline, paid, lost] = [baseline, paid, lost].map(|amount| amounts.show(amount));
            assert_eq!(format!("{baseline} - {paid} = {saved} = {gained} - {lost}"), want);
        }
        assert_eq!(Amounts::up_to(Usd::from_f64(1.0)).show(Usd::from_picos(-7)), ">-$0.0001");
    }

    #[test]
    fn dollars_tell_something_at_every_size() {
        for (picos, want) in [
            (0, "$0"),
            (1, "$0.000000000001"),
            (150_000, "$0.00000015"),
            (9_900_000_000, "$0.0099"),
            (10_000_000_000, "$0.01"),
            (14_999_999_999, "$0.01"),
            (15_000_000_000, "$0.02"),
            (1_999_000_000_000, "$2.00"),
            (1_234_567_890_000_000_000, "$1,234,567.89"),
            (-3_200_000_000_000, "-$3.20"),
            (i64::MAX, "$9,223,372.04"),
        ] {
            assert_eq!(dollars(Usd::from_picos(picos)), want, "{picos}");
        }
    }

    #[test]
    fn shares_do_not_round_to_nothing_or_everything() {
        for (share, want) in [
            (0.0, "0%"),
            (0.0001, "<0.1%"),
            (0.123, "12.3%"),
            (0.9999, ">99.9%"),
            (1.0, "100%"),
            (-0.25, "-25.0%"),
            (-0.0001, ">-0.1%"),
        ] {
            assert_eq!(percent(share), want);
        }
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        for (ms, want) in [(None, "–"), (Some(0.4), "0 ms"), (Some(999.4), "999 ms"), (Some(999.6), "1.0 s")] {
            assert_eq!(milliseconds(ms), want);
        }
        assert_eq!(milliseconds(Some(200_400.0)), "3 min 20 s");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!([0, 1, 1_000].map(|count| many(count, "call")), ["0 calls", "1 call", "1,000 calls"]);
        assert_eq!((thousands(0), thousands(999), thousands(1000)), ("0".into(), "999".into(), "1,000".into()));
    }
}
