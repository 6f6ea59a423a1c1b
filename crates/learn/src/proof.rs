//! Which threshold can be proven: the decision that is served, tried from a safe threshold on.
//!
//! In: rows that nobody learned from with what is predicted of them, and a rehearsal on the rows that taught. Out: the
//! cheapest threshold that keeps the promise. The first that fails ends the sequence (learn then test), whose order the
//! rehearsal has fixed (as in Laufer-Goldshtein et al., "Efficiently controlling multiple risks with Pareto testing", 2023).
//!
//! Where a judge gave the scores and people checked enough of them, its errors are taken out. Half of the chance of being wrong
//! then goes to the intervals of its rates, and half to a game that has to be won at every corner of these: it is a game about
//! the truth as long as the true rates lie between the corners, also when the checks are among the rows of the proof.

use crate::calibrate::Options;
use crate::game;
use crate::table::{Row, Table};
use tierway_decide::evidence::scores;
use tierway_decide::quality::Rates;
use tierway_decide::stats::each_of_two;
use tierway_decide::{Ask, Caller, Choosing, Ladder, Pins, Prediction, decide};

/// Steps between the thresholds that are tried.
const STEPS: usize = 60;
/// The most thresholds that one can be chosen from.
pub(crate) const THRESHOLDS: usize = STEPS + 2;

/// The tier that each request goes to under a threshold: what is served, without rules, pins and sessions.
#[must_use]
pub fn choices(ladder: &Ladder, rows: &[&Row<'_>], predictions: &[Prediction], threshold: f32) -> Vec<usize> {
    let choosing = Choosing { max_shortfall: threshold, ..Choosing::by_target(ladder) };
    let caller = Caller::default();
    let choice = |(row, prediction): (&&Row<'_>, &Prediction)| {
        let ask = Ask {
            caller: &caller,
            pins: Pins::default(),
            rule: None,
            prediction: *prediction,
            opinion: None,
            needs: row.outcome.needs,
            input_tokens: u32::try_from(row.outcome.body_bytes / 4).unwrap_or(u32::MAX).into(),
            wanted_output: 0,
            session: None,
            day: i32::MAX,
        };
        decide(ladder, &choosing, &ask)
            .map_or(usize::from(ladder.baseline().0), |decision| usize::from(decision.tier.0))
    };
    rows.iter().zip(predictions).map(choice).collect()
}

/// A threshold to try, with what the rehearsal says of it.
struct Step {
    threshold: f32,
    /// The bet that would have been best, as a share of the largest safe one.
    bet: Option<f64>,
    /// Mean and standard deviation of the logarithm by which a row would have multiplied the wealth.
    growth: (f64, f64),
}

impl Step {
    /// By how many standard deviations the game is expected to be won on `rows` rows with half of the stake.
    fn odds(&self, rows: usize, confidence: f64) -> f64 {
        let (mean, spread) = self.growth;
        let goal = 2.0 / (1.0 - confidence);
        let n = rows as f64;
        (n * mean - goal.ln()) / (n.sqrt() * spread).max(1e-6)
    }
}

/// Odds at which a sequence may begin: nine of ten games are won.
const GOOD_ODDS: f64 = 1.3;

/// Where the sequence begins: at the safest threshold that is likely to be proven at all, else at the likeliest. A
/// safer one could not be proven by so few rows even if nothing were lost, and would end the sequence before it began.
fn first(steps: &[Step], rows: usize, confidence: f64) -> usize {
    let odds: Vec<f64> = steps.iter().map(|step| step.odds(rows, confidence)).collect();
    let good = odds.iter().position(|odds| *odds >= GOOD_ODDS);
    let best = || (0..odds.len()).rev().max_by(|a, b| odds[*a].total_cmp(&odds[*b]));
    good.or_else(best).unwrap_or(0)
}

/// Rows with what is predicted of them.
pub(crate) struct Stage<'a> {
    pub(crate) table: &'a Table<'a>,
    pub(crate) ladder: &'a Ladder,
    pub(crate) rows: &'a [&'a Row<'a>],
    pub(crate) predictions: &'a [Prediction],
}

impl Stage<'_> {
    pub(crate) fn choices(&self, threshold: f32) -> Vec<usize> {
        choices(self.ladder, self.rows, self.predictions, threshold)
    }

    /// What each row keeps above the promised share of the baseline's score.
    fn margins(&self, tiers: &[usize], quality: f64, rates: Option<Rates>) -> Vec<f64> {
        let base = self.table.baseline;
        let margin =
            |(row, tier): (&&Row<'_>, &usize)| row.worth(*tier, base, rates) - quality * row.worth(base, base, rates);
        self.rows.iter().zip(tiers).map(margin).collect()
    }

    /// The cheapest threshold that keeps the promise, proven; none when not even the first does. Which thresholds are
    /// tried, with which the sequence begins, and how much is staked on each comes from the `rehearsal` (rows that taught,
    /// with what heads said that had not seen them), so that it is settled before a row of the proof is looked at.
    pub(crate) fn prove(&self, rehearsal: &Stage<'_>, options: &Options) -> Option<f32> {
        // how far below 0 a margin can lie
        let (worst, confidence) = match self.table.judge {
            None => (options.quality.max(0.01), options.confidence),
            Some(_) => (1.0, each_of_two(options.confidence)),
        };
        if self.table.judge.is_some_and(|judge| !judge.tells_losses()) {
            return None;
        }
        let corners = self.table.corners();
        let steps = rehearsal.steps(options.quality, worst);
        let first = first(&steps, self.rows.len(), confidence);
        let mut best: Option<(f64, f32)> = None;
        for step in steps.get(first..).unwrap_or_default() {
            let tiers = self.choices(step.threshold);
            let margins: Vec<_> = corners.iter().map(|rates| self.margins(&tiers, options.quality, *rates)).collect();
            if !game::proves(&margins, worst, step.bet, confidence) {
                break;
            }
            let cost: f64 = self.rows.iter().zip(&tiers).map(|(row, tier)| row.tiers[*tier].cost).sum();
            if best.is_none_or(|(least, _)| cost <= least) {
                best = Some((cost, step.threshold));
            }
        }
        best.map(|(_, threshold)| threshold)
    }

    /// The thresholds that move a row away from the baseline, from the safest on.
    fn steps(&self, quality: f64, worst: f64) -> Vec<Step> {
        let rates = self.table.judge.map(|judge| judge.worst());
        let step = |threshold: f32| {
            let tiers = self.choices(threshold);
            tiers.iter().any(|tier| *tier != self.table.baseline).then(|| {
                let margins = self.margins(&tiers, quality, rates);
                let bet = game::best_bet(&margins, worst);
                Step { threshold, bet, growth: game::growth(&margins, worst, bet.unwrap_or(0.0)) }
            })
        };
        self.thresholds().into_iter().filter_map(step).collect()
    }

    /// Thresholds from the safest on: evenly spaced over the shortfalls that occur. Their choice sees no score.
    fn thresholds(&self) -> Vec<f32> {
        let mut shortfalls = Vec::new();
        for prediction in self.predictions {
            let p_ok = &prediction.p_ok[..self.table.tiers];
            let best = p_ok.iter().copied().fold(0.0, f32::max);
            shortfalls.extend(p_ok.iter().map(|p| best - p).filter(|shortfall| *shortfall > 0.0));
        }
        shortfalls.sort_by(f32::total_cmp);
        let last = shortfalls.len().saturating_sub(1);
        let at = |step: usize| shortfalls.get((shortfalls.len() * step / STEPS).min(last)).copied();
        let mut thresholds: Vec<f32> = std::iter::once(0.0).chain((0..=STEPS).filter_map(at)).collect();
        thresholds.dedup();
        thresholds
    }
}

/// Puts what held-back rows were told in the place of what they are told by heads that know them.
pub(crate) fn unseen(table: &Table<'_>, held_back: &[Vec<f32>], predictions: &mut [Prediction]) {
    for (at, prediction) in predictions.iter_mut().enumerate() {
        let said: Vec<f32> = held_back.iter().map(|target| target[at]).collect();
        prediction.p_ok = scores(&said, table.baseline, table.tiers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_begins_where_it_is_likely_to_be_won() {
        let step = |(mean, spread): (f64, f64)| Step { threshold: 0.0, bet: None, growth: (mean, spread) };
        for (growths, want, why) in [
            (&[][..], 0, "nothing to try"),
            (&[(0.05, 0.01), (0.08, 0.02)], 0, "the safest is as good as won"),
            (&[(0.001, 0.0), (0.05, 0.05)], 1, "the safest cannot be won by 400 rows, lost or not"),
            (&[(0.001, 0.1), (0.005, 0.1), (0.002, 0.1)], 1, "none is likely: the likeliest"),
            (&[(f64::NAN, 0.1), (0.05, 0.05)], 1, "a mean that is no number is never likely"),
        ] {
            let steps: Vec<Step> = growths.iter().copied().map(step).collect();
            assert_eq!(first(&steps, 400, 0.95), want, "{why}");
        }
    }
}
