//! Whose tokens an estimate is of: vocabularies cut the same text into more or fewer pieces.
//!
//! [`tokens::estimate`](crate::tokens::estimate) counts as OpenAI's `o200k_base` does. Other families take their share of
//! that, measured on prompts that were not used to find it: `docs/tokens.md`. Models whose vocabulary is not known count as
//! OpenAI's do.

/// A vocabulary, by the models that use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vocabulary {
    /// OpenAI's from gpt-4o on. Those of Gemini, Llama 3, Qwen, `DeepSeek` and Mistral take within three of a hundred of its
    /// tokens for most prompts; what nobody measured counts as it does.
    #[default]
    O200k,
    /// Claude 3 to 4.6.
    Claude,
    /// Claude from 4.7 on: smaller pieces.
    Claude47,
}

impl Vocabulary {
    /// Of a model, by its name as any provider writes it.
    #[must_use]
    pub fn of_model(model: &str) -> Self {
        match model.to_ascii_lowercase().split_once("claude") {
            Some((_, version)) if claude_version(version) >= (4, 7) => Self::Claude47,
            Some(_) => Self::Claude,
            None => Self::O200k,
        }
    }

    /// Tokens of this vocabulary for a hundred of an estimate: the median over half of the prompts that were measured.
    #[must_use]
    pub const fn percent(self) -> u32 {
        match self {
            Self::O200k => 100,
            Self::Claude => 110,
            Self::Claude47 => 145,
        }
    }

    /// An estimate in tokens of this vocabulary.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "held under the type's bound")]
    pub const fn tokens(self, estimate: u32) -> u32 {
        let scaled = estimate as u64 * self.percent() as u64 / 100;
        if scaled > u32::MAX as u64 { u32::MAX } else { scaled as u32 }
    }
}

/// The first number of a name and the one behind it, which names write as `3-5`, `4.7`, or not at all; dates are none.
fn claude_version(name: &str) -> (u32, u32) {
    let numbers = name.split(|sign: char| !sign.is_ascii_digit()).filter(|number| !number.is_empty());
    let mut numbers = numbers.map(|number| number.parse().unwrap_or(u32::MAX)).take_while(|number| *number < 100);
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::Vocabulary::{self, Claude, Claude47, O200k};

    #[test]
    fn models_are_known_by_their_names() {
        for (model, want) in [
            ("gpt-5.4-mini", O200k),
            ("claude-3-5-haiku-20241022", Claude),
            ("claude-opus-4-20250514", Claude),
            ("claude-sonnet-4.6", Claude),
            ("eu.anthropic.claude-opus-4-6-v1:0", Claude),
            ("anthropic/claude-opus-4.7", Claude47),
            ("claude-opus-4-8@20260801", Claude47),
            ("claude-sonnet-5", Claude47),
            ("claude-latest", Claude),
            ("models/gemini-3.1-pro", O200k),
            ("meta-llama/Llama-3.3-70B-Instruct", O200k),
            ("my-own", O200k),
        ] {
            assert_eq!(Vocabulary::of_model(model), want, "{model}");
        }
    }

    #[test]
    fn estimates_are_scaled_and_never_wrap() {
        assert_eq!(O200k.tokens(1_234), 1_234);
        assert!(Claude47.tokens(1_000) > Claude.tokens(1_000));
        assert_eq!(Claude.tokens(u32::MAX), u32::MAX);
    }
}
