//! The counters that describe a request, each with its scale and its name in words.

use std::sync::LazyLock;

/// How a raw figure becomes one byte. Logarithmic where size matters by factor, linear where it is a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// A count: 16 steps for each doubling, up to 60,000.
    Count,
    /// A size in bytes or tokens: 11 steps for each doubling, up to eight million.
    Size,
    /// A share of 0 to 1, in 255 steps.
    Share,
    /// A mean of about 0 to 16, in sixteenths.
    Mean,
    /// Yes or no.
    Flag,
}

impl Scale {
    /// The byte for a raw figure. Negative and not-a-number become 0.
    pub(crate) fn quantise(self, raw: f32) -> u8 {
        let steps = match self {
            Self::Count => 16.0 * (1.0 + raw).log2(),
            Self::Size => 11.0 * (1.0 + raw).log2(),
            Self::Share => 255.0 * raw,
            Self::Mean => 16.0 * raw,
            Self::Flag => f32::from(u8::from(raw > 0.0)),
        };
        // Half away from zero, as `round` does, which is a call on processors that it has to suit all of.
        let whole = steps as u32;
        let up = u32::from(steps - whole as f32 >= 0.5);
        whole.saturating_add(up).min(255) as u8
    }
}

/// The bytes of small counts, from [`Scale::quantise`] once for all: logarithms take most of the end of a pass.
static SMALL_COUNTS: LazyLock<[u8; 256]> =
    LazyLock::new(|| std::array::from_fn(|count| Scale::Count.quantise(count as f32)));

impl Scale {
    /// The byte for a count.
    pub(crate) fn quantise_count(self, count: u32) -> u8 {
        match SMALL_COUNTS.get(count as usize) {
            Some(byte) if self == Self::Count => *byte,
            _ => self.quantise(count as f32),
        }
    }

    /// What a byte stands for in the predictor: doublings, a share, a mean, or 0 and 1.
    pub(crate) const fn value(self, byte: u8) -> f32 {
        let byte = byte as f32;
        match self {
            Self::Count | Self::Mean => byte / 16.0,
            Self::Size => byte / 11.0,
            Self::Share => byte / 255.0,
            Self::Flag => byte,
        }
    }
}

macro_rules! counters {
    ($($name:ident $scale:ident $words:literal,)+) => {
        /// One counter of [`crate::Features`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Counter { $(#[doc = $words] $name,)+ }

        impl Counter {
            /// All counters, in the order in which they are packed.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What it says, in words for people.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            /// How it becomes a byte.
            pub(crate) const fn scale(self) -> Scale {
                match self { $(Self::$name => Scale::$scale,)+ }
            }
        }
    };
}

counters! {
    Turns Count "turns in the conversation",
    UserTurns Count "turns of the user",
    SystemSize Size "length of the instructions",
    AskSize Size "length of the ask",
    HistorySize Size "length of the history",
    HarnessShare Share "share of harness text around the ask",
    Tools Count "tools on offer",
    ToolsSize Size "size of the tool definitions",
    ToolForced Flag "a tool call is forced",
    JsonObject Flag "a JSON object is wanted",
    JsonSchema Flag "a JSON schema is given",
    Images Count "pictures",
    Files Count "documents or sound",
    MaxOutput Size "output limit of the request",
    ToolCalls Count "tool calls so far",
    ToolErrors Count "failed tool calls so far",
    FailureRun Count "failures in a row",
    Corrections Count "corrections by the user",
    AgentLoop Flag "an agent's loop waits for its next step",

    Words Size "number of words",
    Sentences Count "number of sentences",
    WordLength Mean "mean length of words",
    LongWords Share "share of long words",
    Lines Count "lines",
    Paragraphs Count "paragraphs",
    LongestLine Size "longest line",
    Bullets Count "bullet points",
    Numbered Count "numbered points",
    Fences Count "code fences",
    CodeLines Count "lines that look like code",
    Indented Count "indented lines",
    InlineCode Count "inline code",
    TableRows Count "table rows",
    Brackets Share "share of brackets and braces",
    Digits Share "share of digits",
    Numbers Count "numbers",
    LongNumbers Count "long numbers",
    MathSigns Count "mathematical signs",
    Latex Count "LaTeX marks",
    Variables Count "single-letter variables",
    Equals Count "equals signs",
    Quotes Count "quotation marks",
    QuotedShare Share "share of quoted or fenced text",
    Links Count "links",
    Addresses Count "e-mail addresses",
    Questions Count "question marks",
    Exclaims Count "exclamation marks",
    Parens Count "parentheses",
    Semicolons Count "semicolons and colons",
    Uppercase Share "share of capitals",
    Shouted Count "words in capitals",
    Capitalised Share "share of capitalised words",
    NonAscii Share "share of other letters than a-z",
    Han Share "share of Chinese characters",
    Kana Share "share of Japanese or Korean letters",
    Cyrillic Share "share of Cyrillic letters",
    Arabic Share "share of Arabic or Hebrew letters",
    Indic Share "share of Indic letters",
    OtherScript Share "share of other scripts",
    OptionLines Count "answer options",
    ShotLines Count "worked examples",
    Distinct Share "share of distinct words",
    LongestWord Size "longest word",
    NoVowel Share "share of words without vowels",
    Identifiers Count "program identifiers",
    EndsAsking Flag "ends with a question mark",
    Common Share "share of everyday words",
    Known Share "share of words that say what is wanted",

    Fact Count "asks who, when, where or which",
    What Count "asks what",
    How Count "asks how",
    Why Count "asks why or for an explanation",
    Summarise Count "words of summarising",
    Extract Count "words of extracting",
    Classify Count "words of labelling",
    Translate Count "words of translating",
    Compose Count "words of composing",
    Prose Count "kinds of prose",
    Rework Count "words of rewording",
    Code Count "words of programming",
    ProgLang Count "programming languages and tools",
    Bug Count "words of failure",
    NatLang Count "names of languages",
    MathVerb Count "words of computing",
    MathNoun Count "words of mathematics",
    Rigor Count "words of proof",
    Puzzle Count "words of puzzles",
    Logic Count "words of logic",
    Constraint Count "words of constraint",
    Steps Count "words of order and steps",
    Compare Count "words of comparing and judging",
    Plan Count "words of planning",
    Depth Count "words of nuance",
    Brief Count "words of brevity",
    LengthAsked Count "words of wanted length",
    Format Count "words of output form",
    Greeting Count "words of greeting",
    Persona Count "words of role play",
    You Count "words about the assistant",
    Health Count "words of health",
    Law Count "words of law",
    Money Count "words of money",
    Science Count "words of science",
    Contest Count "words of programming contests",
    Unit Count "units",
    Negation Count "negations",
    Attached Count "words that point at attached text",
    Opinion Count "words of advice and choice",

    Command Count "commands to act",
    Either Count "alternatives to choose from",
    Slashes Count "words joined by a slash",

    LeadFact Count "the ask itself: who, when, where or which",
    LeadWhat Count "the ask itself: what",
    LeadHow Count "the ask itself: how",
    LeadWhy Count "the ask itself: why or explain",
    LeadSummarise Count "the ask itself: summarise",
    LeadExtract Count "the ask itself: extract",
    LeadClassify Count "the ask itself: label",
    LeadTranslate Count "the ask itself: translate",
    LeadCompose Count "the ask itself: compose",
    LeadProse Count "the ask itself: a kind of prose",
    LeadRework Count "the ask itself: reword",
    LeadCode Count "the ask itself: programming",
    LeadProgLang Count "the ask itself: a programming language or tool",
    LeadBug Count "the ask itself: a failure",
    LeadNatLang Count "the ask itself: a language",
    LeadMathVerb Count "the ask itself: compute",
    LeadMathNoun Count "the ask itself: mathematics",
    LeadRigor Count "the ask itself: prove",
    LeadCompare Count "the ask itself: compare or judge",
    LeadPlan Count "the ask itself: plan",
    LeadBrief Count "the ask itself: brevity",
    LeadFormat Count "the ask itself: an output form",
    LeadGreeting Count "the ask itself: a greeting",
    LeadPersona Count "the ask itself: role play",
    LeadYou Count "the ask itself: about the assistant",
    LeadCommand Count "the ask itself: a command to act",
    LeadEither Count "the ask itself: alternatives",
    OpensAsking Flag "opens as a question",
}

/// Number of counters.
pub const COUNTERS: usize = Counter::ALL.len();

impl Counter {
    /// What counts the same thing where the ask itself says it.
    const fn lead(self) -> Option<Self> {
        Some(match self {
            Self::Fact => Self::LeadFact,
            Self::What => Self::LeadWhat,
            Self::How => Self::LeadHow,
            Self::Why => Self::LeadWhy,
            Self::Summarise => Self::LeadSummarise,
            Self::Extract => Self::LeadExtract,
            Self::Classify => Self::LeadClassify,
            Self::Translate => Self::LeadTranslate,
            Self::Compose => Self::LeadCompose,
            Self::Prose => Self::LeadProse,
            Self::Rework => Self::LeadRework,
            Self::Code => Self::LeadCode,
            Self::ProgLang => Self::LeadProgLang,
            Self::Bug => Self::LeadBug,
            Self::NatLang => Self::LeadNatLang,
            Self::MathVerb => Self::LeadMathVerb,
            Self::MathNoun => Self::LeadMathNoun,
            Self::Rigor => Self::LeadRigor,
            Self::Compare => Self::LeadCompare,
            Self::Plan => Self::LeadPlan,
            Self::Brief => Self::LeadBrief,
            Self::Format => Self::LeadFormat,
            Self::Greeting => Self::LeadGreeting,
            Self::Persona => Self::LeadPersona,
            Self::You => Self::LeadYou,
            Self::Command => Self::LeadCommand,
            Self::Either => Self::LeadEither,
            _ => return None,
        })
    }
}

/// Each counter with the one that counts the same thing where the ask itself says it.
pub(super) const LEADS: [(Counter, Counter); COUNTED_IN_LEAD] = {
    let (mut leads, mut count, mut at) = ([(Counter::Fact, Counter::LeadFact); COUNTED_IN_LEAD], 0, 0);
    while at < COUNTERS {
        if let Some(lead) = Counter::ALL[at].lead() {
            leads[count] = (Counter::ALL[at], lead);
            count += 1;
        }
        at += 1;
    }
    assert!(count == COUNTED_IN_LEAD);
    leads
};

const COUNTED_IN_LEAD: usize = Counter::LeadEither as usize + 1 - Counter::LeadFact as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_keep_order_and_stay_in_a_byte() {
        for scale in [Scale::Count, Scale::Size, Scale::Share, Scale::Mean] {
            let bytes: Vec<u8> =
                [-1.0, 0.0, 0.3, 1.0, 7.0, 900.0, 1e9, f32::NAN].map(|raw| scale.quantise(raw)).to_vec();
            assert!(bytes[..7].is_sorted(), "{scale:?}: {bytes:?}");
            assert_eq!(bytes[7], 0);
        }
    }
}
