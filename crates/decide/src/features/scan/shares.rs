//! The end of the pass: from what was counted to counters of a byte each.

use super::{SAID_IN_LEAD, Scan, signs};
use crate::features::counter::LEADS;
use crate::features::words::Class;
use crate::{COUNTERS, Counter, Features};

impl Scan<'_> {
    /// Ends the pass.
    pub(in crate::features) fn finish(mut self, bytes: usize) -> Features {
        self.end_word();
        if !self.line.is_blank() {
            self.end_line(self.chars);
        }
        for (class, said) in self.said.into_iter().enumerate().take(COUNTERS) {
            self.tally[class] += said % SAID_IN_LEAD;
        }
        for (counter, lead) in LEADS {
            self.tally[lead as usize] += self.said[counter as usize] / SAID_IN_LEAD;
        }
        let said = |class: usize| self.said[class] % SAID_IN_LEAD;
        let everyday = said(Class::COMMON.index()) + said(Class::IGNORED.index());
        let known = (0..COUNTERS).map(said).sum();
        let mut features = Features { grams: self.grams.kept(), ..Features::default() };
        for (counter, tally) in Counter::ALL.iter().zip(self.tally).filter(|(_, tally)| *tally > 0) {
            features.counters[*counter as usize] = counter.scale().quantise_count(tally);
        }
        let share = |part: u32, whole: u32| part as f32 / whole.max(1) as f32;
        // what was read of a long ask stands for all of it
        let grown = bytes as f32 / self.read.max(1) as f32;
        let [latin, cyrillic, arabic, indic, other, han, kana] = self.scripts;
        let visible = self.word_chars - 2 * self.syllables + han + kana;
        for (counter, raw) in [
            (Counter::Words, self.words as f32 * grown.max(1.0)),
            (Counter::WordLength, share(self.word_chars, self.words)),
            (Counter::LongWords, share(self.long_words, self.words)),
            (Counter::LongestWord, self.longest_word as f32),
            (Counter::Distinct, share(self.distinct, self.words)),
            (Counter::NoVowel, share(self.no_vowel, self.words)),
            (Counter::Capitalised, share(self.capitalised + self.plain_capitals, self.words)),
            (Counter::Common, share(everyday, self.words)),
            (Counter::Known, share(known, self.words)),
            (Counter::Uppercase, share(self.upper + self.plain_capitals, visible)),
            (Counter::Digits, share(self.digits, self.chars)),
            (Counter::Brackets, share(self.tally[signs::BRACKETS], self.chars)),
            (Counter::QuotedShare, share(self.quoting.letters(self.chars), self.chars)),
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
