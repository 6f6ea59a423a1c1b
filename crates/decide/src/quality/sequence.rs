//! An interval for a mean that holds however often one looks.
//!
//! Betting on every possible mean (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B
//! 2024): for each mean m a gambler bets that the truth is larger, another that it is smaller. Neither can be expected to win
//! where m is the truth, so an m at which one of them is rich is ruled out. Each gambler spreads his money over fixed bets: no
//! bet has to be tuned, and what he owns does not hang on the order of the values, so that values are kept as counts, and
//! traffic that changes moves the interval instead of breaking it. Values come from a sample with known chances: each counts
//! by its weight (least chance over its own), which keeps the game at the true mean fair, because the expected product of
//! weight, being drawn, and distance to the mean is zero there ("Anytime-valid off-policy inference", the same and others,
//! 2024, for the general case).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Shares of the largest safe bet that are tried side by side; as in [`crate::stats::Betting`].
const BETS: [f64; 12] = [0.004, 0.008, 0.015, 0.03, 0.05, 0.08, 0.12, 0.18, 0.27, 0.4, 0.6, 0.85];
/// Halvings of a bound: to a millionth.
const HALVINGS: usize = 20;

/// A figure between its ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate: the weighted mean; 0.5 of nothing.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval of one minus the figure.
    #[must_use]
    pub fn complement(self) -> Self {
        Self { value: 1.0 - self.value, low: 1.0 - self.high, high: 1.0 - self.low }
    }

    /// Width.
    #[must_use]
    pub fn width(self) -> f64 {
        self.high - self.low
    }
}

/// The mean of values in 0..=1, with an interval that holds at every look.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanSequence {
    /// What a gambler has to own for his mean to be ruled out, as a sum over his bets.
    rich: f64,
    /// How often each value came at each weight; both are in 0..=1, where the bits of numbers sort as the numbers do.
    counts: BTreeMap<(u64, u64), u64>,
    seen: u64,
    weights: f64,
    sum: f64,
}

impl MeanSequence {
    /// Nothing seen yet: the interval is 0..=1. `confidence`: the chance that the interval holds at every look, such as 0.95.
    #[must_use]
    pub fn new(confidence: f64) -> Self {
        let each_side = (1.0 - confidence.clamp(0.0, 1.0 - 1e-12)) / 2.0;
        Self { rich: BETS.len() as f64 / each_side, counts: BTreeMap::new(), seen: 0, weights: 0.0, sum: 0.0 }
    }

    /// Takes one value in 0..=1 with its weight in 0..=1.
    pub fn take(&mut self, value: f64, weight: f64) {
        // Adding nought makes a nought of -0.
        let (value, weight) = (value.clamp(0.0, 1.0) + 0.0, weight.clamp(0.0, 1.0) + 0.0);
        *self.counts.entry((value.to_bits(), weight.to_bits())).or_default() += 1;
        self.seen += 1;
        self.weights += weight;
        self.sum += weight * value;
    }

    /// The mean so far with its interval.
    #[must_use]
    pub fn interval(&self) -> Interval {
        let value = if self.weights > 0.0 { self.sum / self.weights } else { 0.5 };
        // At the mean itself nobody is rich, so the bounds lie on its two sides.
        let low = self.bound(value, 0.0, |x, mean| x / mean - 1.0);
        let high = self.bound(value, 1.0, |x, mean| (1.0 - x) / (1.0 - mean) - 1.0);
        Interval { value, low, high }
    }

    /// The last mean on the way from `end` to `inside` at which the gambler with this gain is rich: `end` when he is nowhere.
    fn bound(&self, inside: f64, end: f64, gain: impl Fn(f64, f64) -> f64) -> f64 {
        let (mut inside, mut end) = (inside, end);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(inside, end);
            if self.owned(|x| gain(x, middle)) >= self.rich { end = middle } else { inside = middle }
        }
        end
    }

    /// What a gambler owns, as a sum over his bets. Every gain is at least -1, and 0 on average where his mean is the truth.
    fn owned(&self, gain: impl Fn(f64) -> f64) -> f64 {
        let mut logs = [0.0; BETS.len()];
        for ((value, weight), count) in &self.counts {
            let stake = f64::from_bits(*weight) * gain(f64::from_bits(*value));
            for (log, bet) in logs.iter_mut().zip(BETS) {
                *log += *count as f64 * (bet * stake).ln_1p();
            }
        }
        logs.iter().map(|log| log.exp()).sum()
    }

    /// How many values were taken.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chance;

    /// Whether the interval held at every eighth look of one run with a truth of `mean`, and its last width.
    fn run(mean: f64, weights: &[f64], looks: usize, seed: u64) -> (bool, f64) {
        let mut chance = Chance::new(seed);
        let mut sequence = MeanSequence::new(0.95);
        let mut held = true;
        for look in 0..looks {
            let weight = weights[chance.up_to(weights.len() as u64 - 1) as usize];
            sequence.take(f64::from(u8::from(chance.share() <= mean)), weight);
            if look % 8 == 0 {
                let interval = sequence.interval();
                held &= interval.low <= mean && mean <= interval.high;
            }
        }
        (held, sequence.interval().width())
    }

    #[track_caller]
    fn check(mean: f64, weights: &[f64], widest: f64) {
        let runs: Vec<_> = (0..100).map(|seed| run(mean, weights, 400, seed)).collect();
        let missed = runs.iter().filter(|(held, _)| !held).count();
        assert!(missed <= 5, "{missed} of 100 at {mean}");
        let width = runs.iter().map(|(_, width)| width).sum::<f64>() / 100.0;
        assert!(width < widest, "{width} at {mean}");
    }

    #[test]
    fn intervals_hold_at_every_look_and_are_not_wide() {
        check(0.5, &[1.0], 0.17);
        check(0.95, &[1.0], 0.09);
        check(0.98, &[1.0, 0.5, 0.25], 0.09);
    }

    #[test]
    fn a_weight_undoes_the_chance_of_being_looked_at() {
        // hard requests are good half of the time and looked at always, easy ones are good always and looked at rarely
        let mut chance = Chance::new(3);
        let mut sequence = MeanSequence::new(0.95);
        for _ in 0..20_000 {
            let hard = chance.share() <= 0.2;
            let (drawn, weight) = if hard { (1.0, 0.1) } else { (0.1, 1.0) };
            let good = !hard || chance.share() <= 0.5;
            if chance.share() <= drawn {
                sequence.take(f64::from(u8::from(good)), weight);
            }
        }
        let interval = sequence.interval();
        assert!(interval.low <= 0.9 && 0.9 <= interval.high && interval.width() < 0.06, "{interval:?}");
        assert!((interval.value - 0.9).abs() < 0.02, "{interval:?}");
    }

    #[test]
    fn traffic_that_changes_moves_the_interval_and_the_order_does_not() {
        let mut sequence = MeanSequence::new(0.95);
        (0..600).for_each(|_| sequence.take(1.0, 1.0));
        (0..400).for_each(|_| sequence.take(0.0, 1.0));
        let mut mixed = MeanSequence::new(0.95);
        (0..1_000).for_each(|at| mixed.take(f64::from(u8::from(at % 5 < 3)), 1.0));
        assert_eq!(sequence.interval(), mixed.interval());
        let interval = sequence.interval();
        assert!(interval.low < 0.6 && 0.6 < interval.high && interval.width() < 0.12, "{interval:?}");
    }

    #[test]
    fn nothing_seen_says_nothing_and_the_ends_can_be_reached() {
        let mut sequence = MeanSequence::new(0.95);
        assert_eq!(sequence.interval(), Interval { value: 0.5, low: 0.0, high: 1.0 });
        (0..3_000).for_each(|_| sequence.take(1.0, 1.0));
        let interval = sequence.interval();
        assert!(interval.low > 0.995 && interval.high == 1.0 && interval.value == 1.0, "{interval:?}");
        assert_eq!(sequence.seen(), 3_000);
    }
}
