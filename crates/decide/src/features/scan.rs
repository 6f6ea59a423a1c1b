//! The one pass over the text of an ask.
//!
//! Most of most texts is plain words with a space behind them: those have a way of their own, with a few steps for each
//! letter and none of the questions that other letters raise. What every letter would have to add one to (letters in
//! quotation, in a line) is told from where it began and ended.

mod line;
mod plain;
mod quoting;
mod script;
mod shares;
mod word;

use super::COUNTERS;
use super::counter::Counter;
use super::grams::{GramKind, GramSet};
use super::words::{Class, HASH_START, STEMS, Table, hash_letters, hash_step, word_key};
use line::Line;
use quoting::Quoting;
use script::Script;
use std::ops::Range;
use tierway_wire::runs;
use word::{HashAt, NO_WORD, Word};

/// The opening of an ask in which its instruction is expected, in bytes.
const LEAD_HEAD: usize = 240;
/// The end of an ask in which its instruction may also stand.
const LEAD_TAIL: usize = 160;
/// A last paragraph up to this size is an instruction of its own.
const LAST_PARAGRAPH: usize = 300;

/// State of the pass. Everything is in place: no allocation until [`Scan::finish`].
pub(super) struct Scan<'g> {
    table: &'static Table,
    tally: [u32; COUNTERS],
    grams: &'g mut GramSet,
    word: Word,
    hash_at: HashAt,
    line: Line,
    quoting: Quoting,
    four: FourLetters,
    chars: u32,
    syllables: u32,
    word_chars: u32,
    distinct: u32,
    no_vowel: u32,
    capitalised: u32,
    upper: u32,
    /// Plain words that begin with a capital: both of the former.
    plain_capitals: u32,
    digits: u32,
    brackets: u32,
    long_words: u32,
    longest_word: u32,
    common: u32,
    known: u32,
    scripts: [u32; Script::LETTERS],
    previous: u32,
    words: u32,
    /// From where its opening ends to where its last paragraph begins, an ask is not expected to say what it wants.
    middle: Range<usize>,
    offset: usize,
    read: usize,
    last_char: char,
    last_visible: char,
    han: u32,
}

impl<'g> Scan<'g> {
    /// `pieces` and `bytes` are the whole ask; it is then [read](Self::read) in stretches. N-grams go into `grams`.
    pub(super) fn new(pieces: &[&str], bytes: usize, grams: &'g mut GramSet) -> Self {
        let last = pieces.last().copied().unwrap_or_default();
        let start = last.ceil_char_boundary(last.len().saturating_sub(LAST_PARAGRAPH));
        let paragraph = last_empty_line(&last.as_bytes()[start..]).map(|at| bytes - last.len() + start + at);
        let tail_from = paragraph.unwrap_or_else(|| bytes.saturating_sub(LEAD_TAIL));
        Self {
            table: Table::get(),
            tally: [0; COUNTERS],
            grams,
            word: NO_WORD,
            hash_at: [0; _],
            line: Line::default(),
            quoting: Quoting::default(),
            four: FourLetters(0),
            chars: 0,
            syllables: 0,
            word_chars: 0,
            distinct: 0,
            no_vowel: 0,
            capitalised: 0,
            upper: 0,
            plain_capitals: 0,
            digits: 0,
            brackets: 0,
            long_words: 0,
            longest_word: 0,
            common: 0,
            known: 0,
            scripts: [0; _],
            previous: 0,
            words: 0,
            middle: LEAD_HEAD..tail_from,
            offset: 0,
            read: 0,
            last_char: '\n',
            last_visible: '\n',
            han: 0,
        }
    }

    /// Reads text around the ask (instructions, the ask before this one) for what it asks for, and nothing else.
    pub(super) fn read_context(&mut self, text: &str) {
        self.grams.leads_only(true);
        let mut side = Scan::new(&[text], text.len(), self.grams);
        side.read(0, text);
        side.end_word();
        let said = side.tally;
        for lead in Counter::LEADS {
            self.tally[lead] += said[lead];
        }
        self.grams.leads_only(false);
    }

    #[inline]
    fn count(&mut self, counter: Counter) {
        self.tally[counter as usize] += 1;
    }

    fn count_if(&mut self, counter: Counter, really: bool) {
        self.tally[counter as usize] += u32::from(really);
    }

    #[inline]
    fn is_lead(&self) -> bool {
        !self.middle.contains(&self.offset) && !self.quoting.is_open()
    }

    /// Reads one stretch that starts `offset` bytes into the ask.
    pub(super) fn read(&mut self, offset: usize, text: &str) {
        if offset != self.offset || self.last_char != '\n' {
            self.end_word();
            self.last_char = ' ';
        }
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            self.offset = offset + at;
            at += if self.word.len == 0 && plain::is_letter(*byte) {
                self.take_plain(&bytes[at..])
            } else {
                self.take_next(&text[at..])
            };
        }
        self.offset = offset + text.len();
        self.read += text.len();
    }

    /// Takes the letters that a word begins with: small ones, the first of them perhaps large, and the space behind them.
    /// Gives the bytes of it. Each letter is looked at once, for all that it may tell; most words are over then.
    #[inline]
    fn take_plain(&mut self, text: &[u8]) -> usize {
        let Some((&first, others)) = text.split_first() else { return 0 };
        let letter = u32::from(plain::lower(first));
        let (mut seen, mut hash, mut four) =
            (plain::class(first), hash_step(HASH_START, letter), self.four.then(letter));
        let (mut len, mut last) = (1, first);
        for &letter in others {
            let class = plain::class(letter);
            if class & plain::SMALL == 0 {
                break;
            }
            seen |= class;
            hash = hash_step(hash, u32::from(letter));
            four = four.then(u32::from(letter));
            self.grams.add_letters(four.hash());
            last = letter;
            len += 1;
        }
        self.four = four;
        self.offset += len;
        let letters = &text[..len];
        self.pass(letters, last);
        match text.get(len) {
            Some(&next) if plain::class(next) & plain::IN_WORDS != 0 => {
                self.word = Word::of(letters, &mut self.hash_at);
            }
            next => {
                self.end_plain_word(letters, hash, seen);
                if next == Some(&b' ') {
                    self.take_space();
                    len += 1;
                }
            }
        }
        len
    }

    /// Takes whatever a text begins with: the rest of a run of small letters, or one letter. Gives its bytes. Kept out of
    /// the way of plain words, whose loop needs all registers.
    #[inline(never)]
    fn take_next(&mut self, text: &str) -> usize {
        if text.starts_with(|first: char| first.is_ascii_lowercase()) {
            let run = runs::small_letters(text.as_bytes());
            self.take_letters(&text.as_bytes()[..run]);
            return run;
        }
        let Some(letter) = text.chars().next() else { return 0 };
        match letter {
            ' ' => {
                self.end_word();
                self.take_space();
            }
            _ => self.take(letter),
        }
        letter.len_utf8()
    }

    /// What plain letters do whatever word they stand in, the last one of them given: the text and its line go on.
    #[inline]
    fn pass(&mut self, letters: &[u8], last: u8) {
        self.chars += letters.len() as u32;
        if !self.line.has_started() {
            letters.iter().take(4).for_each(|letter| self.line.starts_with(char::from(*letter)));
        }
        self.han = 0;
        self.last_char = char::from(last);
        self.last_visible = self.last_char;
    }

    /// Ends a word of plain letters, in which these classes of letters were seen.
    #[inline(always)]
    fn end_plain_word(&mut self, letters: &[u8], hash: u64, seen: u8) {
        let lead = self.is_lead();
        self.count_word(letters.len() as u32);
        self.plain_capitals += u32::from(seen & plain::CAPITAL != 0);
        match letters {
            [one] => self.count_if(Counter::Variables, !matches!(one, b'a' | b'A' | b'i' | b'I')),
            [_, _] => {}
            _ => self.no_vowel += u32::from(seen & plain::VOWEL == 0),
        }
        let begins = |length| hash_letters(letters.iter().take(length).map(|letter| plain::lower(*letter)));
        let key = word_key(hash);
        let class = match self.table.find(key) {
            None if letters.len() >= *STEMS.start() => self.table.find_stem(letters.len(), begins),
            found => found,
        };
        self.found_word(key, class, lead);
    }

    /// Takes small letters that make a word longer.
    fn take_letters(&mut self, letters: &[u8]) {
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

    /// Takes a space where no word is open.
    #[inline]
    fn take_space(&mut self) {
        self.chars += 1;
        self.four = self.four.then(' ' as u32);
        if !self.line.has_started() {
            self.line.starts_with(' ');
        }
        self.last_char = ' ';
    }

    fn take(&mut self, letter: char) {
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
    fn take_ascii(&mut self, letter: char) {
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

    fn punctuation(&mut self, letter: char) {
        if letter.is_ascii_whitespace() {
            self.four = self.four.then(' ' as u32);
            return;
        }
        self.four = self.four.then(letter as u32);
        match letter {
            '.' | '!' | '?' => {
                self.count(Counter::Sentences);
                match letter {
                    '?' => self.count(Counter::Questions),
                    '!' => self.count(Counter::Exclaims),
                    _ => {}
                }
            }
            '+' | '*' | '/' | '^' | '<' | '>' | '%' => self.count(Counter::MathSigns),
            '=' => {
                self.count(Counter::MathSigns);
                self.count(Counter::Equals);
            }
            '$' | '\\' => self.count(Counter::Latex),
            '(' => self.count(Counter::Parens),
            '{' | '}' | '[' | ']' => self.brackets += 1,
            ';' | ':' => self.count(Counter::Semicolons),
            '"' => self.toggle_quote('"', '"'),
            '\'' => self.single_quote(),
            '`' => self.count(Counter::InlineCode),
            '@' if self.last_char.is_ascii_alphanumeric() => self.count(Counter::Addresses),
            _ => {}
        }
        if letter == '/' {
            match self.last_char {
                '/' => self.count(Counter::Links),
                last if last.is_alphabetic() => self.count(Counter::Slashes),
                _ => {}
            }
        }
    }

    fn toggle_quote(&mut self, open: char, close: char) {
        self.count(Counter::Quotes);
        self.quoting.change(self.chars, |quoting| match quoting.quote {
            Some(end) if end == close => quoting.quote = None,
            None if !quoting.fenced => quoting.quote = Some(if open == close { open } else { close }),
            _ => {}
        });
    }

    fn single_quote(&mut self) {
        let may_open = self.last_char.is_whitespace() || self.last_char == '(';
        self.quoting.change(self.chars, |quoting| match quoting.quote {
            Some('\'') => quoting.quote = None,
            None if may_open => quoting.quote = Some('\''),
            _ => {}
        });
    }

    fn take_other(&mut self, letter: char) {
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
    fn take_syllable(&mut self, letter: char) {
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

    fn sign(&mut self, letter: char) {
        self.four = self.four.then(letter as u32);
        self.han = 0;
        match letter {
            '。' | '？' | '！' | '؟' | '।' => {
                self.count(Counter::Sentences);
                if matches!(letter, '？' | '؟') {
                    self.count(Counter::Questions);
                }
            }
            '“' | '„' | '”' => self.toggle_quote('“', if letter == '„' { '“' } else { '”' }),
            '«' | '»' => self.toggle_quote('«', '»'),
            '「' | '」' => self.toggle_quote('「', '」'),
            '\u{2200}'..='\u{22ff}' | '×' | '÷' | '²' | '³' | '·' | '±' => self.count(Counter::MathSigns),
            '•' => self.count(Counter::Bullets),
            _ => {}
        }
    }

    fn grow_word(&mut self, letter: u32) {
        self.han = 0;
        self.word.grow(letter, &mut self.hash_at);
        self.four = self.four.then(letter);
        if self.word.len > 1 {
            self.grams.add_letters(self.four.hash());
        }
    }

    #[inline]
    fn count_word(&mut self, len: u32) {
        self.words += 1;
        self.word_chars += len;
        self.long_words += u32::from(len >= 8);
        self.longest_word = self.longest_word.max(len);
    }

    fn end_word(&mut self) {
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
        let class = table.find(key).or_else(|| table.find_stem(word.len as usize, |length| hash_at[length]));
        self.found_word(key, class, lead);
    }

    #[inline(always)]
    fn found_word(&mut self, key: u32, class: Option<Class>, lead: bool) {
        match class {
            Some(Class::Ignored) => return self.common += 1,
            Some(Class::Common) => self.common += 1,
            Some(Class::Counts(counter)) => {
                self.known += 1;
                self.count(counter);
                if lead && let Some(lead) = counter.lead() {
                    self.count(lead);
                }
                if self.words <= 1 && matches!(counter, Counter::Fact | Counter::What | Counter::How | Counter::Why) {
                    self.tally[Counter::OpensAsking as usize] = 1;
                }
            }
            None => {}
        }
        self.distinct += u32::from(self.grams.add(GramKind::Word, key));
        if lead {
            self.grams.add(GramKind::Lead, key);
        }
        if self.previous != 0 {
            let pair = (u64::from(self.previous) << 32 | u64::from(key)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            self.grams.add(GramKind::Pair, (pair >> 32) as u32);
        }
        self.previous = key;
    }

    fn line_char(&mut self, letter: char) {
        if letter == '\n' {
            return self.end_line(self.chars - 1);
        }
        self.line.starts_with(letter);
        match letter {
            '|' => self.line.pipes += 1,
            ')' if self.last_char == '(' => self.line.code_marks += 1,
            '=' | '>' if matches!(self.last_char, '=' | '-' | '+' | '!' | ':') => self.line.code_marks += 1,
            _ => {}
        }
    }

    /// An empty line, or a colon at a line's end, ends the opening of an ask, unless it ends a mere greeting.
    fn end_lead(&mut self) {
        if self.offset > 12 {
            self.middle.start = 0;
        }
    }

    /// Ends the line, whose last letter is the `end`th of the text.
    fn end_line(&mut self, end: u32) {
        let line = std::mem::replace(&mut self.line, Line::beginning_at(self.chars));
        self.count(Counter::Lines);
        let longest = &mut self.tally[Counter::LongestLine as usize];
        *longest = (*longest).max(end - line.began);
        self.previous = 0;
        if line.is_blank() {
            self.count(Counter::Paragraphs);
            self.end_lead();
            self.quoting
                .change(self.chars, |quoting| quoting.quote = quoting.quote.filter(|end| !matches!(end, '"' | '\'')));
            return;
        }
        if self.last_visible == ':' {
            self.end_lead();
        }
        self.quoting.change(self.chars, |quoting| {
            quoting.quote = quoting.quote.filter(|end| *end != '\'');
            quoting.fenced ^= line.is_fence();
        });
        if let Some(kind) = line.kind() {
            self.count(kind);
        }
        let ends_code = matches!(self.last_visible, ';' | '{' | '}');
        self.count_if(Counter::CodeLines, ends_code || line.code_marks > 0);
        self.count_if(Counter::Indented, line.is_indented());
        self.count_if(Counter::TableRows, line.pipes >= 2);
    }
}

/// The last four letters that were read, 16 bits each.
#[derive(Clone, Copy)]
struct FourLetters(u64);

impl FourLetters {
    #[inline]
    const fn then(self, letter: u32) -> Self {
        Self(self.0 << 16 | (letter & 0xffff) as u64)
    }

    #[inline]
    const fn hash(self) -> u64 {
        (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Where the last two line ends in a row begin.
fn last_empty_line(text: &[u8]) -> Option<usize> {
    memchr::memrchr_iter(b'\n', text).filter_map(|at| at.checked_sub(1)).find(|at| text[*at] == b'\n')
}

const A: u64 = hash_step(HASH_START, 'a' as u32);
const I: u64 = hash_step(HASH_START, 'i' as u32);
