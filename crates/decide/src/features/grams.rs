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

    /// Adds if `really`; says whether it is new then. An id is the upper bits of its hash: the first eight of them are its
    /// slot, the next six its bit.
    #[inline]
    pub(super) fn add(&mut self, kind: GramKind, hash: u32, really: bool) -> bool {
        let slot = &mut self.kinds[kind as usize][usize::from((hash >> 24) as u8)];
        let bit = if matches!(kind, GramKind::Lead) { 1 } else { self.bit } & u64::from(really);
        let with = *slot | bit << (hash >> 18 & 63);
        let new = with != *slot;
        *slot = with;
        new
    }

    /// Adds letters that have the upper half of this hash as theirs.
    #[inline]
    pub(super) fn add_letters(&mut self, hash: u64) {
        self.kinds[GramKind::Letters as usize][usize::from((hash >> 56) as u8)] |= self.bit << (hash >> 50 & 63);
    }

    /// The ids that are kept, rising.
    pub(super) fn kept(&self) -> Vec<u16> {
        let (mut ids, mut count) = ([0; ROOM], 0);
        for (kind, slots) in self.kinds.iter().enumerate() {
            let until = count + KEPT[kind];
            for (part, slots) in slots.as_chunks().0.iter().enumerate() {
                // Of a long text a few parts hold all that is kept.
                if count >= until {
                    break;
                }
                let first = ((kind << KIND_BITS) + part * PART * 64) as u16;
                count = write_ids(first, slots, &mut ids, count, until);
            }
            count = count.min(until);
        }
        ids[..count.min(MAX_GRAMS)].to_vec()
    }
}

/// Slots that are looked at together.
const PART: usize = 64;
/// Room for all of one slot more than is kept, so that not every id has to be asked whether it is still wanted.
const ROOM: usize = (MAX_GRAMS + 64).next_power_of_two();

/// Writes the ids of a few slots, whose first id is `first`, behind the `count` that are there, until there are so many; gives how
/// many there are then.
fn write_ids(first: u16, slots: &[u64; PART], ids: &mut [u16; ROOM], mut count: usize, until: usize) -> usize {
    let room = ROOM - 1;
    // Which slots hold something comes in no order: told without a guess.
    let (mut full, mut some) = ([0u8; PART], 0);
    for (at, slot) in slots.iter().enumerate() {
        full[some % PART] = at as u8;
        some += usize::from(*slot != 0);
    }
    for at in &full[..some] {
        let first = first | u16::from(*at) << 6;
        let mut left = slots[usize::from(*at)];
        // Most slots hold one or two: a second one is written in any case, and kept or not without a guess.
        ids[count & room] = first | left.trailing_zeros() as u16;
        left &= left - 1;
        ids[(count + 1) & room] = first | left.trailing_zeros() as u16 & 63;
        count += 1 + usize::from(left != 0);
        left &= left.wrapping_sub(1);
        while left != 0 {
            ids[count & room] = first | left.trailing_zeros() as u16;
            count += 1;
            left &= left - 1;
        }
        if count >= until {
            break;
        }
    }
    count
}
