//! The one pass over the text of an ask.
//!
//! Most of most texts is plain words with a space behind them: those have a way of their own, with a few steps for each
//! letter and none of the questions that other letters raise. What every letter would have to add one to (letters in
//! quotation, in a line) is told from where it began and ended.

mod letters;
mod line;
mod plain;
mod quoting;
mod script;
mod shares;
mod signs;
mod word;

use super::counter::Counter;
use super::grams::{GramKind, GramSet};
use super::words::{Class, HASH_START, Table, hash_step, word_key};
use line::Line;
use quoting::Quoting;
use script::Script;
use std::ops::Range;
use word::{HashAt, NO_WORD, Word};

/// The opening of an ask in which its instruction is expected, in bytes.
const LEAD_HEAD: usize = 240;
/// The end of an ask in which its instruction may also stand.
const LEAD_TAIL: usize = 160;
/// A last paragraph up to this size is an instruction of its own.
const LAST_PARAGRAPH: usize = 300;

/// What a word of the ask itself adds to the count of those: no text of which so much is read has more words than half of a
/// number can tell.
const SAID_IN_LEAD: u32 = 1 << 16;

/// State of the pass. Everything is in place: no allocation until [`Scan::finish`].
pub(super) struct Scan<'g> {
    table: &'static Table,
    tally: [u32; signs::TALLIES],
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
    long_words: u32,
    longest_word: u32,
    /// Words by what they say; those of them that are the ask itself once more, [further up](SAID_IN_LEAD).
    said: [u32; Class::COUNT],
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
            tally: [0; _],
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
            long_words: 0,
            longest_word: 0,
            said: [0; _],
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
        let said = side.said;
        self.said.iter_mut().zip(said).for_each(|(all, said)| *all += said - said % SAID_IN_LEAD);
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
        while let Some(&byte) = bytes.get(at) {
            self.offset = offset + at;
            at += match plain::class(byte) {
                class if class & plain::LETTER != 0 && self.word.len == 0 => self.take_words(&bytes[at..]),
                class if class & plain::IN_NAMES != 0 => self.take_name(&bytes[at..]),
                class if class & plain::SIGN != 0 => self.take_sign(byte),
                _ if byte == b' ' => self.end_with_space(),
                _ => self.take_next(&text[at..]),
            };
        }
        self.offset = offset + text.len();
        self.read += text.len();
    }

    /// Takes plain words one after the other, each with the space behind it: small letters, the first of them perhaps large.
    /// Gives the bytes of them. Each letter is looked at once, for all that it may tell; most words are over then.
    #[inline]
    fn take_words(&mut self, text: &[u8]) -> usize {
        let (start, mut four, mut at) = (self.offset, self.four, 0);
        let (letters, is_over) = loop {
            let word = PlainWord::of(&text[at..], &mut four, self.grams);
            let (letters, behind) = text[at..].split_at(word.len);
            let next = behind.first().copied().unwrap_or_default();
            if plain::class(next) & plain::IN_WORDS != 0 {
                at += word.len;
                break (letters, false);
            }
            self.offset = start + at + word.len;
            self.end_plain_word(&word, &text[at..]);
            at += word.len;
            if next != b' ' {
                break (letters, true);
            }
            four = four.then(' ' as u32);
            at += 1;
            if behind.get(1).is_none_or(|next| plain::class(*next) & plain::LETTER == 0) {
                break (letters, true);
            }
        };
        self.four = four;
        self.pass(&text[..at]);
        self.last_visible = letters.last().map_or(self.last_visible, |last| char::from(*last));
        if !is_over {
            self.word = Word::of(letters, &mut self.hash_at);
        }
        at
    }

    /// Takes one letter that no other way is for. Gives its bytes. Kept out of the way of plain words, whose loop needs all
    /// registers.
    #[inline(never)]
    fn take_next(&mut self, text: &str) -> usize {
        let Some(letter) = text.chars().next() else { return 0 };
        self.take(letter);
        letter.len_utf8()
    }

    /// Takes a space where a word may be open; gives its byte.
    fn end_with_space(&mut self) -> usize {
        self.end_word();
        self.take_space();
        1
    }

    /// What letters, digits, low lines and the spaces between them do whatever word they stand in: the text and its line go
    /// on.
    #[inline]
    fn pass(&mut self, letters: &[u8]) {
        let Some(&last) = letters.last() else { return };
        self.chars += letters.len() as u32;
        if !self.line.has_started() {
            letters.iter().take(4).for_each(|letter| self.line.starts_with(char::from(*letter)));
        }
        self.han = 0;
        self.last_char = char::from(last);
        self.last_visible = self.last_char;
    }

    /// Ends a plain word that this text begins with.
    #[inline(always)]
    fn end_plain_word(&mut self, word: &PlainWord, text: &[u8]) {
        let lead = self.is_lead();
        self.count_word(word.len as u32);
        self.plain_capitals += u32::from(word.seen & plain::CAPITAL != 0);
        let is_article = matches!(text[0], b'a' | b'A' | b'i' | b'I');
        self.count_if(Counter::Variables, (word.len == 1) & !is_article);
        self.no_vowel += u32::from((word.len > 2) & (word.seen & plain::VOWEL == 0));
        let key = word_key(word.hash);
        self.found_word(key, self.table.find_plain(key, word.len, text), lead);
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

    #[inline]
    fn count_word(&mut self, len: u32) {
        self.words += 1;
        self.word_chars += len;
        self.long_words += u32::from(len >= 8);
        self.longest_word = self.longest_word.max(len);
    }

    /// What every word tells, the same way for all of them: what the next one says can hardly be guessed.
    #[inline(always)]
    fn found_word(&mut self, key: u32, class: Class, lead: bool) {
        self.said[class.index()] += 1 + SAID_IN_LEAD * u32::from(lead);
        if self.words <= 1 {
            let asks = [Counter::Fact, Counter::What, Counter::How, Counter::Why];
            let opens = class.counter().is_some_and(|counter| asks.contains(&counter));
            self.tally[Counter::OpensAsking as usize] |= u32::from(opens);
        }
        // a word that must not move a decision leaves no n-gram, and stands between no others
        let shows = class != Class::IGNORED;
        self.distinct += u32::from(self.grams.add(GramKind::Word, key, shows));
        self.grams.add(GramKind::Lead, key, shows & lead);
        let pair = (u64::from(self.previous) << 32 | u64::from(key)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        self.grams.add(GramKind::Pair, (pair >> 32) as u32, shows & (self.previous != 0));
        self.previous = if shows { key } else { self.previous };
    }
}

/// A word of letters a to z, of which only the first may be a capital.
struct PlainWord {
    len: usize,
    hash: u64,
    /// The classes of all its letters.
    seen: u8,
}

impl PlainWord {
    /// The word that this text begins with, whose letters are entered on the way.
    #[inline(always)]
    fn of(text: &[u8], four: &mut FourLetters, grams: &mut GramSet) -> Self {
        let letter = u32::from(plain::lower(text[0]));
        let mut word = Self { len: 1, hash: hash_step(HASH_START, letter), seen: plain::class(text[0]) };
        *four = four.then(letter);
        for &letter in &text[1..] {
            let class = plain::class(letter);
            if class & plain::SMALL == 0 {
                break;
            }
            word.seen |= class;
            word.hash = hash_step(word.hash, u32::from(letter));
            *four = four.then(u32::from(letter));
            grams.add_letters(four.hash());
            word.len += 1;
        }
        word
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
