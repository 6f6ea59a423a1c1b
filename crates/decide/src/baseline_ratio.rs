//! How sure savings are: the baseline's bill, corrected by what the baseline tier really charged for some requests.
//!
//! "Same tokens" takes the baseline's answer for as long as the one that was served; it rarely is. Shadows tell: the baseline
//! tier answered a sample of the routed requests, too. In: pairs of (what same tokens would have cost, what the shadow did
//! cost), by kind of work, with the weight that undoes the sampling. Out: the baseline's bill as a separate ratio estimate,
//! and its interval (Cochran, "Sampling Techniques", 1977, chapter 6: ratio estimators, linearised variance). Refuses
//! intervals from a handful of pairs: kinds with few of them share one ratio, and below that there is none.

use crate::{TaskType, Usd};
use std::collections::BTreeMap;

/// A kind of work with fewer pairs has no ratio of its own.
const OWN_RATIO: usize = 30;
/// With fewer pairs in all there is no interval: the linearised variance is too small for small samples.
const LEAST_PAIRS: usize = 30;

/// One request that was answered twice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The kind of work.
    pub task_type: TaskType,
    /// The baseline's cost by the method of same tokens.
    pub same_tokens: Usd,
    /// What the baseline's own answer cost.
    pub found: Usd,
    /// One over the chance of having been sampled, up to a common factor.
    pub weight: f64,
}

/// A bill with its interval, dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bill {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Ratios of found to same-token cost, by kind of work.
#[derive(Clone, Debug)]
pub struct BaselineRatio {
    own: BTreeMap<TaskType, Ratio>,
    /// Of all kinds without a ratio of their own.
    shared: Option<Ratio>,
    pairs: usize,
}

#[derive(Clone, Copy, Debug)]
struct Ratio {
    value: f64,
    /// Variance of the ratio.
    variance: f64,
}

impl Ratio {
    fn of(pairs: &[Pair]) -> Option<Self> {
        let expected: f64 = pairs.iter().map(|pair| pair.weight * pair.same_tokens.as_f64()).sum();
        let found: f64 = pairs.iter().map(|pair| pair.weight * pair.found.as_f64()).sum();
        if expected <= 0.0 || pairs.len() < 2 {
            return None;
        }
        let value = found / expected;
        let residual = |pair: &Pair| pair.weight * (pair.found.as_f64() - value * pair.same_tokens.as_f64());
        let squares: f64 = pairs.iter().map(|pair| residual(pair).powi(2)).sum();
        let correction = pairs.len() as f64 / (pairs.len() - 1) as f64;
        Some(Self { value, variance: correction * squares / expected.powi(2) })
    }
}

impl BaselineRatio {
    /// Learns from pairs; none when they are too few to say anything.
    #[must_use]
    pub fn of(pairs: &[Pair]) -> Option<Self> {
        if pairs.len() < LEAST_PAIRS {
            return None;
        }
        let mut by_task: BTreeMap<TaskType, Vec<Pair>> = BTreeMap::new();
        pairs.iter().for_each(|pair| by_task.entry(pair.task_type).or_default().push(*pair));
        let own = by_task.into_iter().filter(|(_, pairs)| pairs.len() >= OWN_RATIO);
        let own = own.filter_map(|(task, pairs)| Some((task, Ratio::of(&pairs)?))).collect();
        Some(Self { own, shared: Ratio::of(pairs), pairs: pairs.len() })
    }

    /// Pairs that it rests on.
    #[must_use]
    pub const fn pairs(&self) -> usize {
        self.pairs
    }

    /// The baseline's bill for requests whose cost by same tokens is known by kind of work; `certain` is what was really
    /// paid on the baseline tier itself and needs no estimate. `z`: half the width in standard errors, 1.96 for 95 %.
    #[must_use]
    pub fn bill(&self, by_task: &[(TaskType, Usd)], certain: Usd, z: f64) -> Option<Bill> {
        let (mut value, mut variance, mut sharing) = (certain.as_f64(), 0.0, 0.0);
        for (task, same_tokens) in by_task {
            let amount = same_tokens.as_f64();
            match self.own.get(task) {
                Some(ratio) => {
                    value += amount * ratio.value;
                    variance += amount.powi(2) * ratio.variance;
                }
                None => sharing += amount,
            }
        }
        // Kinds that share a ratio are wrong together.
        if sharing > 0.0 {
            let shared = self.shared?;
            value += sharing * shared.value;
            variance += sharing.powi(2) * shared.variance;
        }
        let half = z * variance.sqrt();
        Some(Bill { value, low: (value - half).max(certain.as_f64()), high: value + half })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chance;

    /// Traffic with a known truth: answers of the baseline are `ratio` as long on average, with a long tail.
    fn draw(chance: &mut Chance, count: usize, ratio: f64) -> Vec<Pair> {
        let one = |chance: &mut Chance| {
            let same_tokens = 0.001 + 0.01 * chance.share() * chance.share();
            // Mean 1: an exponential, half of which is constant.
            let length = 0.5 - 0.5 * chance.share().ln();
            Pair {
                task_type: TaskType::Qa,
                same_tokens: Usd::from_f64(same_tokens),
                found: Usd::from_f64(same_tokens * ratio * length),
                weight: 1.0,
            }
        };
        (0..count).map(|_| one(chance)).collect()
    }

    #[test]
    fn a_95_percent_interval_covers_the_truth_about_as_often() {
        let mut covered = 0;
        let runs = 1_000;
        for seed in 0..runs {
            let mut chance = Chance::new(seed);
            let pairs = draw(&mut chance, 120, 1.3);
            let bill = BaselineRatio::of(&pairs).unwrap();
            let bill = bill.bill(&[(TaskType::Qa, Usd::from_f64(100.0))], Usd::from_f64(20.0), 1.96).unwrap();
            covered += usize::from((bill.low..=bill.high).contains(&150.0));
        }
        // Binomial, 95 %: 936 to 964 of 1,000; the tail costs a little.
        assert!((925..=970).contains(&covered), "{covered}");
    }

    #[test]
    fn kinds_with_few_pairs_share_a_ratio_and_few_pairs_say_nothing() {
        let mut pairs = draw(&mut Chance::new(1), 60, 2.0);
        assert!(BaselineRatio::of(&pairs[..29]).is_none());
        pairs.iter_mut().take(10).for_each(|pair| pair.task_type = TaskType::Coding);
        let ratio = BaselineRatio::of(&pairs).unwrap();
        assert_eq!(ratio.pairs(), 60);
        let bill = |task| ratio.bill(&[(task, Usd::from_f64(1.0))], Usd::ZERO, 1.96).unwrap();
        assert_ne!(bill(TaskType::Coding), bill(TaskType::Qa));
        assert_eq!(bill(TaskType::Coding), bill(TaskType::Writing), "neither has one of its own");
        let nothing = ratio.bill(&[], Usd::from_f64(3.0), 1.96).unwrap();
        assert_eq!((nothing.low, nothing.value, nothing.high), (3.0, 3.0, 3.0), "what was paid is certain");
    }
}
