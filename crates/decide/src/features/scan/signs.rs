//! Signs and line ends: what they count for, and what they open and close.

use super::Scan;
use super::line::Line;
use crate::{COUNTERS, Counter};

/// What is counted in a pass: what the counters stand for, brackets, and what nobody asks for.
pub(super) const TALLIES: usize = COUNTERS + 2;
/// Where brackets are counted.
pub(super) const BRACKETS: usize = COUNTERS;
const NOTHING: u8 = COUNTERS as u8 + 1;

/// The two tallies that each sign of ASCII counts for wherever it stands.
const COUNTS: [[u8; 2]; 128] = {
    let (mut counts, mut at) = ([[NOTHING; 2]; 128], 0);
    while at < counts.len() {
        counts[at] = match at as u8 {
            b'.' => [Counter::Sentences as u8, NOTHING],
            b'!' => [Counter::Sentences as u8, Counter::Exclaims as u8],
            b'?' => [Counter::Sentences as u8, Counter::Questions as u8],
            b'+' | b'*' | b'/' | b'^' | b'<' | b'>' | b'%' => [Counter::MathSigns as u8, NOTHING],
            b'=' => [Counter::MathSigns as u8, Counter::Equals as u8],
            b'$' | b'\\' => [Counter::Latex as u8, NOTHING],
            b'(' => [Counter::Parens as u8, NOTHING],
            b'{' | b'}' | b'[' | b']' => [BRACKETS as u8, NOTHING],
            b';' | b':' => [Counter::Semicolons as u8, NOTHING],
            b'`' => [Counter::InlineCode as u8, NOTHING],
            _ => [NOTHING; 2],
        };
        at += 1;
    }
    counts
};

impl Scan<'_> {
    /// Takes a [sign](super::plain::SIGN); gives its byte. What most signs count for is looked up, without a question which one it is.
    #[inline(never)]
    pub(super) fn take_sign(&mut self, sign: u8) -> usize {
        self.end_word();
        self.chars += 1;
        self.four = self.four.then(u32::from(sign));
        let [first, second] = COUNTS[usize::from(sign % 128)];
        self.tally[usize::from(first)] += 1;
        self.tally[usize::from(second)] += 1;
        if matches!(sign, b'"' | b'@' | b'/' | b'|' | b')' | b'=' | b'>') {
            self.sign_in_context(sign);
        }
        let letter = char::from(sign);
        if !self.line.has_started() {
            self.line.starts_with(letter);
        }
        self.last_char = letter;
        self.last_visible = letter;
        1
    }

    /// Signs that do more than count, or count by what stands before them.
    fn sign_in_context(&mut self, sign: u8) {
        let last = self.last_char;
        match sign {
            b'"' => self.toggle_quote('"', '"'),
            b'@' => self.count_if(Counter::Addresses, last.is_ascii_alphanumeric()),
            b'/' if last == '/' => self.count(Counter::Links),
            b'/' => self.count_if(Counter::Slashes, last.is_alphabetic()),
            b'|' => self.line.pipes += 1,
            b')' => self.line.code_marks += u32::from(last == '('),
            _ => self.line.code_marks += u32::from(matches!(last, '=' | '-' | '+' | '!' | ':')),
        }
    }

    pub(super) fn toggle_quote(&mut self, open: char, close: char) {
        self.count(Counter::Quotes);
        self.quoting.change(self.chars, |quoting| match quoting.quote {
            Some(end) if end == close => quoting.quote = None,
            None if !quoting.fenced => quoting.quote = Some(if open == close { open } else { close }),
            _ => {}
        });
    }

    pub(super) fn single_quote(&mut self) {
        let may_open = self.last_char.is_whitespace() || self.last_char == '(';
        self.quoting.change(self.chars, |quoting| match quoting.quote {
            Some('\'') => quoting.quote = None,
            None if may_open => quoting.quote = Some('\''),
            _ => {}
        });
    }

    pub(super) fn sign(&mut self, letter: char) {
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

    pub(super) fn line_char(&mut self, letter: char) {
        if letter == '\n' {
            return self.end_line(self.chars - 1);
        }
        self.line.starts_with(letter);
    }

    /// An empty line, or a colon at a line's end, ends the opening of an ask, unless it ends a mere greeting.
    pub(super) fn end_lead(&mut self) {
        if self.offset > 12 {
            self.middle.start = 0;
        }
    }

    /// Ends the line, whose last letter is the `end`th of the text.
    pub(super) fn end_line(&mut self, end: u32) {
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
