//! Finds what a word says by its hash, with two looks at a table and no question that could be guessed wrong.
//!
//! Every word lies in one of two places (cuckoo hashing: Pagh and Rodler, 2004); both are read, one of them counts.

use super::{LISTS, Says};
use crate::Counter;
use crate::features::COUNTERS;
use std::hint::select_unpredictable;
use std::sync::LazyLock;

/// What a word says, as one number: below [`COUNTERS`] that of its [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

const _: () = assert!(COUNTERS <= Class::IGNORED.0 as usize);

impl Class {
    /// In none of the lists.
    pub(crate) const UNKNOWN: Self = Self(u8::MAX);
    /// An everyday word.
    pub(crate) const COMMON: Self = Self(u8::MAX - 1);
    /// A word that must not move a decision.
    pub(crate) const IGNORED: Self = Self(u8::MAX - 2);
    /// As many as there can be.
    pub(crate) const COUNT: usize = 1 << u8::BITS;

    const fn of(says: Says) -> Self {
        match says {
            Says::Counts(counter) => Self(counter as u8),
            Says::Common => Self::COMMON,
            Says::Ignored => Self::IGNORED,
        }
    }

    /// Its number.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// What it counts for.
    pub(crate) fn counter(self) -> Option<Counter> {
        Counter::ALL.get(self.index()).copied()
    }
}

/// Places: four times as many as words.
const PLACES: usize = 1 << 14;
/// Bits that tell of most words that they begin with no stem: many times as many as stems.
const BITS: usize = 1 << 14;
/// Shortest and longest stem.
pub(crate) const STEMS: std::ops::RangeInclusive<usize> = 4..=7;

/// Finds the class of a word by its hash.
pub(crate) struct Table {
    keys: [u32; PLACES],
    classes: [Class; PLACES],
    /// The first letters of stems.
    stems: [u64; BITS / 64],
}

static TABLE: LazyLock<Box<Table>> = LazyLock::new(Table::build);

impl Table {
    /// The one table.
    pub(crate) fn get() -> &'static Self {
        &TABLE
    }

    fn build() -> Box<Self> {
        let mut table = Box::new(Self { keys: [0; PLACES], classes: [Class::UNKNOWN; PLACES], stems: [0; BITS / 64] });
        for (says, list) in LISTS {
            for word in list.split_ascii_whitespace() {
                // the first class that names a word keeps it
                if table.find(key_of(word)) == Class::UNKNOWN {
                    table.put(key_of(word), Class::of(*says));
                }
                if word.ends_with('*') {
                    let (slot, bit) = bit_of(stem_key(hash_letters(word.chars().take(*STEMS.start()))));
                    table.stems[slot] |= 1 << bit;
                }
            }
        }
        table
    }

    /// Puts a word into one of its places; whatever lay there goes to its other one, and so on.
    fn put(&mut self, mut key: u32, mut class: Class) {
        let mut at = places_of(key)[0];
        for _ in 0..PLACES {
            key = std::mem::replace(&mut self.keys[at], key);
            class = std::mem::replace(&mut self.classes[at], class);
            if key == 0 {
                return;
            }
            let [first, second] = places_of(key);
            at ^= first ^ second;
        }
    }

    /// The class of a key.
    #[inline]
    pub(crate) fn find(&self, key: u32) -> Class {
        let [first, second] = places_of(key);
        let at = select_unpredictable(self.keys[first] == key, first, second);
        // 255 where it is not this key: told by reckoning, as one word in three is in none of the lists.
        let other = u8::from(self.keys[at] != key).wrapping_neg();
        Class(self.classes[at].0 | other)
    }

    /// The class of a word of `len` letters: of its key, else of the longest stem that it begins with; `hash_at` gives the
    /// hash of its first so many letters.
    #[inline]
    pub(crate) fn find_with_stem(&self, key: u32, len: usize, hash_at: impl Fn(usize) -> u64) -> Class {
        match self.find(key) {
            Class::UNKNOWN if len >= *STEMS.start() => self.find_stem(len, hash_at),
            found => found,
        }
    }

    fn find_stem(&self, len: usize, hash_at: impl Fn(usize) -> u64) -> Class {
        // The first four letters of each stem are marked: one look tells of most words that they begin with none.
        let (slot, bit) = bit_of(stem_key(hash_at(*STEMS.start())));
        if self.stems[slot] >> bit & 1 == 0 {
            return Class::UNKNOWN;
        }
        let classes = STEMS.rev().filter(|length| *length <= len).map(|length| self.find(stem_key(hash_at(length))));
        classes.into_iter().find(|class| *class != Class::UNKNOWN).unwrap_or(Class::UNKNOWN)
    }
}

/// The two places of a key.
#[inline]
const fn places_of(key: u32) -> [usize; 2] {
    [key as usize / 4 % PLACES, (key.wrapping_mul(0x9e37_79b1) >> 18) as usize % PLACES]
}

/// Where the mark of the first letters of a stem is.
const fn bit_of(key: u32) -> (usize, u32) {
    ((key >> 24) as usize % (BITS / 64), key >> 18 & 63)
}

/// The key of a word of the lists; of a stem where it has a star.
fn key_of(word: &str) -> u32 {
    word.strip_suffix('*').map_or_else(|| hash_of(word), |stem| stem_key(hash_letters(stem.chars())))
}

/// Where a word's hash starts.
pub(crate) const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Takes one more letter in (FNV-1a over code points).
#[inline]
pub(crate) const fn hash_step(hash: u64, letter: u32) -> u64 {
    (hash ^ letter as u64).wrapping_mul(0x0100_0000_01b3)
}

/// The key of a whole word; never 0.
#[inline]
pub(crate) const fn word_key(hash: u64) -> u32 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32 | 1
}

/// The key of a stem; never 0 and never equal to a whole word's.
#[inline]
pub(crate) const fn stem_key(hash: u64) -> u32 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed >> 32) as u32 & !1) | 2
}

/// The hash of letters.
#[inline]
pub(crate) fn hash_letters(letters: impl Iterator<Item = impl Into<u32>>) -> u64 {
    letters.fold(HASH_START, |hash, letter| hash_step(hash, letter.into()))
}

fn hash_of(word: &str) -> u32 {
    word_key(hash_letters(word.chars()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stem_has_a_length_that_is_looked_up() {
        for word in LISTS.iter().flat_map(|(_, list)| list.split_ascii_whitespace()) {
            if let Some(stem) = word.strip_suffix('*') {
                assert!(STEMS.contains(&stem.chars().count()), "{word}");
            }
        }
    }

    #[test]
    fn words_are_found_and_others_are_not() {
        let table = Table::get();
        for (word, counter) in [("prove", Counter::Rigor), ("翻译", Counter::Translate)] {
            assert_eq!(table.find(hash_of(word)).counter(), Some(counter));
        }
        assert_eq!(table.find(hash_of("simple")), Class::IGNORED);
        assert_eq!(table.find(hash_of("qxzzy")), Class::UNKNOWN);
    }

    #[test]
    fn no_word_is_lost_where_places_are_taken() {
        let mut first = std::collections::HashMap::new();
        for (says, list) in LISTS {
            for word in list.split_ascii_whitespace() {
                let class = *first.entry(key_of(word)).or_insert(Class::of(*says));
                assert_eq!(Table::get().find(key_of(word)), class, "{word}");
            }
        }
    }
}
