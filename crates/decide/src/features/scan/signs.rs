//! Signs and line ends: what they count for, and what they open and close.

use super::Scan;
use super::line::Line;
use crate::Counter;

impl Scan<'_> {
    pub(super) fn punctuation(&mut self, letter: char) {
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
        match letter {
            '|' => self.line.pipes += 1,
            ')' if self.last_char == '(' => self.line.code_marks += 1,
            '=' | '>' if matches!(self.last_char, '=' | '-' | '+' | '!' | ':') => self.line.code_marks += 1,
            _ => {}
        }
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
