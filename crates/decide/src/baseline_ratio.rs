//! How sure savings are: the baseline's bill, corrected by what the baseline tier really charged for some requests.
//!
//! "Same tokens" takes the baseline's answer for as long as the one that was served; it rarely is. Shadows tell: the baseline
//! tier answered a sample of the routed requests, too. In: pairs of (what same tokens would have cost, what the shadow did
//! cost), by kind of work, with the weight that undoes the sampling. Out: the baseline's bill as a separate ratio estimate,
//! and an interval that holds however often one looks while pairs come in.
//!
//! - Each kind of work has its own ratio, so that a sample whose mix is not that of the bill does no harm (Cochran, "Sampling
//!   Techniques", 1977, section 6.10: separate ratio estimates, linearised variance). A kind's variance is at least what is
//!   usual for its number of pairs: few that happen to agree are no proof that it hardly varies.
//! - Standard errors are as many as an asymptotic confidence sequence takes (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
//!   "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 2024, theorem 2.2), not the
//!   1.96 of one look that was planned.
//! - Costs have long tails, and what is asymptotic does not know them yet. Each end goes out by the second term of Bernstein's
//!   inequality, with the farthest that one pair moves the bill that way in place of a bound that nobody knows.
//! - A kind with hardly a pair is not said to be like the others: it may cost anything within [`UNSEEN`] of what is known.
//!
//! Refuses intervals from a handful of pairs, and to be sure of what was not sampled. `examples/quality_bars` holds it against
//! traffic whose truth is known.

use crate::{TaskType, Usd};
use std::collections::BTreeMap;

/// A kind of work with fewer pairs has no ratio of its own.
const OWN_RATIO: usize = 4;
/// With fewer pairs in all there is no interval: what is asymptotic needs a start.
const LEAST_PAIRS: usize = 30;
/// A kind without a ratio of its own lies between the least of all known ratios (same tokens, 1, among them) over this, and the
/// greatest times this. An assumption, not a finding; it goes as soon as the kind has pairs.
const UNSEEN: f64 = 2.0;
/// The number of pairs at which the interval is as narrow as one that holds at every look can be: about a week of shadows.
const NARROWEST_AT: f64 = 250.0;

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
    /// The best guess for kinds without a ratio of their own, and between what theirs may lie.
    unseen: Bill,
    pairs: usize,
}

#[derive(Clone, Copy, Debug)]
struct Ratio {
    value: f64,
    /// Variance of the estimate, over its square.
    variance: f64,
    /// One over the number of pairs of one size that would tell as much.
    share: f64,
    pairs: f64,
    /// How far one pair moves the estimate at most, over it: down, and up.
    moves: [f64; 2],
}

impl Ratio {
    fn of(pairs: &[Pair]) -> Option<Self> {
        let weight = |pair: &Pair| pair.weight * pair.same_tokens.as_f64();
        let expected: f64 = pairs.iter().map(weight).sum();
        let found: f64 = pairs.iter().map(|pair| pair.weight * pair.found.as_f64()).sum();
        let value = found / expected;
        if pairs.len() < 2 || !value.is_finite() || value <= 0.0 {
            return None;
        }
        let (mut squares, mut share, mut moves) = (0.0, 0.0, [0.0, 0.0]);
        for pair in pairs {
            let weight = weight(pair);
            // How far the ratio moves by the pair.
            let by = (pair.weight * pair.found.as_f64() / value - weight) / expected;
            squares += by * by;
            share += (weight / expected).powi(2);
            moves = [f64::max(moves[0], -by), f64::max(moves[1], by)];
        }
        let pairs = pairs.len() as f64;
        Some(Self { value, variance: squares * pairs / (pairs - 1.0), share, pairs, moves })
    }
}

impl BaselineRatio {
    /// Learns from pairs; none when they are too few to say anything.
    #[must_use]
    pub fn of(pairs: &[Pair]) -> Option<Self> {
        if pairs.len() < LEAST_PAIRS {
            return None;
        }
        let shared = Ratio::of(pairs)?;
        let mut by_task: BTreeMap<TaskType, Vec<Pair>> = BTreeMap::new();
        pairs.iter().for_each(|pair| by_task.entry(pair.task_type).or_default().push(*pair));
        let own = by_task.into_iter().filter(|(_, pairs)| pairs.len() >= OWN_RATIO);
        let mut own: BTreeMap<_, _> = own.filter_map(|(task, pairs)| Some((task, Ratio::of(&pairs)?))).collect();
        let known = || own.values().map(|ratio| ratio.value).chain([1.0, shared.value]);
        let low = known().fold(f64::INFINITY, f64::min) / UNSEEN;
        let high = known().fold(0.0, f64::max) * UNSEEN;
        let unseen = Bill { value: shared.value, low, high };
        // What a kind of so many pairs has, if it spreads as pairs usually do.
        let counted: f64 = own.values().map(|ratio| ratio.pairs).sum();
        let usual = own.values().map(|ratio| ratio.pairs * ratio.variance / ratio.share).sum::<f64>() / counted;
        own.values_mut().for_each(|ratio| ratio.variance = ratio.variance.max(usual * ratio.share));
        Some(Self { own, unseen, pairs: pairs.len() })
    }

    /// Pairs that it rests on.
    #[must_use]
    pub const fn pairs(&self) -> usize {
        self.pairs
    }

    /// The baseline's bill for requests whose cost by same tokens is known by kind of work; `certain` is what was really
    /// paid on the baseline tier itself and needs no estimate. `confidence`: the chance that the interval holds at every
    /// look, such as 0.95.
    #[must_use]
    pub fn bill(&self, by_task: &[(TaskType, Usd)], certain: Usd, confidence: f64) -> Bill {
        let (mut value, mut variance, mut unseen, mut moves) = (0.0, 0.0, 0.0, [0.0, 0.0]);
        for (task, same_tokens) in by_task {
            let Some(ratio) = self.own.get(task) else {
                unseen += same_tokens.as_f64();
                continue;
            };
            let part = same_tokens.as_f64() * ratio.value;
            value += part;
            variance += part.powi(2) * ratio.variance;
            moves = [0, 1].map(|way: usize| f64::max(moves[way], part * ratio.moves[way]));
        }
        let errors = standard_errors(self.pairs as f64, 1.0 - confidence);
        let [down, up] = moves.map(|most| errors * variance.sqrt() + errors.powi(2) / 6.0 * most);
        let with = |measured: f64, ratio: f64| certain.as_f64() + measured.max(0.0) + unseen * ratio;
        Bill {
            value: with(value, self.unseen.value),
            low: with(value - down, self.unseen.low),
            high: with(value + up, self.unseen.high),
        }
    }
}

/// Half the width, in standard errors, of an interval for a mean of `pairs` values that misses at any look with a chance of
/// `miss`. (Theorem 2.2 of the source; rho is the one that it advises for a number of pairs.)
fn standard_errors(pairs: f64, miss: f64) -> f64 {
    let doubt = -2.0 * miss.ln();
    let rho_squared = (doubt + doubt.ln() + 1.0) / NARROWEST_AT;
    let seen = pairs * rho_squared;
    (2.0 * (seen + 1.0) / seen * ((seen + 1.0).sqrt() / miss).ln()).sqrt()
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
    fn an_interval_holds_at_every_look_and_is_not_much_wider_than_that_of_one() {
        let bill = [(TaskType::Qa, Usd::from_f64(100.0))];
        let (mut covered, mut width) = (0, 0.0);
        for seed in 0..200 {
            let pairs = draw(&mut Chance::new(seed), 600, 1.3);
            let looks = (30..=600).step_by(15);
            let looks =
                looks.map(|seen| BaselineRatio::of(&pairs[..seen]).unwrap().bill(&bill, Usd::from_f64(20.0), 0.95));
            let looks: Vec<_> = looks.collect();
            covered += usize::from(looks.iter().all(|bill| (bill.low..=bill.high).contains(&150.0)));
            width += looks.last().map_or(0.0, |bill| bill.high - bill.low) / 200.0;
        }
        // The interval of one planned look is 2 * 1.96 * 130 * 0.59 / sqrt(600), 12 dollars wide, and misses at one of
        // these looks in every fourth run.
        assert!(covered >= 190, "{covered} of 200");
        assert!((12.0..28.0).contains(&width), "{width}");
    }

    #[test]
    fn a_kind_without_pairs_is_not_taken_to_be_like_the_others() {
        let mut pairs = draw(&mut Chance::new(1), 600, 2.0);
        assert!(BaselineRatio::of(&pairs[..29]).is_none(), "few pairs say nothing");
        pairs.iter_mut().take(10).for_each(|pair| pair.task_type = TaskType::Coding);
        pairs.iter_mut().skip(10).take(3).for_each(|pair| pair.task_type = TaskType::Writing);
        let ratio = BaselineRatio::of(&pairs).unwrap();
        assert_eq!(ratio.pairs(), 600);
        let bill = |task| ratio.bill(&[(task, Usd::from_f64(1.0))], Usd::ZERO, 0.95);
        assert_eq!(bill(TaskType::Analysis), bill(TaskType::Writing), "neither has a ratio of its own");
        let [known, few, none] = [TaskType::Qa, TaskType::Coding, TaskType::Writing].map(bill);
        let width = |bill: Bill| bill.high - bill.low;
        assert!(
            width(known) < 0.6 && width(few) > 3.0 * width(known) && width(none) > 3.0,
            "{known:?} {few:?} {none:?}"
        );
        assert!(none.low <= 0.5 && 4.0 <= none.high, "between half and twice of what is known, 1 to 2: {none:?}");
        let nothing = ratio.bill(&[], Usd::from_f64(3.0), 0.95);
        assert_eq!((nothing.low, nothing.value, nothing.high), (3.0, 3.0, 3.0), "what was paid is certain");
    }

    #[test]
    fn the_chance_of_a_miss_sets_the_width() {
        // By hand: miss 0.05 has rho^2 = (5.9915 + ln 5.9915 + 1) / 250 = 0.035128; 250 pairs: sqrt(2.22772 * (1.14027 + 2.99573)).
        for (pairs, miss, want) in [(250.0, 0.05, 3.0354), (30.0, 0.05, 3.6166), (2_000.0, 0.05, 3.2255)] {
            let got = standard_errors(pairs, miss);
            assert!((got - want).abs() < 2e-4, "{pairs} {miss}: {got}");
        }
        assert!(standard_errors(250.0, 0.01) > standard_errors(250.0, 0.05));
    }
}
