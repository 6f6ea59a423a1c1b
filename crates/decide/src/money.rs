//! Money without rounding.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

/// US dollars in units of 1e-12: one token at 1 dollar per million tokens is 1,000,000 units.
/// Holds up to about nine million dollars; arithmetic saturates rather than wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(i64);

/// Units of a dollar.
const PICOS: u64 = 1_000_000_000_000;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From units of 1e-12 dollars, as stored.
    #[must_use]
    pub const fn from_picos(picos: i64) -> Self {
        Self(picos)
    }

    /// In units of 1e-12 dollars, for storing.
    #[must_use]
    pub const fn picos(self) -> i64 {
        self.0
    }

    /// From whole dollars and fractions, rounded to 1e-12. For config and display, not for sums.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is what money here does")]
    pub fn from_f64(dollars: f64) -> Self {
        Self((dollars * 1e12).round() as i64)
    }

    /// In dollars, for display and statistics.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "display and statistics")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e12
    }

    /// `count` times this amount.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Usd {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Exact decimal dollars without trailing zeros: `0.00015`, `-1.5`, `0`. Written digit by digit, from the last one on: every
/// answer carries several amounts, and the formatting of the standard library takes four times as long.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Sign, seven digits, point, twelve digits.
        let (mut text, mut at) = ([0; 24], 24);
        let mut put = |byte: u8| {
            at -= 1;
            text[at] = byte;
        };
        let digit = |number: u64| b'0' + (number % 10) as u8;
        let (mut whole, mut part) = (self.0.unsigned_abs() / PICOS, self.0.unsigned_abs() % PICOS);
        let mut places = if part == 0 { 0 } else { 12 };
        // Up to six zeros at the end at once, as most amounts have, then one by one.
        if places > 0 && part % 1_000_000 == 0 {
            (part, places) = (part / 1_000_000, 6);
        }
        while places > 0 && part % 10 == 0 {
            (part, places) = (part / 10, places - 1);
        }
        if places > 0 {
            for _ in 0..places {
                put(digit(part));
                part /= 10;
            }
            put(b'.');
        }
        put(digit(whole));
        while whole > 9 {
            whole /= 10;
            put(digit(whole));
        }
        if self.0 < 0 {
            put(b'-');
        }
        f.write_str(std::str::from_utf8(&text[at..]).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_exact_decimals() {
        for (picos, want) in [
            (0, "0"),
            (150_000, "0.00000015"),
            (1, "0.000000000001"),
            (-1_500_000_000_000, "-1.5"),
            (3_000_000_000_000, "3"),
            (120_000_000_000_010, "120.00000000001"),
            (i64::MAX, "9223372.036854775807"),
            (i64::MIN, "-9223372.036854775808"),
        ] {
            assert_eq!(Usd::from_picos(picos).to_string(), want);
        }
    }
}
