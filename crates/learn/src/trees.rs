//! A small ensemble of regression trees on the counters.
//!
//! Gradient boosting for squared error (Friedman, "Greedy function approximation", 2001) on histograms: a counter is a
//! byte already, so its values are the bins. Each tree sees a seeded share of rows and counters (Friedman, "Stochastic
//! gradient boosting", 2002).

use tierway_decide::model::TreeNode as Node;
use tierway_decide::{COUNTERS, Chance, Features};

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Number of trees.
    pub trees: usize,
    /// Most splits from root to leaf.
    pub depth: u32,
    /// Share of each tree's step that is taken.
    pub rate: f32,
    /// Fewest rows of a leaf.
    pub least: u32,
    /// Rows' worth of shrinkage of a leaf towards 0.
    pub shrink: f32,
    /// Share of the counters that a tree sees.
    pub counters: f64,
    /// Share of the rows that a tree sees.
    pub rows: f64,
}

impl Default for Growth {
    fn default() -> Self {
        Self { trees: 100, depth: 3, rate: 0.08, least: 8, shrink: 6.0, counters: 0.4, rows: 0.7 }
    }
}

/// Trees whose leaves are summed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trees {
    /// What is there before any tree.
    pub bias: f32,
    /// Each tree's nodes, its root first.
    pub trees: Vec<Vec<Node>>,
}

impl Trees {
    /// What they predict.
    #[must_use]
    pub fn predict(&self, features: &Features) -> f32 {
        self.bias + self.trees.iter().map(|tree| leaf(tree, features)).sum::<f32>()
    }
}

pub(crate) fn leaf(tree: &[Node], features: &Features) -> f32 {
    let mut node = &tree[0];
    while node.left != 0 {
        let right = features.counters()[usize::from(node.counter)] > node.limit;
        node = &tree[usize::from(node.left) + usize::from(right)];
    }
    node.value
}

/// Grows trees on one target.
#[must_use]
pub fn boost(rows: &[&Features], target: &[f32], growth: &Growth, seed: u64) -> Trees {
    let bias = target.iter().sum::<f32>() / target.len().max(1) as f32;
    let mut residual: Vec<f32> = target.iter().map(|y| y - bias).collect();
    let mut chance = Chance::new(seed);
    let mut trees = Vec::with_capacity(growth.trees);
    for _ in 0..growth.trees {
        let counters: Vec<usize> = (0..COUNTERS).filter(|_| chance.share() <= growth.counters).collect();
        let seen: Vec<u32> = (0..rows.len() as u32).filter(|_| chance.share() <= growth.rows).collect();
        let mut tree = vec![Node::default()];
        grow(&mut tree, 0, rows, &residual, &counters, seen, growth, growth.depth);
        for (left, row) in residual.iter_mut().zip(rows) {
            *left -= leaf(&tree, row);
        }
        trees.push(tree);
    }
    Trees { bias, trees }
}

#[expect(clippy::too_many_arguments, reason = "one recursive step; a struct would only rename them")]
fn grow(
    tree: &mut Vec<Node>,
    at: usize,
    rows: &[&Features],
    residual: &[f32],
    counters: &[usize],
    seen: Vec<u32>,
    growth: &Growth,
    depth: u32,
) {
    let sum: f32 = seen.iter().map(|row| residual[*row as usize]).sum();
    let cut = if depth == 0 { None } else { best_cut(rows, residual, counters, &seen, sum, growth) };
    let Some((counter, limit)) = cut else {
        tree[at].value = growth.rate * sum / (seen.len() as f32 + growth.shrink);
        return;
    };
    let left = tree.len();
    tree[at] = Node { counter: counter as u8, limit, left: left as u16, value: 0.0 };
    tree.extend([Node::default(); 2]);
    let (below, above) = seen.into_iter().partition(|row| rows[*row as usize].counters()[counter] <= limit);
    grow(tree, left, rows, residual, counters, below, growth, depth - 1);
    grow(tree, left + 1, rows, residual, counters, above, growth, depth - 1);
}

/// The counter and value that split the rows with the largest gain, if any has one.
fn best_cut(
    rows: &[&Features],
    residual: &[f32],
    counters: &[usize],
    seen: &[u32],
    sum: f32,
    growth: &Growth,
) -> Option<(usize, u8)> {
    let gain = |sum: f32, count: u32| sum * sum / (count as f32 + growth.shrink);
    let whole = gain(sum, seen.len() as u32);
    let mut best = (1e-6f32, None);
    let mut bins = [(0.0f32, 0u32); 256];
    for counter in counters {
        bins.fill((0.0, 0));
        for row in seen {
            let bin = &mut bins[usize::from(rows[*row as usize].counters()[*counter])];
            bin.0 += residual[*row as usize];
            bin.1 += 1;
        }
        let (mut left, mut count) = (0.0f32, 0u32);
        for (limit, bin) in bins[..255].iter().enumerate() {
            if bin.1 == 0 {
                continue;
            }
            left += bin.0;
            count += bin.1;
            let rest = seen.len() as u32 - count;
            if count < growth.least || rest < growth.least {
                continue;
            }
            let gained = gain(left, count) + gain(sum - left, rest) - whole;
            if gained > best.0 {
                best = (gained, Some((*counter, limit as u8)));
            }
        }
    }
    best.1
}
