//! Whose tokens an estimate is of: vocabularies cut the same text into more or fewer pieces.
//!
//! [`tokens::estimate`](crate::tokens::estimate) counts as OpenAI's `o200k_base` does. Other families take their share of
//! that, measured on prompts that were not used to find it, and shares of their own for scripts other than Latin, in which
//! they are up to eight times apart: `docs/tokens.md`. Models whose vocabulary is not known count as OpenAI's do.

use crate::scripts::{Estimate, SCRIPTS};

/// A vocabulary, by the models that use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vocabulary {
    /// OpenAI's from gpt-4o on; what nobody measured counts as it does.
    #[default]
    O200k,
    /// OpenAI's of gpt-4 and gpt-3.5.
    Cl100k,
    /// Claude 3 to 4.6.
    Claude,
    /// Claude from 4.7 on: smaller pieces.
    Claude47,
    /// Gemini's and Gemma's.
    Gemini,
    /// Llama 2's, which the first Mistral models have in kind.
    Llama2,
    /// Llama 3's.
    Llama3,
    /// Qwen's.
    Qwen,
    /// `DeepSeek`'s from V3 on.
    DeepSeek,
    /// Mistral's (tekken).
    Mistral,
}

/// Parts of names and what they tell; the first that is found counts. Models that were made of others are named after both:
/// their vocabulary is that of the one that they were made of.
const NAMES: [(&str, Vocabulary); 22] = [
    ("distill-llama", Vocabulary::Llama3),
    ("llama-v3", Vocabulary::Llama3), // as Fireworks writes it
    ("llama-v2", Vocabulary::Llama2),
    ("llama-3", Vocabulary::Llama3),
    ("llama3", Vocabulary::Llama3),
    ("llama-2", Vocabulary::Llama2),
    ("llama2", Vocabulary::Llama2),
    ("qwen", Vocabulary::Qwen),
    ("qwq", Vocabulary::Qwen),
    ("gemini", Vocabulary::Gemini),
    ("gemma", Vocabulary::Gemini),
    ("deepseek", Vocabulary::DeepSeek),
    ("mixtral", Vocabulary::Llama2),
    ("mistral-7b", Vocabulary::Llama2),
    ("stral", Vocabulary::Mistral), // Mistral, Ministral, Magistral, Devstral, Codestral
    ("xtral", Vocabulary::Mistral), // Pixtral, Voxtral
    ("gpt-4o", Vocabulary::O200k),
    ("gpt-4.", Vocabulary::O200k),
    ("gpt-41", Vocabulary::O200k),
    ("gpt-4", Vocabulary::Cl100k),
    ("gpt-3.5", Vocabulary::Cl100k),
    ("gpt-35", Vocabulary::Cl100k),
];

impl Vocabulary {
    /// Of a model, by its name as any provider writes it.
    #[must_use]
    pub fn of_model(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        match model.split_once("claude") {
            Some((_, version)) if claude_version(version) >= (4, 7) => Self::Claude47,
            Some(_) => Self::Claude,
            None => NAMES.iter().find(|(part, _)| model.contains(part)).map_or(Self::O200k, |(_, named)| *named),
        }
    }

    /// Tokens of this vocabulary for a hundred of an estimate of Latin text: the median over half of the prompts that were
    /// measured.
    const fn percent(self) -> u32 {
        match self {
            Self::Claude => 110,
            Self::Claude47 => 145,
            _ => 100,
        }
    }

    /// The same by script, in the order of `scripts::script`. Of a script that several languages write: the middle between the
    /// language that this vocabulary cuts most finely and the one that it cuts least.
    const fn percents(self) -> [u32; SCRIPTS] {
        match self {
            Self::O200k => [100; SCRIPTS],
            Self::Cl100k => [268, 200, 693, 279, 281, 382, 393, 228, 798, 147, 149, 197],
            Self::Claude => [188, 148, 222, 195, 249, 269, 258, 204, 284, 79, 129, 201],
            Self::Claude47 => [192, 144, 224, 192, 247, 266, 256, 203, 280, 79, 128, 198],
            Self::Gemini => [111, 105, 197, 118, 122, 136, 149, 92, 288, 50, 82, 131],
            Self::Llama2 => [302, 154, 399, 287, 340, 412, 339, 241, 429, 128, 146, 212],
            Self::Llama3 => [108, 110, 595, 279, 158, 199, 391, 108, 798, 147, 99, 114],
            Self::Qwen => [256, 148, 370, 104, 170, 361, 324, 131, 423, 56, 83, 121],
            Self::DeepSeek => [132, 126, 190, 127, 144, 206, 140, 84, 303, 113, 76, 125],
            Self::Mistral => [109, 114, 117, 119, 110, 129, 119, 120, 180, 147, 106, 100],
        }
    }

    /// An estimate in tokens of this vocabulary.
    #[must_use]
    pub fn tokens(self, estimate: impl Into<Estimate>) -> u32 {
        let Estimate { tokens, shares } = estimate.into();
        let mut percent = u64::from(self.percent()) * WHOLE;
        if shares != [0; SCRIPTS] {
            let foreign: u64 = shares.iter().map(|share| u64::from(*share)).sum();
            let own = shares.iter().zip(self.percents()).map(|(share, own)| u64::from(*share) * u64::from(own));
            percent = WHOLE.saturating_sub(foreign) * u64::from(self.percent()) + own.sum::<u64>();
        }
        u32::try_from(u64::from(tokens) * percent / (100 * WHOLE)).unwrap_or(u32::MAX)
    }
}

/// All of an estimate, in the unit of its shares.
const WHOLE: u64 = u8::MAX as u64;

/// The first number of a name and the one behind it, which names write as `3-5`, `4.7`, or not at all; dates are none.
fn claude_version(name: &str) -> (u32, u32) {
    let numbers = name.split(|sign: char| !sign.is_ascii_digit()).filter(|number| !number.is_empty());
    let mut numbers = numbers.map(|number| number.parse().unwrap_or(u32::MAX)).take_while(|number| *number < 100);
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::Vocabulary::{self, Cl100k, Claude, Claude47, DeepSeek, Gemini, Llama2, Llama3, Mistral, O200k, Qwen};
    use crate::scripts::Scripts;
    use crate::tokens::estimate;

    #[test]
    fn models_are_known_by_their_names() {
        for (model, want) in [
            ("gpt-5.4-mini", O200k),
            ("gpt-4o-mini", O200k),
            ("gpt-4.1-nano", O200k),
            ("gpt-4-turbo", Cl100k),
            ("gpt-35-turbo", Cl100k),
            ("claude-3-5-haiku-20241022", Claude),
            ("claude-opus-4-20250514", Claude),
            ("claude-sonnet-4.6", Claude),
            ("eu.anthropic.claude-opus-4-6-v1:0", Claude),
            ("anthropic/claude-opus-4.7", Claude47),
            ("claude-opus-4-8@20260801", Claude47),
            ("claude-sonnet-5", Claude47),
            ("claude-latest", Claude),
            ("models/gemini-3.1-pro", Gemini),
            ("meta-llama/Llama-3.3-70B-Instruct", Llama3),
            ("meta.llama4-scout-17b-instruct-v1:0", O200k),
            ("deepseek-r1-distill-llama-70b", Llama3),
            ("accounts/fireworks/models/llama-v3p1-8b-instruct", Llama3),
            ("Qwen/Qwen3-32B", Qwen),
            ("mistral.mixtral-8x7b-instruct-v0:1", Llama2),
            ("codestral-latest", Mistral),
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

    /// The first article of the Universal Declaration of Human Rights, and its true counts by the encoders that
    /// docs/tokens.md names.
    const ARTICLES: [(&str, [(Vocabulary, u32); 10]); 6] = [
        (
            "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
            [
                (O200k, 54),
                (Cl100k, 180),
                (Claude, 122),
                (Claude47, 122),
                (Gemini, 64),
                (Llama2, 198),
                (Llama3, 93),
                (Qwen, 171),
                (DeepSeek, 92),
                (Mistral, 60),
            ],
        ),
        (
            "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا وعليهم أن يعامل بعضهم بعضًا بروح الإخاء.",
            [
                (O200k, 44),
                (Cl100k, 88),
                (Claude, 80),
                (Claude47, 80),
                (Gemini, 45),
                (Llama2, 109),
                (Llama3, 48),
                (Qwen, 47),
                (DeepSeek, 45),
                (Mistral, 40),
            ],
        ),
        (
            "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით. მათ მინიჭებული აქვთ გონება და სინდისი და ერთმანეთის მიმართ უნდა იქცეოდნენ ძმობის სულისკვეთებით.",
            [
                (O200k, 51),
                (Cl100k, 322),
                (Claude, 113),
                (Claude47, 113),
                (Gemini, 113),
                (Llama2, 176),
                (Llama3, 322),
                (Qwen, 173),
                (DeepSeek, 120),
                (Mistral, 70),
            ],
        ),
        (
            "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.",
            [
                (O200k, 71),
                (Cl100k, 172),
                (Claude, 124),
                (Claude47, 124),
                (Gemini, 76),
                (Llama2, 195),
                (Llama3, 74),
                (Qwen, 163),
                (DeepSeek, 92),
                (Mistral, 74),
            ],
        ),
        (
            "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
            [
                (O200k, 41),
                (Cl100k, 74),
                (Claude, 58),
                (Claude47, 58),
                (Gemini, 41),
                (Llama2, 61),
                (Llama3, 48),
                (Qwen, 49),
                (DeepSeek, 46),
                (Mistral, 46),
            ],
        ),
        (
            "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
            [
                (O200k, 37),
                (Cl100k, 52),
                (Claude, 48),
                (Claude47, 47),
                (Gemini, 30),
                (Llama2, 44),
                (Llama3, 38),
                (Qwen, 29),
                (DeepSeek, 27),
                (Mistral, 39),
            ],
        ),
    ];

    #[test]
    fn scripts_are_reckoned_as_each_family_cuts_them() {
        for (text, counts) in ARTICLES {
            let (tokens, mut scripts) = (estimate(text), Scripts::default());
            scripts.add(text, tokens);
            for (vocabulary, count) in counts {
                let ratio = f64::from(vocabulary.tokens(scripts.of(tokens))) / f64::from(count);
                assert!((0.65..1.55).contains(&ratio), "{vocabulary:?} {ratio}: {text}");
            }
        }
    }
}
