//! Which n-grams occur in an ask: a set of hashed ids.
//!
//! Ids are spread over four kinds of equal size. Where an ask has more n-grams of a kind than are kept, those with the
//! lowest ids are: an n-gram that is kept in one long text is kept in every other, so that texts stay comparable.

/// What was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GramKind {
    /// A word of the ask itself, outside quotes and attached text.
    Lead,
    /// A word anywhere.
    Word,
    /// Two words in a row.
    Pair,
    /// Four letters in a row.
    Letters,
}

/// Number of ids.
pub const GRAM_BUCKETS: usize = 1 << 16;
const KIND_BITS: u32 = 14;
/// How many of each kind are kept at most.
const KEPT: [usize; 4] = [64, 144, 64, 144];
/// How many are kept at most in all.
pub const MAX_GRAMS: usize = KEPT[0] + KEPT[1] + KEPT[2] + KEPT[3];

impl GramKind {
    /// The kind of an id.
    #[must_use]
    pub const fn of(id: u16) -> Self {
        match id >> KIND_BITS {
            0 => Self::Lead,
            1 => Self::Word,
            2 => Self::Pair,
            _ => Self::Letters,
        }
    }
}

/// A set of ids in place.
pub(super) struct GramSet {
    bits: [u64; GRAM_BUCKETS / 64],
}

impl GramSet {
    pub(super) const fn new() -> Self {
        Self { bits: [0; GRAM_BUCKETS / 64] }
    }

    /// Adds; says whether it is new.
    #[inline]
    pub(super) fn add(&mut self, kind: GramKind, hash: u32) -> bool {
        let id = (kind as usize) << KIND_BITS | (hash >> (32 - KIND_BITS)) as usize;
        let (slot, bit) = (&mut self.bits[id / 64], 1u64 << (id % 64));
        let new = *slot & bit == 0;
        *slot |= bit;
        new
    }

    /// Adds the words of another ask's lead.
    pub(super) fn add_leads(&mut self, other: &Self) {
        let leads = self.bits.len() / KEPT.len();
        self.bits[..leads].iter_mut().zip(&other.bits[..leads]).for_each(|(mine, theirs)| *mine |= theirs);
    }

    /// The ids that are kept, rising.
    pub(super) fn kept(&self) -> Vec<u16> {
        let mut ids = Vec::with_capacity(MAX_GRAMS);
        let words_of_kind = self.bits.len() / KEPT.len();
        for (kind, words) in self.bits.chunks(words_of_kind).enumerate() {
            let until = ids.len() + KEPT[kind];
            'kind: for (at, word) in words.iter().enumerate() {
                let mut word = *word;
                while word != 0 {
                    if ids.len() == until {
                        break 'kind;
                    }
                    ids.push((kind << KIND_BITS | at << 6) as u16 | word.trailing_zeros() as u16);
                    word &= word - 1;
                }
            }
        }
        ids
    }
}
