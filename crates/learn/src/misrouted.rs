//! Requests that went to a tier that was too low or too high, counted, with upper bounds.
//!
//! The threshold was chosen on the very rows that are counted, among those that could be proven. The bounds hold for each
//! of these thresholds at once (Bonferroni), so that they hold for the chosen one.

use crate::proof::THRESHOLDS;
use crate::table::{Row, Table};
use tierway_decide::stats::upper_bound;

/// How sure an upper bound is: 95 % for all thresholds together.
const CONFIDENCE: f64 = 1.0 - 0.05 / THRESHOLDS as f64;

/// Counts over rows that were sent to some tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misrouted {
    /// All rows.
    pub rows: u64,
    /// Went below the baseline, which would have scored better.
    pub too_low: u64,
    /// Went to the baseline or above, and the cheapest tier scored no worse.
    pub too_high: u64,
    /// The cheapest tier scores worse than the baseline.
    pub needed: u64,
    /// Of these, went below the baseline.
    pub missed: u64,
}

impl Misrouted {
    /// Counts; `tiers` says where each row went.
    #[must_use]
    pub fn count(table: &Table<'_>, rows: &[&Row<'_>], tiers: &[usize]) -> Self {
        let base = table.baseline;
        let mut own = Self { rows: rows.len() as u64, ..Self::default() };
        for (row, tier) in rows.iter().zip(tiers) {
            let score = |tier: usize| row.tiers[tier].score;
            let needed = score(0) < score(base);
            own.too_low += u64::from(*tier < base && score(*tier) < score(base));
            own.too_high += u64::from(*tier >= base && score(0) >= score(*tier));
            own.needed += u64::from(needed);
            own.missed += u64::from(needed && *tier < base);
        }
        own
    }

    /// Upper bound of the share that went too low.
    #[must_use]
    pub fn too_low_at_most(&self) -> f64 {
        upper_bound(self.too_low, self.rows, CONFIDENCE)
    }

    /// Share of the rows on which the cheapest tier falls short that went below the baseline.
    #[must_use]
    pub fn missed_share(&self) -> f64 {
        self.missed as f64 / self.needed.max(1) as f64
    }

    /// Upper bound of that share.
    #[must_use]
    pub fn missed_at_most(&self) -> f64 {
        upper_bound(self.missed, self.needed, CONFIDENCE)
    }
}
