//! The one pass over the text of an ask.

use super::counter::Counter;
use super::grams::{GramKind, GramSet};
use super::words::{Class, HASH_START, STEMS, Table, hash_step, stem_key, word_key};
use super::{COUNTERS, Features};
use tierway_wire::runs;

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
    letters: u64,
    chars: u32,
    letters_seen: u32,
    word_chars: u32,
    distinct: u32,
    no_vowel: u32,
    capitalised: u32,
    upper: u32,
    digits: u32,
    brackets: u32,
    quoted: u32,
    long_words: u32,
    longest_word: u32,
    common: u32,
    known: u32,
    scripts: [u32; 7],
    previous: u32,
    words: u32,
    fenced: bool,
    quote: Option<char>,
    blank_lines: u32,
    lead_ended: bool,
    tail_from: usize,
    offset: usize,
    read: usize,
    last_char: char,
    last_visible: char,
    han: u32,
}

/// The hash of a word as it was at each length up to the longest stem's; the last place takes all that is longer. Written
/// before it is read, so it is never cleared; beside the [`Word`], which is small enough to be kept in registers.
type HashAt = [u64; *STEMS.end() + 2];

/// The word that is being read.
#[derive(Clone, Copy)]
struct Word {
    hash: u64,
    len: u32,
    upper: u32,
    digits: u32,
    /// Which letters it has, by their last five bits.
    has: u32,
    latin: bool,
    joined: bool,
    inner_upper: bool,
}

const NO_WORD: Word =
    Word { hash: HASH_START, len: 0, upper: 0, digits: 0, has: 0, latin: true, joined: false, inner_upper: false };

/// The letters a, e, i, o, u and y by their last five bits, which no digit or sign of a word shares.
const VOWELS: u32 = 1 << 1 | 1 << 5 | 1 << 9 | 1 << 15 | 1 << 21 | 1 << 25;

impl Word {
    #[inline]
    fn grow(&mut self, letter: u32, hash_at: &mut HashAt) {
        self.hash = hash_step(self.hash, letter);
        self.len += 1;
        self.has |= if letter > 0x7f { VOWELS } else { 1 << (letter & 31) };
        hash_at[(self.len as usize).min(*STEMS.end() + 1)] = self.hash;
    }

    const fn has_vowel(&self) -> bool {
        self.has & VOWELS != 0
    }

    /// Keys of its first seven to four letters, as far as it has them.
    fn stems(&self, hash_at: HashAt) -> impl Iterator<Item = u32> {
        STEMS.rev().filter(|length| *length <= self.len as usize).map(move |length| stem_key(hash_at[length]))
    }
}

/// The line that is being read.
#[derive(Default)]
struct Line {
    start: [char; 4],
    visible: u32,
    indent: u32,
    chars: u32,
    pipes: u32,
    code_marks: u32,
}

impl Line {
    /// Keeps a letter that is one of its first.
    #[inline]
    fn begins_with(&mut self, letter: char) {
        if let Some(slot) = self.start.get_mut(self.visible as usize) {
            *slot = letter;
        }
    }
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
            hash_at: [0; *STEMS.end() + 2],
            line: Line::default(),
            letters: 0,
            chars: 0,
            letters_seen: 0,
            word_chars: 0,
            distinct: 0,
            no_vowel: 0,
            capitalised: 0,
            upper: 0,
            digits: 0,
            brackets: 0,
            quoted: 0,
            long_words: 0,
            longest_word: 0,
            common: 0,
            known: 0,
            scripts: [0; 7],
            previous: 0,
            words: 0,
            fenced: false,
            quote: None,
            blank_lines: 0,
            lead_ended: false,
            tail_from,
            offset: 0,
            read: 0,
            last_char: '\n',
            last_visible: '\n',
            han: 0,
        }
    }

    /// Reads text around the ask (instructions, the ask before this one) for what it asks for, and nothing else.
    /// To be called before the ask itself is read.
    pub(super) fn read_context(&mut self, text: &str) {
        let mut side = Scan::new(&[text], text.len(), self.grams);
        side.read(0, text);
        side.end_word();
        let said = side.tally;
        for counter in Counter::ALL.iter().filter_map(|counter| lead_of(*counter)) {
            self.tally[counter as usize] += said[counter as usize];
        }
        self.grams.keep_leads();
    }

    #[inline]
    fn count(&mut self, counter: Counter) {
        self.tally[counter as usize] += 1;
    }

    fn is_lead(&self) -> bool {
        let head = !self.lead_ended && self.offset < LEAD_HEAD;
        (head || self.offset >= self.tail_from) && !self.fenced && self.quote.is_none()
    }

    /// Reads one stretch that starts `offset` bytes into the ask.
    pub(super) fn read(&mut self, offset: usize, text: &str) {
        if offset != self.offset || self.last_char != '\n' {
            self.end_word();
            self.last_char = ' ';
        }
        let mut rest = text;
        loop {
            rest = self.take_letters(rest);
            self.offset = offset + text.len() - rest.len();
            // What most words end with, without asking what else it could be.
            if let Some(after) = rest.strip_prefix(' ') {
                self.take_space();
                rest = after;
                continue;
            }
            let mut letters = rest.chars();
            let Some(letter) = letters.next() else { break };
            self.take(letter);
            rest = letters.as_str();
        }
        self.offset = offset + text.len();
        self.read += text.len();
    }

    /// Takes the letters a to z at the start of a text, of which most texts consist, all at once: they only make a word
    /// and a line longer. Gives what follows them.
    #[inline]
    fn take_letters<'t>(&mut self, text: &'t str) -> &'t str {
        let length = runs::small_letters(text.as_bytes());
        let (letters, rest) = text.split_at(length);
        let Some(last) = letters.bytes().next_back() else { return text };
        let count = length as u32;
        self.chars += count;
        self.quoted += if self.fenced || self.quote.is_some() { count } else { 0 };
        self.letters_seen += count;
        self.han = 0;
        let (mut word, mut last_four) = (self.word, self.letters);
        for letter in letters.bytes() {
            word.grow(u32::from(letter), &mut self.hash_at);
            last_four = last_four << 16 | u64::from(letter);
            self.grams.add_letters(letters_hash(last_four), u64::from(word.len >= 2));
        }
        (self.word, self.letters) = (word, last_four);
        let line = &mut self.line;
        if (line.visible as usize) < line.start.len() {
            let open = line.start.iter_mut().skip(line.visible as usize);
            open.zip(letters.chars()).for_each(|(slot, letter)| *slot = letter);
        }
        line.chars += count;
        line.visible += count;
        self.last_char = char::from(last);
        self.last_visible = self.last_char;
        rest
    }

    #[inline]
    fn take_space(&mut self) {
        self.end_word();
        self.chars += 1;
        self.quoted += u32::from(self.fenced || self.quote.is_some());
        self.letters = self.letters << 16 | ' ' as u64;
        self.line.chars += 1;
        if self.line.visible == 0 {
            self.line.indent += 1;
        } else {
            self.line.begins_with(' ');
            self.line.visible += 1;
        }
        self.last_char = ' ';
    }

    #[inline]
    fn take(&mut self, letter: char) {
        self.chars += 1;
        self.quoted += u32::from(self.fenced || self.quote.is_some());
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
                self.upper += 1;
                self.word.upper += 1;
                self.word.inner_upper |= self.word.len > 0 && self.last_char.is_ascii_lowercase();
                self.grow_word(letter.to_ascii_lowercase() as u32);
            }
            '0'..='9' => {
                self.digits += 1;
                self.word.digits += 1;
                // small numbers keep their value, of longer ones the first digits and the length are kept
                self.grow_word(if self.word.len < 2 { letter as u32 } else { '0' as u32 });
            }
            '_' => {
                self.word.joined = true;
                self.grow_word('_' as u32);
            }
            '\'' if self.word.len > 0 && self.quote != Some('\'') => self.grow_word('\'' as u32),
            _ => {
                self.end_word();
                self.punctuation(letter);
            }
        }
        self.line_char(letter);
    }

    fn punctuation(&mut self, letter: char) {
        if letter.is_ascii_whitespace() {
            self.letters = self.letters << 16 | ' ' as u64;
            return;
        }
        self.letters = self.letters << 16 | letter as u64;
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
        match self.quote {
            Some(end) if end == close => self.quote = None,
            None if !self.fenced => self.quote = Some(if open == close { open } else { close }),
            _ => {}
        }
    }

    fn single_quote(&mut self) {
        match self.quote {
            Some('\'') => self.quote = None,
            None if self.last_char.is_whitespace() || self.last_char == '(' => self.quote = Some('\''),
            _ => {}
        }
    }

    fn take_other(&mut self, letter: char) {
        let script = script_of(letter);
        match script {
            Script::Latin | Script::Cyrillic | Script::Arabic | Script::Indic | Script::Other => {
                self.scripts[script as usize] += 1;
                self.word.latin &= matches!(script, Script::Latin);
                let lower = letter.to_lowercase().next().unwrap_or(letter);
                self.upper += u32::from(lower != letter);
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
        self.letters = self.letters << 16 | letter as u64 & 0xffff;
        self.han = letter as u32;
        self.previous = 0;
    }

    fn sign(&mut self, letter: char) {
        self.letters = self.letters << 16 | letter as u64 & 0xffff;
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

    #[inline]
    fn grow_word(&mut self, letter: u32) {
        self.han = 0;
        self.word.grow(letter, &mut self.hash_at);
        self.letters = self.letters << 16 | u64::from(letter & 0xffff);
        self.letters_seen += 1;
        self.grams.add_letters(letters_hash(self.letters), u64::from(self.word.len >= 2));
    }

    fn end_word(&mut self) {
        if self.word.len == 0 {
            return;
        }
        let lead = self.is_lead();
        let word = self.word;
        self.word = NO_WORD;
        self.words += 1;
        self.word_chars += word.len;
        self.long_words += u32::from(word.len >= 8);
        self.longest_word = self.longest_word.max(word.len);
        if word.digits == word.len {
            self.count(Counter::Numbers);
            self.tally[Counter::LongNumbers as usize] += u32::from(word.len >= 4);
        } else {
            self.no_vowel += u32::from(!word.has_vowel() && word.len >= 3 && word.latin && word.digits == 0);
            self.capitalised += u32::from(word.upper == 1);
            self.tally[Counter::Shouted as usize] += u32::from(word.upper >= 2 && word.upper == word.len);
            let identifier = word.joined || word.inner_upper || (word.digits > 0 && word.digits < word.len);
            self.tally[Counter::Identifiers as usize] += u32::from(identifier);
            self.tally[Counter::Variables as usize] +=
                u32::from(word.len == 1 && word.latin && word.hash != A && word.hash != I);
        }
        let key = word_key(word.hash);
        let table = self.table;
        let class = table.find(key).or_else(|| word.stems(self.hash_at).find_map(|stem| table.find(stem)));
        self.found_word(key, class, lead);
    }

    #[inline]
    fn found_word(&mut self, key: u32, class: Option<Class>, lead: bool) {
        match class {
            Some(Class::Ignored) => return self.common += 1,
            Some(Class::Common) => self.common += 1,
            Some(Class::Counts(counter)) => {
                self.known += 1;
                self.count(counter);
                if lead && let Some(lead) = lead_of(counter) {
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

    #[inline]
    fn line_char(&mut self, letter: char) {
        if letter == '\n' {
            return self.end_line();
        }
        let line = &mut self.line;
        line.chars += 1;
        if line.visible == 0 && (letter == ' ' || letter == '\t') {
            line.indent += 1;
            return;
        }
        line.begins_with(letter);
        line.visible += 1;
        match letter {
            '|' => line.pipes += 1,
            ')' if self.last_char == '(' => line.code_marks += 1,
            '=' | '>' if matches!(self.last_char, '=' | '-' | '+' | '!' | ':') => line.code_marks += 1,
            _ => {}
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.count(Counter::Lines);
        let longest = &mut self.tally[Counter::LongestLine as usize];
        *longest = (*longest).max(line.chars);
        self.previous = 0;
        if line.visible == 0 {
            self.blank_lines += 1;
            self.count(Counter::Paragraphs);
            self.lead_ended |= self.offset > 12;
            self.quote = self.quote.filter(|quote| !matches!(quote, '"' | '\''));
            return;
        }
        self.quote = self.quote.filter(|quote| *quote != '\'');
        self.lead_ended |= self.last_visible == ':' && self.offset > 12;
        let [a, b, c, _] = line.start;
        match (a, b) {
            ('`', '`') if c == '`' => {
                self.count(Counter::Fences);
                self.fenced = !self.fenced;
            }
            ('-' | '*' | '•', ' ') => self.count(Counter::Bullets),
            ('0'..='9', '.' | ')') => self.count(Counter::Numbered),
            ('0'..='9', '0'..='9') if matches!(c, '.' | ')') => self.count(Counter::Numbered),
            ('A'..='J' | 'a'..='e', '.' | ')' | ':') if c == ' ' => self.count(Counter::OptionLines),
            ('(', 'A'..='J' | 'a'..='e') if c == ')' => self.count(Counter::OptionLines),
            ('Q' | 'A', ':') => self.count(Counter::ShotLines),
            ('I', 'n') if line.start == ['I', 'n', 'p', 'u'] => self.count(Counter::ShotLines),
            _ => {}
        }
        let ends_code = matches!(self.last_visible, ';' | '{' | '}');
        self.tally[Counter::CodeLines as usize] += u32::from(ends_code || line.code_marks > 0);
        self.tally[Counter::Indented as usize] += u32::from(line.indent >= 2);
        self.tally[Counter::TableRows as usize] += u32::from(line.pipes >= 2);
    }

    /// Ends the pass.
    pub(super) fn finish(mut self, bytes: usize) -> Features {
        self.end_word();
        if self.line.visible > 0 {
            self.end_line();
        }
        let mut features = Features { grams: self.grams.kept(), ..Features::default() };
        for (counter, tally) in Counter::ALL.iter().zip(self.tally).filter(|(_, tally)| *tally > 0) {
            features.set(*counter, tally as f32);
        }
        let share = |part: u32, whole: u32| part as f32 / whole.max(1) as f32;
        // what was read of a long ask stands for all of it
        let grown = bytes as f32 / self.read.max(1) as f32;
        let [latin, cyrillic, arabic, indic, other, han, kana] = self.scripts;
        let visible = self.letters_seen + han + kana;
        for (counter, raw) in [
            (Counter::Words, self.words as f32 * grown.max(1.0)),
            (Counter::WordLength, share(self.word_chars, self.words)),
            (Counter::LongWords, share(self.long_words, self.words)),
            (Counter::LongestWord, self.longest_word as f32),
            (Counter::Distinct, share(self.distinct, self.words)),
            (Counter::NoVowel, share(self.no_vowel, self.words)),
            (Counter::Capitalised, share(self.capitalised, self.words)),
            (Counter::Common, share(self.common, self.words)),
            (Counter::Known, share(self.known, self.words)),
            (Counter::Uppercase, share(self.upper, visible)),
            (Counter::Digits, share(self.digits, self.chars)),
            (Counter::Brackets, share(self.brackets, self.chars)),
            (Counter::QuotedShare, share(self.quoted, self.chars)),
            (Counter::NonAscii, share(latin + cyrillic + arabic + indic + other + han + kana, visible)),
            (Counter::Han, share(han, visible)),
            (Counter::Kana, share(kana, visible)),
            (Counter::Cyrillic, share(cyrillic, visible)),
            (Counter::Arabic, share(arabic, visible)),
            (Counter::Indic, share(indic, visible)),
            (Counter::OtherScript, share(other, visible)),
            (Counter::EndsAsking, f32::from(u8::from(matches!(self.last_visible, '?' | '？' | '؟')))),
        ] {
            features.set(counter, raw);
        }
        features
    }
}

/// The hash of four letters, 16 bits each.
#[inline]
const fn letters_hash(letters: u64) -> u64 {
    (letters ^ (letters >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Where the last two line ends in a row begin.
fn last_empty_line(text: &[u8]) -> Option<usize> {
    memchr::memrchr_iter(b'\n', text).filter_map(|at| at.checked_sub(1)).find(|at| text[*at] == b'\n')
}

const A: u64 = hash_step(HASH_START, 'a' as u32);
const I: u64 = hash_step(HASH_START, 'i' as u32);

#[derive(Clone, Copy)]
enum Script {
    Latin = 0,
    Cyrillic = 1,
    Arabic = 2,
    Indic = 3,
    Other = 4,
    Han = 5,
    Kana = 6,
    Sign,
}

fn script_of(letter: char) -> Script {
    match letter as u32 {
        0xd7 | 0xf7 => Script::Sign,
        0xc0..=0x24f | 0x1e00..=0x1eff | 0x300..=0x36f => Script::Latin,
        0x400..=0x52f => Script::Cyrillic,
        0x60c | 0x61b | 0x61f | 0x964 | 0x965 => Script::Sign,
        0x590..=0x77f | 0xfb1d..=0xfeff => Script::Arabic,
        0x900..=0xdff => Script::Indic,
        0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff => Script::Han,
        0x3041..=0x30fa | 0x30fc..=0x31ff | 0x1100..=0x11ff | 0xac00..=0xd7af => Script::Kana,
        _ if letter.is_alphanumeric() => Script::Other,
        _ => Script::Sign,
    }
}

const fn lead_of(counter: Counter) -> Option<Counter> {
    Some(match counter {
        Counter::Fact => Counter::LeadFact,
        Counter::What => Counter::LeadWhat,
        Counter::How => Counter::LeadHow,
        Counter::Why => Counter::LeadWhy,
        Counter::Summarise => Counter::LeadSummarise,
        Counter::Extract => Counter::LeadExtract,
        Counter::Classify => Counter::LeadClassify,
        Counter::Translate => Counter::LeadTranslate,
        Counter::Compose => Counter::LeadCompose,
        Counter::Prose => Counter::LeadProse,
        Counter::Rework => Counter::LeadRework,
        Counter::Code => Counter::LeadCode,
        Counter::ProgLang => Counter::LeadProgLang,
        Counter::Bug => Counter::LeadBug,
        Counter::NatLang => Counter::LeadNatLang,
        Counter::MathVerb => Counter::LeadMathVerb,
        Counter::MathNoun => Counter::LeadMathNoun,
        Counter::Rigor => Counter::LeadRigor,
        Counter::Compare => Counter::LeadCompare,
        Counter::Plan => Counter::LeadPlan,
        Counter::Brief => Counter::LeadBrief,
        Counter::Format => Counter::LeadFormat,
        Counter::Greeting => Counter::LeadGreeting,
        Counter::Persona => Counter::LeadPersona,
        Counter::You => Counter::LeadYou,
        Counter::Command => Counter::LeadCommand,
        Counter::Either => Counter::LeadEither,
        _ => return None,
    })
}
