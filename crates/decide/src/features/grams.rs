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

/// A set of ids in place, by kind.
pub(super) struct GramSet {
    kinds: [[u64; SLOTS]; 4],
    /// The bit that adding sets: 1, or 0 for all but words of the lead while only those are wanted. What is asked for
    /// nearly every letter of a text should not need a branch.
    bit: u64,
}

/// Words of bits for each kind.
const SLOTS: usize = (1 << KIND_BITS) / 64;

impl GramSet {
    pub(super) const fn new() -> Self {
        Self { kinds: [[0; SLOTS]; 4], bit: 1 }
    }

    /// From now on adds either words of the lead only, or everything.
    pub(super) fn leads_only(&mut self, only: bool) {
        self.bit = u64::from(!only);
    }

    /// Adds; says whether it is new. An id is the upper bits of its hash: the first eight of them are its slot, the next
    /// six its bit.
    #[inline]
    pub(super) fn add(&mut self, kind: GramKind, hash: u32) -> bool {
        let slot = &mut self.kinds[kind as usize][usize::from((hash >> 24) as u8)];
        let bit = if matches!(kind, GramKind::Lead) { 1 } else { self.bit } << (hash >> 18 & 63);
        let new = *slot & bit == 0;
        *slot |= bit;
        new
    }

    /// Adds letters that have the upper half of this hash as theirs.
    #[inline]
    pub(super) fn add_letters(&mut self, hash: u64) {
        self.kinds[GramKind::Letters as usize][usize::from((hash >> 56) as u8)] |= self.bit << (hash >> 50 & 63);
    }

    /// The ids that are kept, rising.
    pub(super) fn kept(&self) -> Vec<u16> {
        // A slot may hold more ids than are still wanted: room for all of it, so that not every id has to be asked.
        let (mut ids, mut count) = ([0; (MAX_GRAMS + 64).next_power_of_two()], 0);
        let room = ids.len() - 1;
        for (kind, slots) in self.kinds.iter().enumerate() {
            let until = count + KEPT[kind];
            for (group, four) in slots.as_chunks::<4>().0.iter().enumerate() {
                // Of few n-grams most slots are empty.
                if four.iter().fold(0, |all, slot| all | slot) == 0 {
                    continue;
                }
                for (at, slot) in four.iter().enumerate() {
                    let first = (kind << KIND_BITS | (4 * group + at) << 6) as u16;
                    let mut left = *slot;
                    while left != 0 {
                        ids[count & room] = first | left.trailing_zeros() as u16;
                        count += 1;
                        left &= left - 1;
                    }
                    count = count.min(until);
                }
                if count == until {
                    break;
                }
            }
        }
        ids[..count.min(MAX_GRAMS)].to_vec()
    }
}
