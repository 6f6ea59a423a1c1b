//! A bank of heads: linear weights on counters and n-grams plus small trees, as one block of bytes.
//!
//! Layout, little endian: magic, format version, feature version, number of heads; then for each head its name, bias and
//! n-gram scale; then weights by counter and by n-gram id with the heads side by side (one request reads few lines of
//! memory); then the trees; last a checksum. Weights of n-grams are one byte each and are read where they lie.

use crate::{COUNTERS, FEATURE_VERSION, Features, GRAM_BUCKETS};
use std::borrow::Cow;

mod forest;

use forest::Forest;

const MAGIC: &[u8; 8] = b"TIERWAY\x01";
const FORMAT: u8 = 1;
/// So many weights of a byte each can be added up in two bytes.
const SHORT_SUM: usize = 256;
/// What raises eight signed bytes by 128 each when it is xored.
const RAISED: u64 = 0x8080_8080_8080_8080;
/// Every other byte of eight.
const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
/// The most heads of a bank.
pub const MAX_HEADS: usize = 24;

/// One node of a tree, as in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TreeNode {
    /// The counter that is asked.
    pub counter: u8,
    /// The highest byte that goes left.
    pub limit: u8,
    /// Index in its tree of the left child, the right one follows; 0 for a leaf.
    pub left: u16,
    /// What a leaf adds.
    pub value: f32,
}

/// One head as learned.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// What an empty request gets.
    pub bias: f32,
    /// A weight per counter, on its byte; empty for none.
    pub counters: Vec<f32>,
    /// A weight per n-gram id, on one over the root of their number; empty for none.
    pub grams: Vec<f32>,
    /// Trees, each with its root first.
    pub trees: Vec<Vec<TreeNode>>,
}

/// Heads that are evaluated together.
#[derive(Clone, Debug)]
pub struct Bank {
    names: Vec<String>,
    bias: Vec<f32>,
    gram_scale: Vec<f32>,
    counters: Vec<f32>,
    grams: Cow<'static, [u8]>,
    trees: Vec<Vec<Vec<TreeNode>>>,
    /// The same trees, laid out for evaluation; none when one of them is too large for it.
    forest: Option<Forest>,
}

/// Bytes that are no bank for this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    /// Something else, or cut short.
    #[error("not a model of tierway, or cut short")]
    Damaged,
    /// The checksum differs.
    #[error("the model's checksum does not match its content; train or calibrate again")]
    Checksum,
    /// Made by another version.
    #[error(
        "the model has format {format} and features {features}; this build reads {FORMAT} and {FEATURE_VERSION}: train or calibrate again"
    )]
    Version {
        /// Format of the file.
        format: u8,
        /// Feature version of the file.
        features: u8,
    },
}

impl Bank {
    /// Builds a bank; n-gram weights are rounded to a byte of their head's scale. Heads past [`MAX_HEADS`] are left out.
    #[must_use]
    pub fn new(heads: &[Head]) -> Self {
        let heads = &heads[..heads.len().min(MAX_HEADS)];
        let width = heads.len();
        let mut counters = vec![0.0; COUNTERS * width];
        let mut grams = vec![0u8; GRAM_BUCKETS * width];
        let mut gram_scale = vec![0.0; width];
        for (at, head) in heads.iter().enumerate() {
            for (counter, weight) in head.counters.iter().take(COUNTERS).enumerate() {
                counters[counter * width + at] = *weight;
            }
            let largest = head.grams.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
            gram_scale[at] = largest / 127.0;
            for (id, weight) in head.grams.iter().take(GRAM_BUCKETS).enumerate() {
                let steps = if largest > 0.0 { (weight / largest * 127.0).round() } else { 0.0 };
                grams[id * width + at] = (steps as i8).cast_unsigned();
            }
        }
        Self {
            names: heads.iter().map(|head| head.name.clone()).collect(),
            bias: heads.iter().map(|head| head.bias).collect(),
            gram_scale,
            counters,
            grams: Cow::Owned(grams),
            forest: Forest::new(heads.iter().map(|head| &head.trees)),
            trees: heads.iter().map(|head| head.trees.clone()).collect(),
        }
    }

    /// Names of the heads, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What each head says, in order; the rest of the array is 0.
    #[must_use]
    pub fn evaluate(&self, features: &Features) -> [f32; MAX_HEADS] {
        let mut said = self.linear(features);
        self.add_trees(features, 0, &mut said);
        said
    }

    /// Which of the first `heads` heads says most (the last one of equals), and what each of the others says. What the first
    /// ones say is not worked out further than that takes: their part of the array means nothing.
    #[must_use]
    pub fn highest_and_others(&self, features: &Features, heads: usize) -> (usize, [f32; MAX_HEADS]) {
        let mut said = self.linear(features);
        let Some(forest) = &self.forest else {
            self.add_trees(features, 0, &mut said);
            let highest = (0..heads).max_by(|a, b| said[*a].total_cmp(&said[*b]));
            return (highest.unwrap_or_default(), said);
        };
        let highest = forest.highest(features, &said[..heads]);
        forest.add_leaves(features, heads, &mut said);
        (highest, said)
    }

    /// What each head says without its trees.
    fn linear(&self, features: &Features) -> [f32; MAX_HEADS] {
        match self.names.len() {
            0..=8 => self.linear_in::<8>(features, self.gram_sums::<1>(features)),
            9..=16 => self.linear_in::<16>(features, self.gram_sums::<2>(features)),
            _ => self.linear_in::<MAX_HEADS>(features, self.gram_sums::<3>(features)),
        }
    }

    /// `LANES` is a fixed number of heads that are worked out at once, at least the bank's: what those beyond its last head
    /// add up lies behind the row, and means nothing.
    fn linear_in<const LANES: usize>(&self, features: &Features, sums: [i32; MAX_HEADS]) -> [f32; MAX_HEADS] {
        let width = self.names.len();
        let norm = 1.0 / (features.grams().len().max(1) as f32).sqrt();
        let mut lanes = [0.0; LANES];
        for at in 0..width.min(LANES) {
            lanes[at] = self.bias[at] + sums[at] as f32 * self.gram_scale[at] * norm;
        }
        for (counter, byte) in features.counters().iter().enumerate().filter(|(_, byte)| **byte != 0) {
            let byte = f32::from(*byte);
            let row = &self.counters[counter * width..];
            if let Some(row) = row.first_chunk::<LANES>() {
                for lane in 0..LANES {
                    lanes[lane] += row[lane] * byte;
                }
            } else {
                lanes.iter_mut().zip(row).for_each(|(lane, weight)| *lane += weight * byte);
            }
        }
        let mut out = [0.0; MAX_HEADS];
        out[..width].copy_from_slice(&lanes[..width]);
        out
    }

    /// Adds to each head from `first` on what its trees say.
    fn add_trees(&self, features: &Features, first: usize, said: &mut [f32; MAX_HEADS]) {
        match &self.forest {
            Some(forest) => forest.add_leaves(features, first, said),
            None => {
                for (said, trees) in said.iter_mut().zip(&self.trees).skip(first) {
                    *said += trees.iter().map(|tree| leaf(tree, features)).sum::<f32>();
                }
            }
        }
    }

    /// Sums of the n-gram weights by head, of as many heads as eight times `WORDS`, at least the bank's.
    ///
    /// Eight weights of a byte are added at once as one word of eight bytes: every other one of them in the even sums, the
    /// rest in the odd ones, two bytes for each. They are raised by 128 to have no sign, which is taken off at the end.
    fn gram_sums<const WORDS: usize>(&self, features: &Features) -> [i32; MAX_HEADS] {
        let width = self.names.len();
        // Ids rise, and nearly all rows have enough behind them to be read as words where they lie.
        let in_words = self.grams.len().saturating_sub(8 * WORDS) / width.max(1);
        let (ids, last) =
            features.grams().split_at(features.grams().partition_point(|id| usize::from(*id) <= in_words));
        let mut all = [0; MAX_HEADS];
        for ids in ids.chunks(SHORT_SUM) {
            let (mut even, mut odd) = ([0u64; WORDS], [0u64; WORDS]);
            for id in ids {
                let Some(row) = self.grams[usize::from(*id) * width..].get(..8 * WORDS) else { continue };
                for (at, eight) in row.as_chunks().0.iter().enumerate().take(WORDS) {
                    let raised = u64::from_le_bytes(*eight) ^ RAISED;
                    even[at] += raised & EVEN;
                    odd[at] += raised >> 8 & EVEN;
                }
            }
            for (at, all) in all.iter_mut().enumerate().take(width) {
                let sums = if at % 2 == 0 { even[at / 8] } else { odd[at / 8] };
                *all += i32::from((sums >> (at % 8 / 2 * 16)) as u16) - 128 * ids.len() as i32;
            }
        }
        for id in last {
            let row = &self.grams[usize::from(*id) * width..][..width];
            all.iter_mut().zip(row).for_each(|(all, weight)| *all += i32::from(weight.cast_signed()));
        }
        all
    }

    /// Each counter's part in a head: its linear weight times its byte, and what the trees lose without it.
    #[must_use]
    pub fn parts(&self, head: usize, features: &Features) -> [f32; COUNTERS] {
        let width = self.names.len();
        let mut parts = [0.0; COUNTERS];
        let Some(trees) = self.trees.get(head) else { return parts };
        for (counter, part) in parts.iter_mut().enumerate() {
            *part = self.counters[counter * width + head] * f32::from(features.counters()[counter]);
        }
        for tree in trees {
            spread_leaf(tree, features, &mut parts);
        }
        parts
    }

    /// The n-grams' part in a head.
    #[must_use]
    pub fn gram_part(&self, head: usize, features: &Features) -> f32 {
        let width = self.names.len();
        if head >= width {
            return 0.0;
        }
        let weight = |id: &u16| i32::from(self.grams[usize::from(*id) * width + head].cast_signed());
        let sum: i32 = features.grams().iter().map(weight).sum();
        sum as f32 * self.gram_scale[head] / (features.grams().len().max(1) as f32).sqrt()
    }

    /// As bytes for a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([FORMAT, FEATURE_VERSION, self.names.len() as u8, 0]);
        for at in 0..self.names.len() {
            bytes.push(self.names[at].len().min(255) as u8);
            bytes.extend(self.names[at].bytes().take(255));
            bytes.extend(self.bias[at].to_le_bytes());
            bytes.extend(self.gram_scale[at].to_le_bytes());
        }
        self.counters.iter().for_each(|weight| bytes.extend(weight.to_le_bytes()));
        bytes.extend_from_slice(&self.grams);
        for trees in &self.trees {
            bytes.extend((trees.len() as u16).to_le_bytes());
            for tree in trees {
                bytes.extend((tree.len() as u16).to_le_bytes());
                for node in tree {
                    bytes.extend([node.counter, node.limit]);
                    bytes.extend(node.left.to_le_bytes());
                    bytes.extend(node.value.to_le_bytes());
                }
            }
        }
        let checksum = checksum(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    /// Reads a bank; the n-gram weights stay where they are when the bytes live as long as the program.
    ///
    /// # Errors
    /// See [`BankError`].
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, BankError> {
        Self::read(bytes, Cow::Borrowed)
    }

    /// Reads a bank from bytes that go away.
    ///
    /// # Errors
    /// See [`BankError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BankError> {
        Self::read(bytes, |grams| Cow::Owned(grams.to_vec()))
    }

    fn read<'a>(bytes: &'a [u8], keep: impl Fn(&'a [u8]) -> Cow<'static, [u8]>) -> Result<Self, BankError> {
        let (content, sum) = bytes.split_last_chunk::<8>().ok_or(BankError::Damaged)?;
        let mut reader = Reader(content);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(BankError::Damaged);
        }
        let [format, features, width, _] = reader.array()?;
        if (format, features) != (FORMAT, FEATURE_VERSION) {
            return Err(BankError::Version { format, features });
        }
        if checksum(content) != u64::from_le_bytes(*sum) {
            return Err(BankError::Checksum);
        }
        let width = usize::from(width);
        if width > MAX_HEADS {
            return Err(BankError::Damaged);
        }
        let (mut names, mut bias, mut gram_scale) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..width {
            let [length] = reader.array()?;
            names.push(String::from_utf8_lossy(reader.take(usize::from(length))?).into_owned());
            bias.push(reader.float()?);
            gram_scale.push(reader.float()?);
        }
        let counters = (0..COUNTERS * width).map(|_| reader.float()).collect::<Result<_, _>>()?;
        let grams = keep(reader.take(GRAM_BUCKETS * width)?);
        let trees = (0..width).map(|_| reader.trees()).collect::<Result<Vec<_>, _>>()?;
        if reader.0.is_empty() {
            let forest = Forest::new(&trees);
            Ok(Self { names, bias, gram_scale, counters, grams, trees, forest })
        } else {
            Err(BankError::Damaged)
        }
    }
}

fn leaf(tree: &[TreeNode], features: &Features) -> f32 {
    let mut node = &tree[0];
    while node.left != 0 {
        let right = features.counters()[usize::from(node.counter)] > node.limit;
        node = &tree[usize::from(node.left) + usize::from(right)];
    }
    node.value
}

/// Gives a leaf's value in equal parts to the counters that were asked on the way.
fn spread_leaf(tree: &[TreeNode], features: &Features, parts: &mut [f32; COUNTERS]) {
    let value = leaf(tree, features);
    let (mut node, mut asked) = (&tree[0], [0u8; 16]);
    let mut depth = 0;
    while node.left != 0 && depth < asked.len() {
        asked[depth] = node.counter;
        depth += 1;
        let right = features.counters()[usize::from(node.counter)] > node.limit;
        node = &tree[usize::from(node.left) + usize::from(right)];
    }
    for counter in &asked[..depth] {
        parts[usize::from(*counter)] += value / depth as f32;
    }
}

/// FNV-1a over words of eight bytes: finds damage, not forgery.
fn checksum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BankError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BankError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BankError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(BankError::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A weight that can be reckoned with: one that is not would make every tier look good enough.
    fn float(&mut self) -> Result<f32, BankError> {
        let float = f32::from_le_bytes(self.array()?);
        if float.is_finite() { Ok(float) } else { Err(BankError::Damaged) }
    }

    fn short(&mut self) -> Result<u16, BankError> {
        self.array().map(u16::from_le_bytes)
    }

    fn trees(&mut self) -> Result<Vec<Vec<TreeNode>>, BankError> {
        (0..self.short()?).map(|_| self.tree()).collect()
    }

    /// A tree whose children lie behind their parents: it has an end.
    fn tree(&mut self) -> Result<Vec<TreeNode>, BankError> {
        let count = self.short()?;
        let mut tree = Vec::with_capacity(usize::from(count));
        for at in 0..count {
            let [counter, limit] = self.array()?;
            let node = TreeNode { counter, limit, left: self.short()?, value: self.float()? };
            let sound =
                node.left == 0 || (node.left > at && node.left.checked_add(1).is_some_and(|right| right < count));
            if !sound || usize::from(node.counter) >= COUNTERS {
                return Err(BankError::Damaged);
            }
            tree.push(node);
        }
        if tree.is_empty() { Err(BankError::Damaged) } else { Ok(tree) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank() -> Bank {
        let tree = vec![
            TreeNode { counter: 3, limit: 10, left: 1, value: 0.0 },
            TreeNode { value: -1.0, ..TreeNode::default() },
            TreeNode { value: 2.0, ..TreeNode::default() },
        ];
        let mut grams = vec![0.0; GRAM_BUCKETS];
        grams[7] = 0.5;
        let mut counters = vec![0.0; COUNTERS];
        counters[3] = 0.25;
        let linear = Head { name: "a".into(), bias: 1.0, counters, grams, trees: vec![] };
        Bank::new(&[linear, Head { name: "b".into(), trees: vec![tree], ..Head::default() }])
    }

    #[test]
    fn heads_add_their_parts() {
        let mut features = Features::default();
        features.counters[3] = 12;
        features.grams = vec![7, 8, 9, 10];
        let said = bank().evaluate(&features);
        assert!((said[0] - (1.0 + 0.25 * 12.0 + 0.5 / 2.0)).abs() < 1e-5, "{said:?}");
        assert_eq!(said[1], 2.0);
        assert_eq!(bank().parts(1, &features)[3], 2.0);
    }

    #[test]
    fn bytes_give_back_the_same_bank_and_damage_is_seen() {
        let bytes = bank().to_bytes();
        let read = Bank::from_bytes(&bytes).expect("own bytes");
        assert_eq!(read.to_bytes(), bytes);
        for at in [9, 40, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Bank::from_bytes(&damaged).is_err(), "{at}");
        }
        assert_eq!(Bank::from_bytes(&bytes[..100]).err(), Some(BankError::Checksum));
        assert_eq!(Bank::from_bytes(b"x").err(), Some(BankError::Damaged));
    }

    #[test]
    fn a_weight_that_is_no_number_is_damage_even_with_a_checksum() {
        for odd in [f32::NAN, f32::INFINITY] {
            let biased = Bank::new(&[Head { bias: odd, ..Head::default() }]);
            assert_eq!(Bank::from_bytes(&biased.to_bytes()).err(), Some(BankError::Damaged), "{odd}");
            let leaf = TreeNode { value: odd, ..TreeNode::default() };
            let grown = Bank::new(&[Head { trees: vec![vec![leaf]], ..Head::default() }]);
            assert_eq!(Bank::from_bytes(&grown.to_bytes()).err(), Some(BankError::Damaged), "{odd}");
        }
    }
}
