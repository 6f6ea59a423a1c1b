//! Letter by letter: words that are not plain, and letters of all scripts.

use super::Scan;
use super::script::Script;
use super::word::NO_WORD;
use crate::Counter;
use crate::features::words::{Class, HASH_START, hash_step, word_key};

impl Scan<'_> {
    /// Takes small letters that make a word longer.
    pub(super) fn take_letters(&mut self, letters: &[u8]) {
        let Some(&last) = letters.last() else { return };
        self.pass(letters, last);
        let (mut word, mut four) = (self.word, self.four);
        for &letter in letters {
            word.grow(u32::from(letter), &mut self.hash_at);
            four = four.then(u32::from(letter));
            if word.len > 1 {
                self.grams.add_letters(four.hash());
            }
        }
        (self.word, self.four) = (word, four);
    }

    pub(super) fn take(&mut self, letter: char) {
        self.chars += 1;
        let letter = if letter == '\u{2019}' { '\'' } else { letter };
        if letter.is_ascii() {
            self.take_ascii(letter);
        } else {
            self.take_other(letter);
        }
        self.last_char = letter;
        if !letter.is_whitespace() {
            self.last_visible = letter;
        }
    }

    #[inline]
    pub(super) fn take_ascii(&mut self, letter: char) {
        match letter {
            'a'..='z' => self.grow_word(letter as u32),
            'A'..='Z' => {
                self.word.upper += 1;
                self.word.inner_upper |= self.word.len > 0 && self.last_char.is_ascii_lowercase();
                self.grow_word(letter.to_ascii_lowercase() as u32);
            }
            '0'..='9' => {
                self.word.digits += 1;
                // small numbers keep their value, of longer ones the first digits and the length are kept
                self.grow_word(if self.word.len < 2 { letter as u32 } else { '0' as u32 });
            }
            '_' => {
                self.word.joined = true;
                self.grow_word('_' as u32);
            }
            '\'' if self.word.len > 0 && self.quoting.quote != Some('\'') => self.grow_word('\'' as u32),
            _ => {
                self.end_word();
                self.punctuation(letter);
            }
        }
        self.line_char(letter);
    }

    pub(super) fn take_other(&mut self, letter: char) {
        let script = Script::of(letter);
        match script {
            Script::Latin | Script::Cyrillic | Script::Arabic | Script::Indic | Script::Other => {
                self.scripts[script as usize] += 1;
                self.word.latin &= matches!(script, Script::Latin);
                let lower = letter.to_lowercase().next().unwrap_or(letter);
                self.word.upper += u32::from(lower != letter);
                self.grow_word(lower as u32);
            }
            Script::Han | Script::Kana => {
                self.scripts[script as usize] += 1;
                self.end_word();
                self.take_syllable(letter);
            }
            Script::Sign => {
                self.end_word();
                self.sign(letter);
            }
        }
        self.line_char(letter);
    }

    /// Scripts without spaces: every letter, and every two in a row, is looked up and hashed as a word.
    pub(super) fn take_syllable(&mut self, letter: char) {
        let single = hash_step(HASH_START, letter as u32);
        let lead = self.is_lead();
        self.found_word(word_key(single), self.table.find(word_key(single)), lead);
        if self.han != 0 {
            let pair = word_key(hash_step(hash_step(HASH_START, self.han), letter as u32));
            self.found_word(pair, self.table.find(pair), lead);
        }
        self.words += 1;
        self.word_chars += 2;
        self.syllables += 1;
        self.four = self.four.then(letter as u32);
        self.han = letter as u32;
        self.previous = 0;
    }

    pub(super) fn grow_word(&mut self, letter: u32) {
        self.han = 0;
        self.word.grow(letter, &mut self.hash_at);
        self.four = self.four.then(letter);
        if self.word.len > 1 {
            self.grams.add_letters(self.four.hash());
        }
    }

    pub(super) fn end_word(&mut self) {
        if self.word.len == 0 {
            return;
        }
        let lead = self.is_lead();
        let word = std::mem::replace(&mut self.word, NO_WORD);
        self.count_word(word.len);
        self.upper += word.upper;
        self.digits += word.digits;
        if word.digits == word.len {
            self.count(Counter::Numbers);
            self.count_if(Counter::LongNumbers, word.len >= 4);
        } else {
            self.no_vowel += u32::from(!word.has_vowel && word.len >= 3 && word.latin && word.digits == 0);
            self.capitalised += u32::from(word.upper == 1);
            self.count_if(Counter::Shouted, word.upper >= 2 && word.upper == word.len);
            self.count_if(Counter::Identifiers, word.is_identifier());
            self.count_if(Counter::Variables, word.len == 1 && word.latin && word.hash != A && word.hash != I);
        }
        let key = word_key(word.hash);
        let (table, hash_at) = (self.table, &self.hash_at);
        let class = match table.find(key) {
            Class::UNKNOWN => table.find_stem(word.len as usize, |length| hash_at[length]),
            found => found,
        };
        self.found_word(key, class, lead);
    }
}

const A: u64 = hash_step(HASH_START, 'a' as u32);
const I: u64 = hash_step(HASH_START, 'i' as u32);
