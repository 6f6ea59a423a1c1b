//! The line that is being read, and what it turns out to be.

use crate::Counter;

/// Its first visible letters tell what a line is.
const START: usize = 4;

/// A line so far. How long it is follows from where it began.
#[derive(Default)]
pub(super) struct Line {
    /// Letters of the text before it.
    pub(super) began: u32,
    start: [char; START],
    kept: usize,
    indent: u32,
    /// Signs `|` in it.
    pub(super) pipes: u32,
    /// Pairs of signs that only programs have.
    pub(super) code_marks: u32,
}

impl Line {
    pub(super) fn beginning_at(began: u32) -> Self {
        Self { began, ..Self::default() }
    }

    /// More of it tells nothing about how it starts: what is asked for nearly every word.
    #[inline]
    pub(super) const fn has_started(&self) -> bool {
        self.kept == START
    }

    /// Nothing but indentation so far.
    #[inline]
    pub(super) const fn is_blank(&self) -> bool {
        self.kept == 0
    }

    /// Takes a letter that may be one of its first.
    #[inline]
    pub(super) fn starts_with(&mut self, letter: char) {
        if self.is_blank() && (letter == ' ' || letter == '\t') {
            self.indent += 1;
        } else if let Some(slot) = self.start.get_mut(self.kept) {
            *slot = letter;
            self.kept += 1;
        }
    }

    pub(super) const fn is_indented(&self) -> bool {
        self.indent >= 2
    }

    /// It opens or closes a block of code.
    pub(super) fn is_fence(&self) -> bool {
        self.start.starts_with(&['`', '`', '`'])
    }

    /// The kind of line that its start makes it, if that is counted.
    pub(super) fn kind(&self) -> Option<Counter> {
        let [a, b, c, _] = self.start;
        Some(match (a, b) {
            ('`', '`') if c == '`' => Counter::Fences,
            ('-' | '*' | '•', ' ') => Counter::Bullets,
            ('0'..='9', '.' | ')') => Counter::Numbered,
            ('0'..='9', '0'..='9') if matches!(c, '.' | ')') => Counter::Numbered,
            ('A'..='J' | 'a'..='e', '.' | ')' | ':') if c == ' ' => Counter::OptionLines,
            ('(', 'A'..='J' | 'a'..='e') if c == ')' => Counter::OptionLines,
            ('Q' | 'A', ':') => Counter::ShotLines,
            ('I', 'n') if self.start == ['I', 'n', 'p', 'u'] => Counter::ShotLines,
            _ => return None,
        })
    }
}
