//! Trees laid out so that finding a leaf is four steps without a branch: no step waits for a guess to be put right.
//!
//! Every tree is padded to the same depth; below an early leaf all answers lead to that leaf's value. The nodes of a tree
//! lie together, level by level, in half a line of memory, its leaves in the next.

use super::TreeNode;
use crate::Features;

/// Levels of nodes in a tree.
const DEPTH: usize = 4;
const LEAVES: usize = 1 << DEPTH;

/// All trees of a bank.
#[derive(Clone, Debug, Default)]
pub(super) struct Forest {
    trees: Vec<Tree>,
    /// Trees of each head.
    of_head: Vec<usize>,
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
        let mut forest = Self::default();
        for trees in heads {
            forest.of_head.push(trees.len());
            for nodes in trees {
                let mut tree = Tree { nodes: [(0, 0); LEAVES], leaves: [0.0; LEAVES] };
                tree.lay_out(nodes, 0, 1)?;
                forest.trees.push(tree);
            }
        }
        Some(forest)
    }

    /// Adds to each head the sum of its trees' leaves.
    pub(super) fn add_leaves(&self, features: &Features, out: &mut [f32]) {
        // As many as a node can ask for.
        let mut counters = [0; 1 << u8::BITS];
        counters[..features.counters().len()].copy_from_slice(features.counters());
        let mut trees = &self.trees[..];
        for (out, count) in out.iter_mut().zip(&self.of_head) {
            let (own, rest) = trees.split_at(*count);
            *out += own.iter().map(|tree| tree.leaf(&counters)).sum::<f32>();
            trees = rest;
        }
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
            heads in proptest::collection::vec(proptest::collection::vec(cuts(), 0..6), 1..4),
            counters in proptest::collection::vec(any::<u8>(), COUNTERS),
        ) {
            let grow = |head: &Vec<Vec<_>>| head.iter().map(|cuts| grown(cuts, DEPTH)).collect();
            let trees: Vec<Vec<_>> = heads.iter().map(grow).collect();
            let mut features = Features::default();
            features.counters.copy_from_slice(&counters);
            let mut said = vec![1.0; trees.len()];
            Forest::new(&trees).unwrap().add_leaves(&features, &mut said);
            let walked = |trees: &Vec<Vec<TreeNode>>| 1.0 + trees.iter().map(|tree| leaf(tree, &features)).sum::<f32>();
            prop_assert_eq!(said, trees.iter().map(walked).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_tree_that_is_too_deep_is_left_to_walking() {
        let deep: Vec<_> = (0..=DEPTH).map(|newest| (newest, 1, 1)).collect();
        assert!(Forest::new(&vec![vec![grown(&deep, usize::MAX)]]).is_none());
    }
}
