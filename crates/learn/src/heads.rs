//! Heads as learned: a weighted sum of three small models, weighed by what they say of rows that they did not see.
//!
//! Members: a ridge on n-grams, randomised trees on all counters, and a line over the length. The weights are fitted on
//! predictions out of fold (Wolpert, "Stacked generalization", 1992), not negative, drawn towards fixed ones.
//! The line is where the prior comes in: it starts from what length says on most tables and gives way to the rows.

use crate::grams;
use crate::trees::{Columns, Growth, grow};
use tierway_decide::model::{Head, TreeNode};
use tierway_decide::{COUNTERS, Counter, Features, GRAM_BUCKETS};

/// Number of members.
pub const MEMBERS: usize = 3;

/// Weights of n-grams, trees and length before any row was held back. All three draw their predictions towards the mean,
/// so that together they count for more than one.
const FIXED: [f32; MEMBERS] = [0.6, 0.6, 0.6];

/// How many rows the prior of the length is worth: with n rows of its own a head follows them by n / (n + 200).
const PRIOR_ROWS: f64 = 200.0;

/// The members of each target, unweighted. `penalties` are those of the n-grams, `slopes` what a target is expected to rise
/// by with each standard deviation of the length's logarithm, before any row is seen.
#[must_use]
pub fn members(
    rows: &[&Features],
    targets: &[Vec<f32>],
    penalties: &[f32],
    slopes: &[f64],
    seed: u64,
) -> Vec<[Head; MEMBERS]> {
    let columns = Columns::of(rows);
    let all = |(at, target): (usize, &Vec<f32>)| {
        let words = grams::ridge(rows, target, penalties[at]);
        let trees = grow(&columns, target, &Growth::default(), seed.wrapping_add(at as u64));
        [
            Head { bias: words.bias, grams: words.weights, ..Head::default() },
            Head { bias: trees.bias, trees: trees.trees, ..Head::default() },
            length(rows, target, slopes[at]),
        ]
    };
    targets.iter().enumerate().map(all).collect()
}

/// A line over the length of the ask, drawn towards the expected slope.
fn length(rows: &[&Features], target: &[f32], slope: f64) -> Head {
    let n = rows.len().max(1) as f64;
    let size = |row: &Features| f64::from(row.counter(Counter::AskSize));
    let mean = rows.iter().map(|row| size(row)).sum::<f64>() / n;
    let spread = (rows.iter().map(|row| (size(row) - mean).powi(2)).sum::<f64>() / n).sqrt();
    let middle = target.iter().map(|y| f64::from(*y)).sum::<f64>() / n;
    if spread < 1e-6 {
        return Head { bias: middle as f32, ..Head::default() };
    }
    let away = |(row, y): (&&Features, &f32)| (size(row) - mean) / spread * (f64::from(*y) - middle);
    let together = rows.iter().zip(target).map(away).sum::<f64>();
    let step = (together + PRIOR_ROWS * slope) / (n + PRIOR_ROWS) / spread;
    let mut counters = vec![0.0; COUNTERS];
    counters[Counter::AskSize as usize] = step as f32;
    Head { bias: (middle - step * mean) as f32, counters, ..Head::default() }
}

/// One head from its members: their deviations from `mean`, weighed.
#[must_use]
pub fn weigh(name: &str, members: [Head; MEMBERS], weights: [f32; MEMBERS], mean: f32) -> Head {
    let mut sum = Head { name: name.to_owned(), bias: mean, ..Head::default() };
    for (member, weight) in members.into_iter().zip(weights) {
        sum.bias += weight * (member.bias - mean);
        add(&mut sum.counters, &member.counters, weight);
        add(&mut sum.grams, &member.grams, weight);
        let scaled = |node: TreeNode| TreeNode { value: node.value * weight, ..node };
        sum.trees.extend(member.trees.into_iter().map(|tree| tree.into_iter().map(scaled).collect()));
    }
    sum
}

fn add(sum: &mut Vec<f32>, part: &[f32], weight: f32) {
    sum.resize(sum.len().max(part.len()), 0.0);
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += weight * part);
}

/// What a member says of a request.
#[must_use]
pub fn says(head: &Head, features: &Features) -> f32 {
    let counters: f32 = head.counters.iter().zip(features.counters()).map(|(w, byte)| w * f32::from(*byte)).sum();
    let grams = if head.grams.len() == GRAM_BUCKETS {
        let sum: f32 = features.grams().iter().map(|id| head.grams[usize::from(*id)]).sum();
        sum / (features.grams().len().max(1) as f32).sqrt()
    } else {
        0.0
    };
    let trees: f32 = head.trees.iter().map(|tree| crate::trees::leaf(tree, features)).sum();
    head.bias + counters + grams + trees
}

/// Heads whose weights come from held-back rows, and what the held-back rows were told.
#[derive(Debug)]
pub struct Stacked {
    /// One head for each target.
    pub heads: Vec<Head>,
    /// For each target, the weighed prediction of each row by members that did not see it.
    pub held_back: Vec<Vec<f32>>,
}

/// Fits heads with the expected `slopes` over length; `fold_of[row]` is the fold in which a row is held back, of `folds`.
#[must_use]
pub fn stack(
    rows: &[&Features],
    targets: &[Vec<f32>],
    names: &[String],
    slopes: &[f64],
    fold_of: &[usize],
    folds: usize,
    seed: u64,
) -> Stacked {
    let penalties = grams::penalties(rows, targets);
    let mut unseen = vec![vec![[0.0f32; MEMBERS]; rows.len()]; targets.len()];
    for fold in 0..folds {
        let kept: Vec<usize> = (0..rows.len()).filter(|at| fold_of[*at] != fold).collect();
        let part: Vec<&Features> = kept.iter().map(|at| rows[*at]).collect();
        let part_targets: Vec<Vec<f32>> =
            targets.iter().map(|target| kept.iter().map(|at| target[*at]).collect()).collect();
        let fitted = members(&part, &part_targets, &penalties, slopes, seed);
        for at in (0..rows.len()).filter(|at| fold_of[*at] == fold) {
            for (target, heads) in fitted.iter().enumerate() {
                unseen[target][at] = std::array::from_fn(|member| says(&heads[member], rows[at]));
            }
        }
    }
    let whole = members(rows, targets, &penalties, slopes, seed);
    let mut stacked = Stacked { heads: Vec::new(), held_back: Vec::new() };
    for (at, heads) in whole.into_iter().enumerate() {
        let mean = targets[at].iter().sum::<f32>() / targets[at].len().max(1) as f32;
        let weights = weights(&unseen[at], &targets[at], mean, &FIXED);
        let said = |row: &[f32; MEMBERS]| mean + row.iter().zip(weights).map(|(p, w)| w * (p - mean)).sum::<f32>();
        stacked.held_back.push(unseen[at].iter().map(said).collect());
        stacked.heads.push(weigh(&names[at], heads, weights, mean));
    }
    stacked
}

/// How many rows the fixed weights are worth.
const FIXED_ROWS: f32 = 1000.0;

/// Not negative weights that fit the targets best, drawn towards `fixed`; by coordinate descent.
fn weights(unseen: &[[f32; MEMBERS]], target: &[f32], mean: f32, fixed: &[f32; MEMBERS]) -> [f32; MEMBERS] {
    let n = unseen.len().max(1) as f32;
    let product = |a: usize, b: usize| unseen.iter().map(|row| (row[a] - mean) * (row[b] - mean)).sum::<f32>();
    let gram: [[f32; MEMBERS]; MEMBERS] = std::array::from_fn(|a| std::array::from_fn(|b| product(a, b)));
    let side: [f32; MEMBERS] =
        std::array::from_fn(|a| unseen.iter().zip(target).map(|(row, y)| (row[a] - mean) * (y - mean)).sum());
    let pull = FIXED_ROWS * (0..MEMBERS).map(|at| gram[at][at]).sum::<f32>() / (MEMBERS as f32 * n);
    let mut weights = *fixed;
    for _ in 0..100 {
        for at in 0..MEMBERS {
            let others: f32 = (0..MEMBERS).filter(|b| *b != at).map(|b| gram[at][b] * weights[b]).sum();
            weights[at] = ((side[at] - others + pull * fixed[at]) / (gram[at][at] + pull).max(1e-12)).max(0.0);
        }
    }
    weights
}
