//! How much of a prompt is written in which script: vocabularies that are alike for English differ most in these.
//!
//! Looked at only where a notable part of a text is not ASCII; for all others nothing is done.

use crate::tokens::weigh_scripts;

/// Scripts that vocabularies cut differently; Latin is none of them, whatever its accents.
pub(crate) const SCRIPTS: usize = 12;

/// One of them: Greek, Cyrillic, Armenian, Hebrew, Arabic, Devanagari, other scripts of India, Thai and its neighbours,
/// Georgian, Ethiopic, Chinese and Japanese, Korean.
fn script(letter: &[u8]) -> Option<usize> {
    let second = letter.get(1).copied().unwrap_or(0x80);
    Some(match (letter.first()?, second) {
        (0xcd..=0xcf, _) => 0,
        (0xd0..=0xd3, _) => 1,
        (0xd4..=0xd5, _) => 2,
        (0xd6..=0xd7, _) => 3,
        (0xd8..=0xdb, _) => 4,
        (0xe0, 0xa4..=0xa5) => 5,
        (0xe0, 0xb8..=0xbb) => 7,
        (0xe0, _) => 6,
        (0xe1, 0x82..=0x83) => 8,
        (0xe1, 0x88..=0x8e) => 9,
        (0xe3..=0xe9, _) => 10,
        (0xea..=0xed, _) => 11,
        _ => return None,
    })
}

/// An estimate in tokens of `o200k_base`, and how much of it stands in which script, so that
/// [`Vocabulary::tokens`](crate::Vocabulary::tokens) can put it into those of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The tokens.
    pub tokens: u32,
    /// Shares of them, in 1/255.
    pub(crate) shares: [u8; SCRIPTS],
}

impl From<u32> for Estimate {
    /// Of a text in Latin letters.
    fn from(tokens: u32) -> Self {
        Self { tokens, shares: [0; SCRIPTS] }
    }
}

/// Tokens by script, while the parts of a request are counted.
#[derive(Default)]
pub(crate) struct Scripts([u32; SCRIPTS]);

impl Scripts {
    /// A text of so many tokens.
    #[cold]
    pub(crate) fn add(&mut self, text: &str, tokens: u32) {
        let mut weights = [0u64; SCRIPTS];
        let all = weigh_scripts(text, &mut |letter, weight| {
            if let Some(weight_of) = script(letter).and_then(|script| weights.get_mut(script)) {
                *weight_of += u64::from(weight);
            }
        });
        for (sum, weight) in self.0.iter_mut().zip(weights) {
            let part = u128::from(tokens) * u128::from(weight) / u128::from(all.max(1));
            *sum = sum.saturating_add(u32::try_from(part).unwrap_or(u32::MAX));
        }
    }

    /// The estimate of the whole request.
    pub(crate) fn of(&self, tokens: u32) -> Estimate {
        let share = |part: u32| u8::try_from(u64::from(part) * 255 / u64::from(tokens.max(1))).unwrap_or(255);
        Estimate { tokens, shares: self.0.map(|part| if part == 0 { 0 } else { share(part) }) }
    }
}
