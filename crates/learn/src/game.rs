//! The test behind `calibrate`: a game against "less than the promise is kept", played on rows that nobody learned from.
//!
//! As [`Betting`](tierway_decide::stats::Betting), with one more bet beside the fixed ones: the bet that would have been best
//! on the rows that learned. It carries half of the stake. It is fixed before the first row of the proof is looked at, so the
//! proof holds whatever it is; a good one saves rows (Kelly, "A new interpretation of information rate", 1956).

use tierway_decide::stats::Betting;

/// Shares of the largest safe bet that are tried on the rows that learned.
const STEPS: u32 = 60;
/// The largest share: a bet of everything is ruined by one bad row.
const MOST: f64 = 0.98;

/// The share of the largest safe bet under which wealth would have grown fastest on `values`, which lie in -`worst`..=1.
/// None when they would not have grown at all.
#[must_use]
pub fn best_bet(values: &[f64], worst: f64) -> Option<f64> {
    let growth = |share: f64| values.iter().map(|x| (share / worst * x.max(-worst)).ln_1p()).sum::<f64>();
    let shares = (1..=STEPS).map(|step| MOST * (f64::from(step) / f64::from(STEPS)).powi(2));
    let best = shares.map(|share| (growth(share), share)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.0).then_some(best.1)
}

/// Mean and standard deviation of the logarithm by which one of `values` would have multiplied a wealth under this bet.
#[must_use]
pub fn growth(values: &[f64], worst: f64, bet: f64) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let logs: Vec<f64> = values.iter().map(|x| (bet / worst * x.max(-worst)).ln_1p()).collect();
    let mean = logs.iter().sum::<f64>() / n;
    (mean, (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// Whether the mean of the values is above 0 at this confidence; they lie in -`worst`..=1 and come in an order that has nothing
/// to do with them. `bet` comes from other rows. There is one list of values for each corner of what is unknown of them, and it
/// is proven for whatever lies between the corners (see [`Betting::least_wealth`]).
#[must_use]
pub fn proves(corners: &[Vec<f64>], worst: f64, bet: Option<f64>, confidence: f64) -> bool {
    let mut fixed = vec![Betting::new(worst); corners.len()];
    let mut own = vec![0.0f64; corners.len()];
    let goal = 1.0 / (1.0 - confidence);
    (0..corners.first().map_or(0, Vec::len)).any(|row| {
        for ((values, fixed), own) in corners.iter().zip(&mut fixed).zip(&mut own) {
            fixed.take(values[row]);
            *own += bet.map_or(0.0, |bet| (bet / worst * values[row].max(-worst)).ln_1p());
        }
        let fixed = Betting::least_wealth(&fixed);
        let wealth = match bet {
            Some(_) => f64::midpoint(fixed, own.iter().copied().fold(f64::INFINITY, f64::min).exp()),
            None => fixed,
        };
        wealth >= goal
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierway_decide::Chance;

    /// Rows with a loss of 1 at this rate, under a budget.
    fn rows(rate: f64, budget: f64, n: usize, seed: u64) -> Vec<f64> {
        let mut chance = Chance::new(seed);
        (0..n).map(|_| budget - f64::from(u8::from(chance.share() <= rate))).collect()
    }

    #[test]
    fn a_bet_of_other_rows_wins_sooner_and_not_without_an_edge() {
        let worst = 0.95;
        let bet = best_bet(&rows(0.02, 0.05, 400, 1), worst);
        let won = |rate: f64, bet: Option<f64>| {
            (0..300).filter(|seed| proves(&[rows(rate, 0.05, 250, 100 + seed)], worst, bet, 0.95)).count()
        };
        let (with, without) = (won(0.02, bet), won(0.02, None));
        assert!(with > without + 10, "{with} {without}");
        assert!(won(0.05, bet) <= 24, "{} of 300 without an edge", won(0.05, bet));
        assert!(won(0.05, Some(0.98)) <= 24);
        assert_eq!(best_bet(&rows(0.2, 0.05, 400, 1), worst), None);
    }
}
