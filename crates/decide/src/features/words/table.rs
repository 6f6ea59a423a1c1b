//! Finds what a word says by its hash, with two looks at a table and no question that could be guessed wrong.
//!
//! Every word lies in one of two places (cuckoo hashing: Pagh and Rodler, 2004); both are read, one of them counts.

use super::{LISTS, Says};
use crate::Counter;
use crate::features::COUNTERS;
use std::collections::BTreeMap;
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

/// Places: three times as many as words.
const PLACES: usize = 1 << 13;
/// The bits of a key that its first place tells: the class lies in theirs.
const CLASS: u32 = 0xff << 2;
/// Bits that tell of most words that they begin with no stem: many times as many as stems.
const BITS: usize = 1 << 14;
/// Shortest and longest stem.
pub(crate) const STEMS: std::ops::RangeInclusive<usize> = 4..=7;

/// Finds the class of a word by its hash.
pub(crate) struct Table {
    /// Keys, each with its class in [some of its bits](CLASS); 0 where there is none.
    entries: [u32; PLACES],
    /// The first letters of stems.
    stems: [u64; BITS / 64],
    /// The same of stems that begin with letters a to z, by those letters as they lie in a text.
    plain_stems: [u64; BITS / 64],
}

static TABLE: LazyLock<Box<Table>> = LazyLock::new(Table::build);

impl Table {
    /// The one table.
    pub(crate) fn get() -> &'static Self {
        &TABLE
    }

    fn build() -> Box<Self> {
        let mut table = Box::new(Self { entries: [0; PLACES], stems: [0; BITS / 64], plain_stems: [0; BITS / 64] });
        let mut classes = BTreeMap::new();
        for (says, list) in LISTS {
            for word in list.split_ascii_whitespace() {
                // the first class that names a word keeps it
                classes.entry(key_of(word)).or_insert(Class::of(*says));
                if word.ends_with('*') {
                    let (slot, bit) = bit_of(stem_key(hash_letters(word.chars().take(*STEMS.start()))));
                    table.stems[slot] |= 1 << bit;
                    let (slot, bit) = bit_of_plain(word.as_bytes());
                    table.plain_stems[slot] |= 1 << bit;
                }
            }
        }
        for (entry, key) in table.entries.iter_mut().zip(placed(classes.keys())) {
            *entry = classes.get(&key).map_or(0, |class| key & !CLASS | u32::from(class.0) << 2);
        }
        table
    }

    /// The class of a key.
    #[inline]
    pub(crate) fn find(&self, key: u32) -> Class {
        let [first, second] = places_of(key).map(|place| self.entries[place]);
        let is_key = |entry: u32| (entry ^ key) & !CLASS == 0;
        let entry = select_unpredictable(is_key(first), first, second);
        // 255 where it is not this key: told by reckoning, as one word in three is in none of the lists.
        let other = u8::from(!is_key(entry)).wrapping_neg();
        Class(class_of(entry).0 | other)
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

    /// The same for a word of letters a to z, the first of them perhaps large, that this text begins with. What is asked first
    /// tells nearly all words from those that begin with a stem, so that it is guessed right.
    #[inline]
    pub(crate) fn find_plain(&self, key: u32, len: usize, text: &[u8]) -> Class {
        let found = self.find(key);
        let (slot, bit) = bit_of_plain(text);
        if (self.plain_stems[slot] >> bit & 1 != 0) & (found == Class::UNKNOWN) {
            let hash_at = |length| hash_letters(text.iter().take(length).map(u8::to_ascii_lowercase));
            return self.find_with_stem(key, len, hash_at);
        }
        found
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

/// What an entry says.
#[inline]
const fn class_of(entry: u32) -> Class {
    Class((entry >> 2) as u8)
}

/// The key that lies in each place, 0 for none. One that takes the place of another sends that to its other one, and so on.
fn placed<'k>(keys: impl Iterator<Item = &'k u32>) -> Vec<u32> {
    let mut places = vec![0; PLACES];
    for key in keys {
        let (mut key, mut at) = (*key, places_of(*key)[0]);
        for _ in 0..PLACES {
            key = std::mem::replace(&mut places[at], key);
            if key == 0 {
                break;
            }
            let [first, second] = places_of(key);
            at ^= first ^ second;
        }
    }
    places
}

/// The two places of a key. Each of them tells the bits that the [class](CLASS) takes the place of: keys that differ nowhere
/// else never share one.
#[inline]
const fn places_of(key: u32) -> [usize; 2] {
    [key as usize / 4 % PLACES, (key.wrapping_mul(0x9e37_79b1) >> 19) as usize % PLACES]
}

/// Where the mark of the first letters of a stem is.
const fn bit_of(key: u32) -> (usize, u32) {
    ((key >> 24) as usize % (BITS / 64), key >> 18 & 63)
}

/// The same for letters as they lie in a text that begins with them; a text that ends with fewer has a place of its own.
#[inline]
fn bit_of_plain(text: &[u8]) -> (usize, u32) {
    let four = text.first_chunk().map_or(0, |four| u32::from_le_bytes(*four) | 0x2020_2020);
    bit_of(four.wrapping_mul(0x9e37_79b1))
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
    fn keys_that_differ_only_where_their_class_lies_never_share_a_place() {
        for bits in 1..=u32::from(u8::MAX) {
            let [first, second] = places_of(bits << 2);
            // Other bits of the key move both of two places by the same, give or take one for what is carried.
            let apart = second.min(PLACES - second);
            assert!(first != 0 && apart > 1, "{bits}");
        }
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
