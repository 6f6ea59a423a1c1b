//! The word that is being read.

use super::plain;
use crate::features::words::{HASH_START, STEMS, hash_step};

/// The hash of a word as it was at each length up to the longest stem's; the last place takes all that is longer. Written
/// before it is read, so it is never cleared; beside the [`Word`], which is small enough to be kept in registers.
pub(super) type HashAt = [u64; *STEMS.end() + 2];

/// A word so far, of letters of any script. Most words lie whole in the text and are plain: they need none of this.
#[derive(Clone, Copy)]
pub(super) struct Word {
    /// Hash of its letters in lower case.
    pub(super) hash: u64,
    /// Letters.
    pub(super) len: u32,
    /// Capitals among them.
    pub(super) upper: u32,
    /// Digits among them.
    pub(super) digits: u32,
    /// One of its letters is a vowel, or not of the letters a to z.
    pub(super) has_vowel: bool,
    /// All of them are Latin.
    pub(super) latin: bool,
    /// Parts of it are joined by a low line.
    pub(super) joined: bool,
    /// A capital follows a small letter.
    pub(super) inner_upper: bool,
}

pub(super) const NO_WORD: Word = Word {
    hash: HASH_START,
    len: 0,
    upper: 0,
    digits: 0,
    has_vowel: false,
    latin: true,
    joined: false,
    inner_upper: false,
};

impl Word {
    /// A word that begins with these plain letters.
    pub(super) fn of(letters: &[u8], hash_at: &mut HashAt) -> Self {
        let mut word = NO_WORD;
        for letter in letters {
            word.grow(u32::from(plain::lower(*letter)), hash_at);
            word.upper += u32::from(letter.is_ascii_uppercase());
        }
        word
    }

    /// Takes one more letter, in lower case.
    #[inline]
    pub(super) fn grow(&mut self, letter: u32, hash_at: &mut HashAt) {
        self.hash = hash_step(self.hash, letter);
        self.len += 1;
        self.has_vowel |= letter > 0x7f || plain::class(letter as u8) & plain::VOWEL != 0;
        hash_at[(self.len as usize).min(*STEMS.end() + 1)] = self.hash;
    }

    /// It looks like a name in a program.
    pub(super) const fn is_identifier(&self) -> bool {
        self.joined || self.inner_upper || (self.digits > 0 && self.digits < self.len)
    }
}
