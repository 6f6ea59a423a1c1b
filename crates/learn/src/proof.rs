//! Which threshold can be proven: the decision that is served, tried from the safest threshold on.
//!
//! In: rows that nobody learned from with what is predicted of them, and a rehearsal on the rows that taught. Out: the
//! cheapest threshold that keeps the promise. The first that fails ends the sequence (learn then test).

use crate::calibrate::Options;
use crate::game;
use crate::table::{Row, Table};
use tierway_decide::evidence::scores;
use tierway_decide::{Ask, Caller, Choosing, Ladder, Pins, Prediction, decide};

/// Thresholds that are tried.
const STEPS: usize = 60;

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
            input_tokens: u32::try_from(row.outcome.body_bytes / 4).unwrap_or(u32::MAX),
            wanted_output: 0,
            session: None,
            day: i32::MAX,
        };
        decide(ladder, &choosing, &ask)
            .map_or(usize::from(ladder.baseline().0), |decision| usize::from(decision.tier.0))
    };
    rows.iter().zip(predictions).map(choice).collect()
}

/// Thresholds from the safest on: evenly spaced over the shortfalls that occur. Their choice sees no score.
fn thresholds(table: &Table<'_>, predictions: &[Prediction]) -> Vec<f32> {
    let mut shortfalls = Vec::new();
    for prediction in predictions {
        let p_ok = &prediction.p_ok[..table.tiers];
        let best = p_ok.iter().copied().fold(0.0, f32::max);
        shortfalls.extend(p_ok.iter().map(|p| best - p).filter(|shortfall| *shortfall > 0.0));
    }
    shortfalls.sort_by(f32::total_cmp);
    let at = |step: usize| shortfalls.get((shortfalls.len() * step / STEPS).min(shortfalls.len().max(1) - 1)).copied();
    let mut thresholds: Vec<f32> = std::iter::once(0.0).chain((0..=STEPS).filter_map(at)).collect();
    thresholds.dedup();
    thresholds
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
    fn margins(&self, tiers: &[usize], quality: f64) -> Vec<f64> {
        let margin =
            |(row, tier): (&&Row<'_>, &usize)| row.tiers[*tier].score - quality * row.tiers[self.table.baseline].score;
        self.rows.iter().zip(tiers).map(margin).collect()
    }

    /// The cheapest threshold that keeps the promise, proven; none when not even the safest does. How much is staked on
    /// each threshold is learned from the `rehearsal`, rows that taught with what heads said that had not seen them.
    pub(crate) fn prove(&self, rehearsal: &Stage<'_>, options: &Options) -> Option<f32> {
        let mut best: Option<(f64, f32)> = None;
        let worst = options.quality.max(0.01);
        for threshold in thresholds(self.table, self.predictions) {
            let tiers = self.choices(threshold);
            if tiers.iter().any(|tier| *tier != self.table.baseline) {
                let rehearsed = rehearsal.margins(&rehearsal.choices(threshold), options.quality);
                let bet = game::best_bet(&rehearsed, worst);
                if !game::proves(&self.margins(&tiers, options.quality), worst, bet, options.confidence) {
                    break;
                }
            }
            let cost: f64 = self.rows.iter().zip(&tiers).map(|(row, tier)| row.tiers[*tier].cost).sum();
            if best.is_none_or(|(least, _)| cost <= least) {
                best = Some((cost, threshold));
            }
        }
        best.map(|(_, threshold)| threshold)
    }
}

/// Puts what held-back rows were told in the place of what they are told by heads that know them.
pub(crate) fn unseen(table: &Table<'_>, held_back: &[Vec<f32>], predictions: &mut [Prediction]) {
    for (at, prediction) in predictions.iter_mut().enumerate() {
        let said: Vec<f32> = held_back.iter().map(|target| target[at]).collect();
        prediction.p_ok = scores(&said, table.baseline, table.tiers);
    }
}
