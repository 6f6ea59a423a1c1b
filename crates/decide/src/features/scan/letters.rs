//! Letter by letter: words that are not plain, and letters of all scripts.

use super::script::Script;
use super::word::NO_WORD;
use super::{Scan, plain};
use crate::Counter;
use crate::features::words::{HASH_START, hash_step, word_key};

impl Scan<'_> {
    /// Takes the letters of a to z, digits and low lines that a word goes on with, or begins with where it is not plain. Gives
    /// their bytes.
    #[inline(never)]
    pub(super) fn take_name(&mut self, text: &[u8]) -> usize {
        let (mut word, mut len, mut behind_small) = (self.word, 0, self.last_char.is_ascii_lowercase());
        let mut four = self.four;
        for &byte in text {
            let class = plain::class(byte);
            if class & plain::IN_NAMES == 0 {
                break;
            }
            let (capital, digit) = (class & plain::CAPITAL != 0, class & plain::DIGIT != 0);
            word.upper += u32::from(capital);
            word.inner_upper |= capital & behind_small & (word.len > 0);
            word.digits += u32::from(digit);
            word.joined |= class & plain::JOINT != 0;
            // small numbers keep their value, of longer ones the first digits and the length are kept
            let value = if digit & (word.len >= 2) { b'0' } else { byte };
            let letter = u32::from(if capital { plain::lower(byte) } else { value });
            word.grow(letter, &mut self.hash_at);
            four = four.then(letter);
            if word.len > 1 {
                self.grams.add_letters(four.hash());
            }
            behind_small = class & plain::SMALL != 0;
            len += 1;
        }
        (self.word, self.four) = (word, four);
        self.pass(&text[..len]);
        len
    }

    pub(super) fn take(&mut self, letter: char) {
        self.chars += 1;
        let letter = if letter == '\u{2019}' { '\'' } else { letter };
        if letter == '\'' && self.word.len > 0 && self.quoting.quote != Some('\'') {
            self.grow_word('\'' as u32);
            self.line_char(letter);
        } else if letter.is_ascii() {
            self.end_word();
            self.four = self.four.then(if letter.is_ascii_whitespace() { ' ' } else { letter } as u32);
            if letter == '\'' {
                self.single_quote();
            }
            self.line_char(letter);
        } else {
            self.take_other(letter);
        }
        self.last_char = letter;
        if !letter.is_whitespace() {
            self.last_visible = letter;
        }
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
        let hash_at = &self.hash_at;
        let class = self.table.find_with_stem(key, word.len as usize, |length| hash_at[length]);
        self.found_word(key, class, lead);
    }
}

const A: u64 = hash_step(HASH_START, 'a' as u32);
const I: u64 = hash_step(HASH_START, 'i' as u32);
