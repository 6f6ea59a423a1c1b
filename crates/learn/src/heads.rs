//! Heads as learned: the mean of a ridge on counters, a ridge on n-grams and small trees.

use crate::linear::{dense_ridge, sparse_ridge};
use crate::trees::{Growth, boost};
use tierway_decide::Features;
use tierway_decide::model::Head;

/// How heads are fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Penalty of the ridge on counters, per row.
    pub counters: f64,
    /// Penalty of the ridge on n-grams.
    pub grams: f32,
    /// How the trees grow.
    pub growth: Growth,
    /// Parts of ridge, n-grams and trees in the sum.
    pub mix: [f32; 3],
}

impl Default for Recipe {
    /// Chosen by cross-validation on the shared tables; see `docs/routing-quality.md`.
    fn default() -> Self {
        Self { counters: 3.0, grams: 20.0, growth: Growth::default(), mix: [0.25, 0.5, 0.25] }
    }
}

/// One head per target; `targets[head][row]`.
#[must_use]
pub fn fit(rows: &[&Features], targets: &[Vec<f32>], names: &[String], recipe: &Recipe, seed: u64) -> Vec<Head> {
    let dense = dense_ridge(rows, targets, recipe.counters);
    let [a, b, c] = recipe.mix;
    let head = |(at, dense): (usize, crate::linear::Dense)| {
        let grams = sparse_ridge(rows, &targets[at], recipe.grams);
        let trees = boost(rows, &targets[at], &recipe.growth, seed.wrapping_add(at as u64));
        let scaled = |tree: Vec<_>| {
            let scale = |mut node: tierway_decide::model::TreeNode| {
                node.value *= c;
                node
            };
            tree.into_iter().map(scale).collect()
        };
        Head {
            name: names[at].clone(),
            bias: a * dense.bias + b * grams.bias + c * trees.bias,
            counters: dense.weights.iter().map(|weight| a * weight).collect(),
            grams: grams.weights.iter().map(|weight| b * weight).collect(),
            trees: trees.trees.into_iter().map(scaled).collect(),
        }
    };
    dense.into_iter().enumerate().map(head).collect()
}
