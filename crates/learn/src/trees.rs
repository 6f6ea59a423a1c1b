//! A small ensemble of regression trees on the counters.
//!
//! Extremely randomised trees (Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006): at each node some counters
//! are drawn, each with one threshold drawn between its least and largest value there, and the best of these cuts is
//! taken. With some hundred noisy labels that beats boosting, which follows the noise. No tree is deeper than four cuts,
//! which is what serving evaluates without a branch.

use tierway_decide::model::TreeNode as Node;
use tierway_decide::{COUNTERS, Chance, Features};

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Number of trees.
    pub trees: usize,
    /// Most cuts from root to leaf.
    pub depth: u32,
    /// Fewest rows of a leaf.
    pub least: usize,
    /// Share of the counters that are drawn at a node.
    pub counters: f64,
}

impl Default for Growth {
    fn default() -> Self {
        Self { trees: 100, depth: 4, least: 8, counters: 0.3 }
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

/// Rows column by column, as the cuts read them.
#[derive(Debug)]
pub struct Columns {
    bytes: Vec<Vec<u8>>,
    rows: usize,
    /// Counters that differ between rows.
    varied: Vec<usize>,
}

impl Columns {
    /// Turns rows into columns.
    #[must_use]
    pub fn of(rows: &[&Features]) -> Self {
        let column = |at: usize| rows.iter().map(|row| row.counters()[at]).collect();
        let bytes: Vec<Vec<u8>> = (0..COUNTERS).map(column).collect();
        let varied = (0..COUNTERS).filter(|at| bytes[*at].iter().any(|byte| *byte != bytes[*at][0])).collect();
        Self { bytes, rows: rows.len(), varied }
    }
}

/// Grows trees on one target.
#[must_use]
pub fn grow(columns: &Columns, target: &[f32], growth: &Growth, seed: u64) -> Trees {
    let bias = target.iter().sum::<f32>() / target.len().max(1) as f32;
    let most = target.iter().map(|y| (y - bias).abs()).fold(0.0, f32::max);
    let step = most * target.len() as f32 / LARGEST_SUM;
    let away = target.iter().map(|y| if step > 0.0 { ((y - bias) / step).round() as i32 } else { 0 }).collect();
    let mut growing = Growing {
        columns,
        away,
        growth,
        chance: Chance::new(seed),
        part: step / growth.trees as f32,
        bytes: Vec::with_capacity(columns.rows),
    };
    let tree = |_| {
        let mut nodes = vec![Node::default()];
        let rows: Vec<u32> = (0..columns.rows as u32).collect();
        growing.node(&mut nodes, 0, &rows, growth.depth);
        nodes
    };
    Trees { bias, trees: (0..growth.trees).map(tree).collect() }
}

/// What all targets together may come to, in steps: they are added up as whole numbers, in any order and many at once.
const LARGEST_SUM: f32 = (1 << 30) as f32;

struct Growing<'a> {
    columns: &'a Columns,
    /// Targets, less their mean, in steps.
    away: Vec<i32>,
    growth: &'a Growth,
    chance: Chance,
    /// A step's size times a tree's part in the mean of all.
    part: f32,
    /// A counter of the rows of a node, side by side.
    bytes: Vec<u8>,
}

impl Growing<'_> {
    fn node(&mut self, tree: &mut Vec<Node>, at: usize, rows: &[u32], depth: u32) {
        let away: Vec<i32> = rows.iter().map(|row| self.away[*row as usize]).collect();
        let sum = away.iter().sum();
        let cut = if depth == 0 || rows.len() < 2 * self.growth.least { None } else { self.cut(rows, &away, sum) };
        let Some((counter, limit)) = cut else {
            tree[at].value = self.part * sum as f32 / rows.len().max(1) as f32;
            return;
        };
        let left = tree.len();
        tree[at] = Node { counter: counter as u8, limit, left: left as u16, value: 0.0 };
        tree.extend([Node::default(); 2]);
        let column = &self.columns.bytes[counter];
        let (below, above): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| column[**row as usize] <= limit);
        self.node(tree, left, &below, depth - 1);
        self.node(tree, left + 1, &above, depth - 1);
    }

    /// The best of the cuts that are drawn, if any leaves enough rows on both sides. `away` and `sum` are the targets of
    /// these rows.
    fn cut(&mut self, rows: &[u32], away: &[i32], sum: i32) -> Option<(usize, u8)> {
        let varied = &self.columns.varied;
        let draws = ((varied.len() as f64 * self.growth.counters).ceil() as usize).min(varied.len());
        let (mut best, mut cut) = (f32::NEG_INFINITY, None);
        for _ in 0..draws {
            let counter = varied[self.chance.up_to(varied.len() as u64 - 1) as usize];
            let column = &self.columns.bytes[counter];
            self.bytes.clear();
            self.bytes.extend(rows.iter().map(|row| column[*row as usize]));
            let (least, most) =
                self.bytes.iter().fold((u8::MAX, 0u8), |(least, most), byte| (least.min(*byte), most.max(*byte)));
            if least >= most {
                continue;
            }
            let limit = least + self.chance.up_to(u64::from(most - least) - 1) as u8;
            let (mut left, mut count) = (0, 0);
            for (byte, away) in self.bytes.iter().zip(away) {
                let below = i32::from(*byte <= limit);
                left += away & -below;
                count += below;
            }
            let (count, rest) = (count as usize, rows.len() - count as usize);
            if count < self.growth.least || rest < self.growth.least {
                continue;
            }
            let square = |sum: i32| sum as f32 * sum as f32;
            let gained = square(left) / count as f32 + square(sum - left) / rest as f32;
            if gained > best {
                (best, cut) = (gained, Some((counter, limit)));
            }
        }
        cut
    }
}
