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
    const SLOTS_OF_KIND: usize = (1 << KIND_BITS) / 64;

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

    /// Forgets all but the words of the lead.
    pub(super) fn keep_leads(&mut self) {
        self.bits[Self::SLOTS_OF_KIND..].fill(0);
    }

    /// The ids that are kept, rising.
    pub(super) fn kept(&self) -> Vec<u16> {
        let (mut ids, mut count) = ([0; MAX_GRAMS], 0);
        for (kind, slots) in self.bits.chunks(Self::SLOTS_OF_KIND).enumerate() {
            let until = (count + KEPT[kind]).min(MAX_GRAMS);
            for (at, slot) in slots.iter().enumerate() {
                let mut left = *slot;
                while left != 0 && count < until {
                    ids[count] = (kind << KIND_BITS | at << 6) as u16 | left.trailing_zeros() as u16;
                    count += 1;
                    left &= left - 1;
                }
            }
        }
        ids[..count].to_vec()
    }
}
