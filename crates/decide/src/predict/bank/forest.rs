//! Trees laid out so that finding a leaf is four steps without a branch: no step waits for a guess to be put right.
//!
//! Every tree is padded to the same depth; below an early leaf all answers lead to that leaf's value. The nodes of a tree
//! lie together, level by level, in half a line of memory, its leaves in the next.
//!
//! Where only the head that says most is wanted, heads [race](Forest::highest): it is known how much the trees that are left
//! can add, so those that cannot win any more are not asked further. The winner is the same, most trees are never walked.

use super::TreeNode;
use crate::Features;

/// Levels of nodes in a tree.
const DEPTH: usize = 4;
const LEAVES: usize = 1 << DEPTH;
/// Trees between two looks at who is out of the race.
const LAP: usize = 10;
/// More than sums of a thousand leaves can be off by rounding: nobody is out of the race by less.
const ROUNDING: f32 = 1e-3;

/// All trees of a bank.
#[derive(Clone, Debug, Default)]
pub(super) struct Forest {
    heads: Vec<Trees>,
}

/// The trees of one head.
#[derive(Clone, Debug, Default)]
struct Trees {
    trees: Vec<Tree>,
    /// The least and the most that the trees from each lap on can add.
    left: Vec<(f32, f32)>,
}

/// Node n's children are 2 n and 2 n + 1, from node 1 on; the last level's children are the leaves.
#[derive(Clone, Debug)]
struct Tree {
    /// The counter that is asked, and the highest byte that goes left.
    nodes: [(u8, u8); LEAVES],
    leaves: [f32; LEAVES],
}

impl Forest {
    /// Lays out the trees of all heads; none when one of them is too deep.
    pub(super) fn new<'t>(heads: impl IntoIterator<Item = &'t Vec<Vec<TreeNode>>>) -> Option<Self> {
        let heads = heads.into_iter().map(|trees| Trees::new(trees));
        Some(Self { heads: heads.collect::<Option<_>>()? })
    }

    /// Adds to each head from `first` on the sum of its trees' leaves.
    pub(super) fn add_leaves(&self, features: &Features, first: usize, out: &mut [f32]) {
        let counters = padded(features);
        for (out, head) in out.iter_mut().zip(&self.heads).skip(first) {
            *out += head.trees.iter().map(|tree| tree.leaf(&counters)).sum::<f32>();
        }
    }

    /// Which of these heads says most once its leaves are added to what `said` holds; the last one of equals.
    pub(super) fn highest(&self, features: &Features, said: &[f32]) -> usize {
        let counters = padded(features);
        let mut racing: Vec<_> =
            said.iter().zip(&self.heads).map(|(said, head)| (*said, 0.0, head)).enumerate().collect();
        let laps = racing.iter().map(|(_, (.., head))| head.left.len()).max().unwrap_or(0);
        for lap in 0..laps {
            let mut surely = f32::MIN;
            for (_, (said, sum, head)) in &mut racing {
                let (least, _) = head.left.get(lap).copied().unwrap_or_default();
                surely = surely.max(*said + *sum + least);
            }
            racing.retain(|(_, (said, sum, head))| {
                let (_, most) = head.left.get(lap).copied().unwrap_or_default();
                *said + *sum + most + ROUNDING >= surely
            });
            if let [(winner, _)] = racing[..] {
                return winner;
            }
            for (_, (_, sum, head)) in &mut racing {
                *sum = head.lap(lap).iter().fold(*sum, |sum, tree| sum + tree.leaf(&counters));
            }
        }
        let best = racing.iter().max_by(|(_, a), (_, b)| (a.0 + a.1).total_cmp(&(b.0 + b.1)));
        best.map_or(0, |(head, _)| *head)
    }
}

/// As many counters as a node can ask for, so that no look-up needs a check.
fn padded(features: &Features) -> [u8; 1 << u8::BITS] {
    let mut counters = [0; 1 << u8::BITS];
    counters[..features.counters().len()].copy_from_slice(features.counters());
    counters
}

impl Trees {
    fn new(trees: &[Vec<TreeNode>]) -> Option<Self> {
        let lay_out = |nodes: &Vec<TreeNode>| {
            let mut tree = Tree { nodes: [(0, 0); LEAVES], leaves: [0.0; LEAVES] };
            tree.lay_out(nodes, 0, 1).map(|()| tree)
        };
        let trees = trees.iter().map(lay_out).collect::<Option<Vec<_>>>()?;
        let mut left = vec![(0.0, 0.0)];
        for lap in trees.chunks(LAP).rev() {
            let (mut least, mut most) = left.last().copied().unwrap_or_default();
            for tree in lap {
                least += tree.leaves.iter().copied().fold(f32::MAX, f32::min);
                most += tree.leaves.iter().copied().fold(f32::MIN, f32::max);
            }
            left.push((least, most));
        }
        left.reverse();
        Some(Self { trees, left })
    }

    fn lap(&self, lap: usize) -> &[Tree] {
        self.trees.chunks(LAP).nth(lap).unwrap_or_default()
    }
}

impl Tree {
    /// Puts `nodes[from]` and everything below it at place `at`.
    fn lay_out(&mut self, nodes: &[TreeNode], from: usize, at: usize) -> Option<()> {
        let node = nodes.get(from)?;
        if at >= LEAVES {
            self.leaves[at - LEAVES] = node.value;
            return (node.left == 0).then_some(());
        }
        let (left, right) = match usize::from(node.left) {
            0 => (from, from),
            left => (left, left + 1),
        };
        self.nodes[at] = (node.counter, node.limit);
        self.lay_out(nodes, left, 2 * at)?;
        self.lay_out(nodes, right, 2 * at + 1)
    }

    #[inline]
    fn leaf(&self, counters: &[u8; 1 << u8::BITS]) -> f32 {
        let mut at = 1;
        for _ in 0..DEPTH {
            let (counter, limit) = self.nodes[at % LEAVES];
            at = 2 * at + usize::from(counters[usize::from(counter)] > limit);
        }
        self.leaves[at % LEAVES]
    }
}

#[cfg(test)]
mod tests {
    use super::super::leaf;
    use super::*;
    use crate::COUNTERS;
    use proptest::prelude::*;

    /// Grows a tree down to a depth: each cut turns one of its leaves into a node with two new leaves.
    fn grown(cuts: &[(usize, u8, u8)], depth: usize) -> Vec<TreeNode> {
        let (mut tree, mut leaves) = (vec![TreeNode::default()], vec![(0, 0)]);
        for (pick, counter, limit) in cuts {
            let open: Vec<usize> = (0..leaves.len()).filter(|leaf| leaves[*leaf].1 < depth).collect();
            let Some(leaf) = open.get(pick % open.len().max(1)) else { break };
            let (at, level) = leaves.swap_remove(*leaf);
            tree[at] = TreeNode { counter: *counter, limit: *limit, left: tree.len() as u16, value: 0.0 };
            for _ in 0..2 {
                leaves.push((tree.len(), level + 1));
                tree.push(TreeNode { value: tree.len() as f32, ..TreeNode::default() });
            }
        }
        tree
    }

    fn cuts() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
        proptest::collection::vec((any::<usize>(), 0..COUNTERS as u8, any::<u8>()), 0..LEAVES)
    }

    proptest! {
        #[test]
        fn it_finds_the_leaves_that_walking_finds(
            heads in proptest::collection::vec(proptest::collection::vec(cuts(), 0..30), 1..4),
            counters in proptest::collection::vec(any::<u8>(), COUNTERS),
        ) {
            let grow = |head: &Vec<Vec<_>>| head.iter().map(|cuts| grown(cuts, DEPTH)).collect();
            let trees: Vec<Vec<_>> = heads.iter().map(grow).collect();
            let mut features = Features::default();
            features.counters.copy_from_slice(&counters);
            let forest = Forest::new(&trees).unwrap();
            let mut said = vec![1.0; trees.len()];
            forest.add_leaves(&features, 0, &mut said);
            let walked = |trees: &Vec<Vec<TreeNode>>| 1.0 + trees.iter().map(|tree| leaf(tree, &features)).sum::<f32>();
            let walked: Vec<f32> = trees.iter().map(walked).collect();
            prop_assert_eq!(&said, &walked);
            let highest = (0..walked.len()).max_by(|a, b| walked[*a].total_cmp(&walked[*b])).unwrap();
            prop_assert_eq!(forest.highest(&features, &vec![1.0; walked.len()]), highest);
        }
    }

    #[test]
    fn a_tree_that_is_too_deep_is_left_to_walking() {
        let deep: Vec<_> = (0..=DEPTH).map(|newest| (newest, 1, 1)).collect();
        assert!(Forest::new(&vec![vec![grown(&deep, usize::MAX)]]).is_none());
    }
}
