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

/// Exact decimal dollars without trailing zeros: `0.00015`, `-1.5`, `0`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.unsigned_abs() / 1_000_000_000_000, self.0.unsigned_abs() % 1_000_000_000_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        if part == 0 {
            return write!(f, "{sign}{whole}");
        }
        // Up to six zeros at the end at once, as most amounts have, then one by one.
        let (mut part, mut places) = if part % 1_000_000 == 0 { (part / 1_000_000, 6) } else { (part, 12) };
        while part % 10 == 0 {
            part /= 10;
            places -= 1;
        }
        write!(f, "{sign}{whole}.{part:0places$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_exact_decimals() {
        for (picos, want) in [(0, "0"), (150_000, "0.00000015"), (-1_500_000_000_000, "-1.5"), (3_000_000_000_000, "3")]
        {
            assert_eq!(Usd::from_picos(picos).to_string(), want);
        }
    }
}
