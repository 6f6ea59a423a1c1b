//! Exact tests and any-time-valid processes behind every promise.
//!
//! In: verdicts as numbers. Out: p-values, wealth, intervals. No test here assumes a model of the data beyond independent
//! draws from the same traffic, and none is asymptotic. Chance is a seed.

use crate::Chance;

/// P(Binomial(n, p) <= k), exactly (sum in log space).
#[must_use]
pub fn binomial_tail(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    if p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { 1.0 } else { 0.0 };
    }
    let (log_p, log_q) = (p.ln(), (-p).ln_1p());
    let mut log_choose = 0.0;
    let mut sum = 0.0;
    for i in 0..=k {
        if i > 0 {
            log_choose += ((n - i + 1) as f64).ln() - (i as f64).ln();
        }
        sum += (log_choose + i as f64 * log_p + (n - i) as f64 * log_q).exp();
    }
    sum.min(1.0)
}

/// The confidence of each of two statements that are to hold together at `confidence`: each may fail half as often (Bonferroni).
#[must_use]
pub const fn each_of_two(confidence: f64) -> f64 {
    f64::midpoint(1.0, confidence)
}

/// The largest rate that `k` losses in `n` do not rule out: one-sided upper bound at `confidence` (Clopper and Pearson,
/// 1934). 1 for no data.
#[must_use]
pub fn upper_bound(k: u64, n: u64, confidence: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let (mut low, mut high) = (k as f64 / n as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if binomial_tail(k, n, middle) > 1.0 - confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// P-value of "the mean of losses in 0..1 is above `budget`" (Hoeffding-Bentkus; Bates et al., "Distribution-free,
/// risk-controlling prediction sets", 2021). `total` is the sum of `n` losses.
#[must_use]
pub fn hoeffding_bentkus(total: f64, n: u64, budget: f64) -> f64 {
    if n == 0 {
        return 1.0;
    }
    let mean = (total / n as f64).min(budget);
    let hoeffding = (-(n as f64) * divergence(mean, budget)).exp();
    let bentkus = std::f64::consts::E * binomial_tail(total.ceil().max(0.0) as u64, n, budget);
    hoeffding.min(bentkus).min(1.0)
}

/// Kullback-Leibler divergence of two coins.
fn divergence(a: f64, b: f64) -> f64 {
    let term = |x: f64, y: f64| if x <= 0.0 { 0.0 } else { x * (x / y).ln() };
    term(a, b) + term(1.0 - a, 1.0 - b)
}

/// Shares of the largest safe bet that are tried side by side.
const BETS: [f64; 12] = [0.004, 0.008, 0.015, 0.03, 0.05, 0.08, 0.12, 0.18, 0.27, 0.4, 0.6, 0.85];

/// A game against "the mean is at most 0": wealth that only grows in the long run when the mean is above 0.
///
/// Wealth is the mean over fixed bets of the product of `1 + bet * x`, x between -`worst` and 1 (Waudby-Smith and Ramdas,
/// "Estimating means of bounded random variables by betting", 2024). When the mean is at most 0, the chance that it ever
/// passes `1 / d` is at most d, however often one looks (Ville's inequality).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Betting {
    logs: [f64; BETS.len()],
    worst: f64,
    most: f64,
    seen: u64,
}

impl Betting {
    /// A new game. `worst`: how far below 0 a value can be, above 0.
    #[must_use]
    pub const fn new(worst: f64) -> Self {
        Self { logs: [0.0; BETS.len()], worst, most: 1.0, seen: 0 }
    }

    /// Takes one value in -`worst`..=1.
    pub fn take(&mut self, x: f64) {
        for (log, bet) in self.logs.iter_mut().zip(BETS) {
            *log += (bet / self.worst * x.max(-self.worst)).ln_1p();
        }
        self.seen += 1;
        self.most = self.most.max(self.wealth());
    }

    /// Wealth now; 1 at the start.
    #[must_use]
    pub fn wealth(&self) -> f64 {
        Self::least_wealth(std::slice::from_ref(self))
    }

    /// What is left when each bet earns only what it does in the worst of these games. Where the values of all games are
    /// linear in something unknown, and the games are those at the corners of what is known of it, no game in between has
    /// less: the logarithm of a product of linear terms is concave, so that each bet is poorest at a corner.
    #[must_use]
    pub fn least_wealth(games: &[Self]) -> f64 {
        let least = |bet: usize| games.iter().map(|game| game.logs[bet]).fold(f64::INFINITY, f64::min);
        (0..BETS.len()).map(|bet| least(bet).exp()).sum::<f64>() / BETS.len() as f64
    }

    /// The largest wealth so far; one over it is a p-value that holds at any time.
    #[must_use]
    pub const fn most(&self) -> f64 {
        self.most
    }

    /// How many values were taken.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// The mean is above 0, at this confidence.
    #[must_use]
    pub fn proves(&self, confidence: f64) -> bool {
        self.most >= 1.0 / (1.0 - confidence)
    }
}

/// The promise over live verdicts: losses in 0..1 stay under a budget, with an alarm for when they do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    budget: f64,
    kept: Betting,
    broken: Betting,
}

/// What a watch says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Not enough verdicts to say.
    Open,
    /// Losses are under the budget, proven.
    Kept,
    /// Losses are above the budget, proven: go back to the previous threshold.
    Broken,
}

impl Watch {
    /// A watch over losses that may be `budget` on average.
    #[must_use]
    pub const fn new(budget: f64) -> Self {
        // budget - loss lies in -(1 - budget)..=budget, loss - budget in -budget..=1 - budget
        Self { budget, kept: Betting::new(1.0 - budget), broken: Betting::new(budget) }
    }

    /// Takes one loss in 0..1.
    pub fn take(&mut self, loss: f64) {
        self.kept.take(self.budget - loss);
        self.broken.take(loss - self.budget);
    }

    /// What the verdicts prove at this confidence; an alarm goes first.
    #[must_use]
    pub fn says(&self, confidence: f64) -> Watched {
        match () {
            () if self.broken.proves(confidence) => Watched::Broken,
            () if self.kept.proves(confidence) => Watched::Kept,
            () => Watched::Open,
        }
    }

    /// How many losses were taken.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.kept.seen()
    }
}

/// Fixed-sequence testing: how many of the hypotheses, in this order, can be accepted before the first that fails.
/// The chance that any accepted one is wrong is at most 1 - confidence, however many there are (Angelopoulos et al.,
/// "Learn then test", 2021).
#[must_use]
pub fn accepted(p_values: impl IntoIterator<Item = f64>, confidence: f64) -> usize {
    p_values.into_iter().take_while(|p| *p <= 1.0 - confidence).count()
}

/// The smallest budget that `n` labels can prove when `share` of it is lost: what to tell somebody with too few labels.
#[must_use]
pub fn best_provable_budget(n: u64, share: f64, confidence: f64) -> f64 {
    let proves = |budget: f64| {
        let losses = (n as f64 * budget * share).round() as u64;
        binomial_tail(losses, n, budget) <= 1.0 - confidence
    };
    let (mut low, mut high) = (0.0, 1.0);
    if n == 0 || !proves(0.999) {
        return 1.0;
    }
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if proves(middle) { high = middle } else { low = middle }
    }
    high
}

/// Labels needed to prove `budget` with a chance of `power` when `share` of it is lost.
#[must_use]
pub fn labels_needed(budget: f64, share: f64, confidence: f64, power: f64) -> u64 {
    let mut losses = None;
    for n in 1..MOST_LABELS {
        let next = losses.map_or(0, |k| k + 1);
        if binomial_tail(next, n, budget) <= 1.0 - confidence {
            losses = Some(next);
        }
        if losses.is_some_and(|k| binomial_tail(k, n, budget * share) >= power) {
            return n;
        }
    }
    MOST_LABELS
}

/// More labels than this are not asked for.
const MOST_LABELS: u64 = 20_000;

/// Percentile interval of a statistic over resamples (Efron, 1979): `of` gets indices into the data, `n` of them.
#[must_use]
pub fn bootstrap(
    n: usize,
    rounds: usize,
    confidence: f64,
    seed: u64,
    of: impl Fn(&[usize]) -> Option<f64>,
) -> Option<(f64, f64)> {
    let mut chance = Chance::new(seed);
    let mut values = Vec::with_capacity(rounds);
    let mut drawn = vec![0; n];
    for _ in 0..rounds {
        drawn.iter_mut().for_each(|at| *at = chance.up_to(n.max(1) as u64 - 1) as usize);
        values.extend(of(&drawn).filter(|value| value.is_finite()));
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share).round() as usize).copied();
    let tail = (1.0 - confidence) / 2.0;
    Some((at(tail)?, at(1.0 - tail)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy 1.x: `scipy.stats.binom.cdf(k, n, p)`; `scripts/independent.py` prints them anew.
    #[test]
    fn binomial_tails_equal_an_independent_implementation() {
        for (k, n, p, want) in [
            (3, 10, 0.5, 0.171_875),
            (0, 59, 0.05, 0.048_494_525_249_423_22),
            (12, 393, 0.05, 0.041_768_913_902_045_46),
            (40, 1000, 0.05, 0.080_636_573_256_691),
            (999, 1000, 0.99, 0.999_956_828_752_589_3),
        ] {
            let got = binomial_tail(k, n, p);
            assert!((got - want).abs() < 1e-11, "{k} {n} {p}: {got} {want}");
        }
    }

    #[test]
    fn bounds_agree_with_the_rule_of_three() {
        assert!((upper_bound(0, 100, 0.95) - 0.0295).abs() < 1e-3);
        assert_eq!(upper_bound(0, 0, 0.95), 1.0);
        assert!(hoeffding_bentkus(0.0, 59, 0.05) < 0.05);
        assert!(hoeffding_bentkus(5.0, 100, 0.05) > 0.3);
    }

    #[test]
    fn sample_sizes_equal_an_independent_implementation() {
        // one-sided, 95 %, power 80 %, half of the budget lost: the first n that reaches it, by scipy
        assert_eq!(labels_needed(0.05, 0.5, 0.95, 0.8), 361);
        assert_eq!(labels_needed(0.10, 0.5, 0.95, 0.8), 179);
        assert_eq!(labels_needed(0.02, 0.5, 0.95, 0.8), 969);
        let budget = best_provable_budget(120, 0.0, 0.95);
        assert!((budget - 0.0247).abs() < 5e-4, "{budget}");
    }

    #[test]
    fn the_game_is_rarely_won_without_an_edge_and_soon_with_one() {
        let play = |p: f64, seed: u64| {
            let mut chance = Chance::new(seed);
            let mut watch = Watch::new(0.05);
            (0..2000).find_map(|_| {
                watch.take(f64::from(u8::from(chance.share() <= p)));
                (watch.says(0.95) != Watched::Open).then(|| watch.says(0.95))
            })
        };
        let wrong = (0..400).filter(|seed| play(0.05, *seed).is_some()).count();
        assert!(wrong <= 40, "two sides at 5 % each: {wrong} of 400");
        assert!((0..50).all(|seed| play(0.015, seed) == Some(Watched::Kept)));
        assert!((0..50).all(|seed| play(0.12, seed) == Some(Watched::Broken)));
    }

    #[test]
    fn a_sequence_stops_at_its_first_failure() {
        assert_eq!(accepted([0.01, 0.04, 0.06, 0.0], 0.95), 2);
    }
}
