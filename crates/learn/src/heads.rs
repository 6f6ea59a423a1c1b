//! Heads as learned: a weighted sum of four small models, weighed by what they say of rows that they did not see.
//!
//! Members: a ridge on all counters, a ridge on n-grams, shallow trees, and a ridge on the length alone. The weights are
//! fitted on predictions out of fold (Wolpert, "Stacked generalization", 1992), not negative, drawn towards fixed ones.

use crate::linear::{dense_ridge, dense_ridge_on, sparse_ridge};
use crate::trees::{Growth, boost};
use tierway_decide::model::{Head, TreeNode};
use tierway_decide::{Counter, Features, GRAM_BUCKETS};

/// Number of members.
pub const MEMBERS: usize = 4;

/// How the members are fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Penalty of the ridge on counters, per row.
    pub counters: f64,
    /// Penalty of the ridge on n-grams.
    pub grams: f32,
    /// How the trees grow.
    pub growth: Growth,
    /// Weights of counters, n-grams, trees and length before any row was held back.
    pub mix: [f32; MEMBERS],
}

/// Few, shallow, strongly shrunk trees: with some hundred noisy labels deeper ones learn the noise.
const SHALLOW: Growth = Growth { trees: 60, depth: 2, rate: 0.06, least: 15, shrink: 30.0, counters: 0.3, rows: 0.7 };

impl Default for Recipe {
    fn default() -> Self {
        Self { counters: 3.0, grams: 30.0, growth: SHALLOW, mix: [0.1, 1.2, 0.6, 0.0] }
    }
}

/// What the length member sees.
const LENGTH: &[Counter] = &[Counter::AskSize, Counter::Words, Counter::Lines];
const LENGTH_PENALTY: f64 = 0.1;

/// The four members of each target, unweighted.
#[must_use]
pub fn members(rows: &[&Features], targets: &[Vec<f32>], recipe: &Recipe, seed: u64) -> Vec<[Head; MEMBERS]> {
    let dense = dense_ridge(rows, targets, recipe.counters);
    let length = dense_ridge_on(LENGTH, rows, targets, LENGTH_PENALTY);
    let linear = |own: crate::linear::Dense| Head { bias: own.bias, counters: own.weights, ..Head::default() };
    let all = |((at, dense), length): ((usize, crate::linear::Dense), crate::linear::Dense)| {
        let grams = sparse_ridge(rows, &targets[at], recipe.grams);
        let trees = boost(rows, &targets[at], &recipe.growth, seed.wrapping_add(at as u64));
        [
            linear(dense),
            Head { bias: grams.bias, grams: grams.weights, ..Head::default() },
            Head { bias: trees.bias, trees: trees.trees, ..Head::default() },
            linear(length),
        ]
    };
    dense.into_iter().enumerate().zip(length).map(all).collect()
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

/// Fits heads; `fold_of[row]` is the fold in which a row is held back, of `folds`.
#[must_use]
pub fn stack(
    rows: &[&Features],
    targets: &[Vec<f32>],
    names: &[String],
    fold_of: &[usize],
    folds: usize,
    seed: u64,
) -> Stacked {
    let recipe = Recipe::default();
    let mut unseen = vec![vec![[0.0f32; MEMBERS]; rows.len()]; targets.len()];
    for fold in 0..folds {
        let kept: Vec<usize> = (0..rows.len()).filter(|at| fold_of[*at] != fold).collect();
        let part: Vec<&Features> = kept.iter().map(|at| rows[*at]).collect();
        let part_targets: Vec<Vec<f32>> =
            targets.iter().map(|target| kept.iter().map(|at| target[*at]).collect()).collect();
        let fitted = members(&part, &part_targets, &recipe, seed);
        for at in (0..rows.len()).filter(|at| fold_of[*at] == fold) {
            for (target, heads) in fitted.iter().enumerate() {
                unseen[target][at] = std::array::from_fn(|member| says(&heads[member], rows[at]));
            }
        }
    }
    let whole = members(rows, targets, &recipe, seed);
    let mut stacked = Stacked { heads: Vec::new(), held_back: Vec::new() };
    for (at, heads) in whole.into_iter().enumerate() {
        let mean = targets[at].iter().sum::<f32>() / targets[at].len().max(1) as f32;
        let weights = weights(&unseen[at], &targets[at], mean, &recipe.mix);
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
