//! The order of requests by their need for the dear tier over the cheapest.
//!
//! Heads that decide learn from one part of the outcomes, because a promise has to be proven on others. An order promises
//! nothing: its head learns from all of them, those of the proof, too. What it says decides nothing.

use crate::calibrate::{FOLDS, GAIN_BY_LENGTH, MOST_LEARN, folds};
use crate::heads::{self, Stacked};
use crate::split;
use crate::table::{Row, Table};
use tierway_decide::Features;
use tierway_decide::model::{Bank, Head};

/// The tier whose gain over the cheapest is ordered by: the baseline, or the top where the baseline is the cheapest.
pub(crate) fn dear(table: &Table<'_>) -> usize {
    if table.baseline == 0 { table.tiers - 1 } else { table.baseline }
}

/// The head of the order and from how many of these rows it learned.
pub(crate) fn of(table: &Table<'_>, mut rows: Vec<usize>, seed: u64) -> (Head, usize) {
    rows.sort_by_key(|at| split::hash(&table.rows[*at].outcome.id));
    rows.truncate(MOST_LEARN);
    let rows: Vec<&Row<'_>> = rows.iter().map(|at| &table.rows[*at]).collect();
    (learn(table, &rows, seed), rows.len())
}

/// The head of the need for the dear tier.
fn learn(table: &Table<'_>, rows: &[&Row<'_>], seed: u64) -> Head {
    let features: Vec<&Features> = rows.iter().map(|row| &row.outcome.features).collect();
    let gain = |row: &&Row<'_>| (row.tiers[dear(table)].score - row.tiers[0].score) as f32;
    let target: Vec<f32> = rows.iter().map(gain).collect();
    let name = ["order".to_owned()];
    let Stacked { mut heads, .. } =
        heads::stack(&features, &[target], &name, &[GAIN_BY_LENGTH], &folds(rows), FOLDS, seed);
    heads.pop().unwrap_or_default()
}

/// Predictions of the need for the dear tier over the cheapest, each by a head that did not see the row.
#[must_use]
pub fn out_of_fold(table: &Table<'_>, train: &[&Row<'_>], fold_of: &[usize], folds: usize, seed: u64) -> Vec<f64> {
    let mut need = vec![0.0; train.len()];
    for fold in 0..folds {
        let others: Vec<&Row<'_>> =
            train.iter().zip(fold_of).filter(|(_, own)| **own != fold).map(|(row, _)| *row).collect();
        let others: Vec<&Row<'_>> = others.iter().step_by(1 + others.len() / MOST_LEARN).copied().collect();
        if others.is_empty() {
            continue;
        }
        let bank = Bank::new(&[learn(table, &others, seed)]);
        for (at, row) in train.iter().enumerate().filter(|(at, _)| fold_of[*at] == fold) {
            need[at] = f64::from(bank.evaluate(&row.outcome.features)[0]);
        }
    }
    need
}
