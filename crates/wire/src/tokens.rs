//! Estimates tokens before a call, for context-window fit and expected cost. Bills use what providers report.
//!
//! No encoder is run: a byte walk counts words, digits, signs and letters by script, with weights fitted to OpenAI's
//! `o200k_base`. How far off it is, by family of models and by script: `docs/tokens.md`. Work is bounded: of long texts, evenly
//! spread pieces are counted.

use crate::json::unescape;
use crate::neutral::{Choice, Content};
use crate::runs::{self, BLOCK, Block, moved};
use crate::scripts::{Estimate, Scripts};
use crate::{Outline, Part};

/// Text longer than this is sampled.
const WHOLE_BYTES: usize = 32 * 1024;

/// Pieces of a sampled text, and bytes of each.
const PIECES: usize = 48;
const PIECE_BYTES: usize = 512;

/// Tokens that frame one message (role, separators), as OpenAI documents for its chat models.
const PER_MESSAGE: u32 = 4;

/// Tokens of one picture where its size is not known: a 1024 x 1024 picture at high detail costs 765 with gpt-4o, about
/// 1,400 with Claude.
const PER_IMAGE: u32 = 1_000;

/// Tokens of one document or piece of sound whose length is not known.
const PER_FILE: u32 = 2_000;

/// Bytes of a tool's JSON definition that make one token; providers rewrite definitions more tersely than JSON.
const TOOL_BYTES_PER_TOKEN: usize = 4;

/// Weights in 1/64 token.
const ONE: i64 = 64;

/// Estimated tokens of a text.
#[must_use]
pub fn estimate(text: &str) -> u32 {
    measured(text).0
}

/// Estimated tokens of a text, and whether much of it is written beyond ASCII.
fn measured(text: &str) -> (u32, bool) {
    if text.len() <= WHOLE_BYTES {
        let sum = count(text.as_bytes());
        return (rounded(sum & ALL, 1, 1), is_foreign(sum));
    }
    let (mut sum, mut seen) = (0u64, 0u64);
    for piece in pieces(text) {
        sum += count(piece);
        seen += piece.len() as u64;
    }
    (rounded(sum & ALL, text.len() as u64, seen.max(1)), is_foreign(sum))
}

/// Of a long text, evenly spread pieces.
fn pieces(text: &str) -> impl Iterator<Item = &[u8]> {
    let step = text.len().saturating_sub(PIECE_BYTES) / (PIECES - 1);
    (0..PIECES).map(move |piece| {
        let start = text.ceil_char_boundary(piece * step);
        let end = text.ceil_char_boundary((start + PIECE_BYTES).min(text.len()));
        text.as_bytes().get(start..end).unwrap_or_default()
    })
}

/// The lower half of a count, in which everything is; what is not ASCII stands in the upper half once more.
const ALL: u64 = u32::MAX as u64;

/// A sixteenth of the text is not ASCII: less changes an estimate by less than the estimate is off anyway.
const fn is_foreign(sum: u64) -> bool {
    (sum >> 32) * 16 > sum & ALL
}

/// The weight of each script in a text, and of all of it.
pub(crate) fn weigh_scripts(text: &str, each: &mut impl FnMut(&[u8], u32)) -> u64 {
    let mut all = 0;
    let mut weigh = |bytes: &[u8]| {
        all += count(bytes) & ALL;
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            if first.is_ascii() {
                rest = after;
                continue;
            }
            let (weight, length) = letter(rest);
            each(rest, weight);
            rest = rest.get(length..).unwrap_or_default();
        }
    };
    if text.len() <= WHOLE_BYTES {
        weigh(text.as_bytes());
    } else {
        pieces(text).for_each(weigh);
    }
    all
}

/// Estimated input tokens of a request: all turns, tools and attachments.
#[must_use]
pub fn estimate_outline(outline: &Outline<'_>) -> Estimate {
    let (mut tokens, mut scripts) = (0u32, Scripts::default());
    let mut estimate = |text: &str| {
        let (tokens, foreign) = measured(text);
        if foreign {
            scripts.add(text, tokens);
        }
        tokens
    };
    for turn in &outline.turns {
        tokens = tokens.saturating_add(PER_MESSAGE);
        for part in &turn.parts {
            tokens = tokens.saturating_add(match part {
                Part::Text(text) | Part::Refusal(text) | Part::Reasoning(text) | Part::ToolResult { text, .. } => {
                    estimate(text)
                }
                Part::ToolCall { name, arguments } => estimate(name).saturating_add(estimate(arguments)),
                Part::Image => PER_IMAGE,
                Part::Audio | Part::File => PER_FILE,
            });
        }
    }
    let tools: usize = outline.tools.iter().map(|tool| tool.bytes).sum();
    scripts.of(tokens.saturating_add(u32::try_from(tools / TOOL_BYTES_PER_TOKEN).unwrap_or(u32::MAX)))
}

/// Counts what a model said, piece by piece, for answers whose provider does not say how many tokens they took. The same
/// answer comes to the same count, whole or streamed, up to how its words are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In 1/64 tokens.
    sum: u64,
}

/// A piece up to this length is taken for one token, as most streams give them one by one: then nothing is to be counted,
/// which a relay would do in vain for nearly all providers.
const SHORT_BYTES: usize = 8;

impl Tally {
    /// Of a whole answer: its text, reasoning and calls of tools.
    #[must_use]
    pub fn of(choices: &[Choice]) -> Self {
        let mut tally = Self::default();
        for part in choices.iter().flat_map(|choice| &choice.parts) {
            match &part.content {
                Content::Text { text, .. } | Content::Refusal(text) | Content::Reasoning { text, .. } => {
                    tally.add(text);
                }
                Content::ToolCall { name, arguments, .. } => {
                    tally.add(name);
                    tally.add(arguments);
                }
                _ => {}
            }
        }
        tally
    }

    /// One more piece of text.
    pub fn add(&mut self, text: &str) {
        let length = text.len();
        self.sum += if length <= SHORT_BYTES {
            ONE.unsigned_abs() * u64::from(length > 0)
        } else if length <= WHOLE_BYTES {
            count(text.as_bytes()) & ALL
        } else {
            u64::from(estimate(text)) * ONE.unsigned_abs()
        };
    }

    /// One more piece that is a JSON string.
    pub fn add_json(&mut self, json: &str) {
        match json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) {
            Some(short) if short.len() <= SHORT_BYTES => self.add(short),
            Some(long) => self.add(&unescape(long)),
            None => self.add(json),
        }
    }

    /// Something that is no text, but was generated.
    pub(crate) const fn add_one(&mut self) {
        self.sum += ONE.unsigned_abs();
    }

    /// Tokens, rounded to the nearest.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        let tokens = (self.sum + ONE.unsigned_abs() / 2) / ONE.unsigned_abs();
        if tokens == 0 && self.sum > 0 { 1 } else { tokens }
    }
}

fn rounded(sum: u64, times: u64, by: u64) -> u32 {
    let scaled = u128::from(sum) * u128::from(times) / u128::from(by) / u128::from(ONE.unsigned_abs());
    u32::try_from(scaled).unwrap_or(u32::MAX - 1).saturating_add(u32::from(sum > 0))
}

/// Tokens of the bytes in 1/64, in the lower half of the number; those beyond ASCII once more in the upper half. The bytes are
/// UTF-8, no more than a few megabytes; a broken sequence counts as some letter.
fn count(bytes: &[u8]) -> u64 {
    let (mut sum, mut foreign) = (0u64, 0u64);
    let (mut before, mut thirds) = (Block::default(), 0);
    for (at, block) in runs::blocks(bytes).enumerate() {
        sum += weight_of_runs(&block, &before);
        if block.digits != 0 {
            sum += ONE.unsigned_abs() * u64::from(digits(block.digits, before.digits, &mut thirds));
        }
        let mut begins = block.foreign & !moved(block.foreign, before.foreign, 1);
        while begins != 0 {
            foreign += letters(&bytes[at * BLOCK + begins.trailing_zeros() as usize..]);
            begins &= begins - 1;
        }
        before = block;
    }
    foreign << 32 | (sum + foreign)
}

/// The weight of letters beyond ASCII that the bytes begin with.
fn letters(bytes: &[u8]) -> u64 {
    let mut run = &bytes[..bytes.iter().position(u8::is_ascii).unwrap_or(bytes.len())];
    let mut sum = 0;
    while !run.is_empty() {
        let (weight, length) = letter(run);
        sum += u64::from(weight);
        run = run.get(length..).unwrap_or_default();
    }
    sum
}

/// Most words are one token; long and rare ones are cut about every five letters.
const fn word(length: i64) -> i64 {
    match length {
        ..=0 => 0,
        1..=4 => ONE,
        5..=7 => ONE + 4,
        8..=10 => ONE + 14,
        _ => ONE + 14 + (length - 10) * 13,
    }
}

/// One space belongs to the next word; more, and line ends, are a token of their own.
const fn space(length: i64) -> i64 {
    match length {
        ..=0 => 0,
        1 => 4,
        _ => ONE,
    }
}

/// Signs stand alone or in pairs; long lines of one sign are few tokens.
const fn sign(length: i64) -> i64 {
    match length {
        ..=0 => 0,
        1 => 58,
        2 => ONE + 8,
        3..=8 => ONE + (length - 1) * 16,
        _ => ONE * 3 + (length - 8) * 4,
    }
}

/// What each byte of a block weighs, a number of a few bits: the lowest bits of all 64 first. The block then weighs one sum
/// of bits for each place of such a number, however many kinds of runs there are; to count bits is what is dear here.
#[derive(Default)]
struct Weights([u64; 7]);

impl Weights {
    /// These bytes weigh so much; no byte gets a second weight.
    #[inline(always)]
    fn set<const WEIGHT: i64>(&mut self, bytes: u64) {
        const { assert!(0 <= WEIGHT && WEIGHT < 1 << 7) };
        for (bit, place) in self.0.iter_mut().enumerate() {
            *place |= if WEIGHT >> bit & 1 == 1 { bytes } else { 0 };
        }
    }

    /// Of all bytes together.
    #[inline(always)]
    fn sum(&self) -> u64 {
        self.0.iter().enumerate().map(|(bit, place)| u64::from(place.count_ones()) << bit).sum()
    }
}

/// Gives the bytes of a block's runs their weights: the nth byte of a run weighs as much as the run's weight rises with it, for
/// each n that is listed; all behind those rise by the same. Nobody has to ask how long a run is.
macro_rules! weigh {
    ($weights:ident, $weight:ident, $block:expr, $before:expr, $($nth:literal)+, $later:literal) => {
        let lasting = $block;
        $(
            let longer = lasting & moved($block, $before, $nth);
            $weights.set::<{ $weight($nth) - $weight($nth - 1) }>(lasting & !longer);
            let lasting = longer;
        )+
        $weights.set::<{ $weight($later) - $weight($later - 1) }>(lasting);
    };
}

/// The weight of the runs of a block, as far as they lie in it; of digits and what is not ASCII nothing.
#[inline(always)]
fn weight_of_runs(block: &Block, before: &Block) -> u64 {
    let mut weights = Weights::default();
    weigh!(weights, word, block.word, before.word, 1 2 3 4 5 6 7 8 9 10, 11);
    weigh!(weights, space, block.space, before.space, 1 2, 3);
    weigh!(weights, sign, block.sign, before.sign, 1 2 3 4 5 6 7 8 9, 10);
    weights.sum()
}

/// Tokens that begin in this block: digits go in threes. `thirds` are those of the next block that begin one because of digits
/// in this one.
fn digits(block: u64, before: u64, thirds: &mut u64) -> u32 {
    let go_on = [1, 2, 3].into_iter().fold(block, |all, places| all & moved(block, before, places));
    let (mut tokens, mut carried) = (0, 0);
    let mut begins = block & !moved(block, before, 1) | *thirds & go_on;
    while begins != 0 {
        tokens += begins.count_ones();
        carried |= begins >> (BLOCK - 3);
        begins = begins << 3 & go_on;
    }
    *thirds = carried;
    tokens
}

/// Weight and size of one letter beyond ASCII, by its script.
fn letter(bytes: &[u8]) -> (u32, usize) {
    let second = bytes.get(1).copied().unwrap_or(0x80);
    let third = bytes.get(2).copied().unwrap_or(0x80);
    match (bytes[0], second) {
        (0xc2..=0xca, _) => (36, 2),             // accented Latin
        (0xcd..=0xcf, _) => (25, 2),             // Greek
        (0xd0..=0xd3, _) => (18, 2),             // Cyrillic
        (0xd4..=0xd5, _) => (18, 2),             // Armenian
        (0xd6..=0xd7, _) => (27, 2),             // Hebrew
        (0xd8..=0xdb, _) => (22, 2),             // Arabic, Persian, Urdu
        (0xc0..=0xdf, _) => (40, 2),             // other scripts of two bytes
        (0xe0, 0xa4..=0xa5) => (20, 3),          // Devanagari
        (0xe0, 0xb8..=0xb9) => (28, 3),          // Thai
        (0xe0, _) => (24, 3),                    // other scripts of India and its neighbours
        (0xe1, 0x82..=0x83) => (17, 3),          // Georgian
        (0xe1, 0x88..=0x8e) => (130, 3),         // Ethiopic
        (0xe1, _) => (34, 3),                    // Khmer, Vietnamese vowels
        (0xe2, _) => (50, 3),                    // dashes, quotes, arrows, mathematical signs
        (0xe3, 0x80) if third < 0xa0 => (40, 3), // ideographic punctuation
        (0xe3, 0x81..=0x83) => (50, 3),          // Kana
        (0xe3..=0xe9, _) => (53, 3),             // Han
        (0xea..=0xed, _) => (43, 3),             // Hangul
        (0xee..=0xef, _) => (44, 3),             // full-width signs
        (0xf0..=0xf7, _) => (120, 4),            // pictographs
        _ => (64, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts and their true counts in `o200k_base`.
    const COUNTED: [(&str, u32); 9] = [
        (
            "Write a function that returns the three largest numbers of a list, and explain its running time in one paragraph.",
            22,
        ),
        (
            "fn main() {\n    let total: u64 = (1..=100).filter(|n| n % 3 == 0).sum();\n    println!(\"{total}\");\n}\n",
            37,
        ),
        ("Bitte fasse den folgenden Vertrag in drei Sätzen zusammen und nenne die Kündigungsfrist.", 18),
        ("Переведи это письмо на английский язык и сохрани вежливый тон.", 18),
        ("请把下面的合同总结成三句话，并指出解约的期限。", 16),
        ("次の契約書を三つの文にまとめて、解約の期限を教えてください。", 23),
        ("لخص العقد التالي في ثلاث جمل واذكر مهلة الإلغاء.", 16),
        ("निम्नलिखित अनुबंध को तीन वाक्यों में संक्षेप में बताइए।", 22),
        (
            "{\"orders\":[{\"id\":10482,\"total\":99.95,\"paid\":true},{\"id\":10483,\"total\":12.5,\"paid\":false}]}",
            35,
        ),
    ];

    #[test]
    fn estimates_stay_near_the_true_counts() {
        for (text, real) in COUNTED {
            let got = f64::from(estimate(text));
            let error = (got / f64::from(real) - 1.0).abs();
            assert!(error <= 0.30, "{got} for {real}: {text}");
        }
    }

    /// The tokens of pieces, one after the other.
    #[track_caller]
    fn check_tally(pieces: &[&str], want: u64) {
        let mut tally = Tally::default();
        pieces.iter().for_each(|piece| tally.add(piece));
        assert_eq!(tally.tokens(), want, "{pieces:?}");
    }

    #[test]
    fn what_was_said_is_counted_alike_however_it_is_cut() {
        check_tally(&["hello there how are you"], 5);
        check_tally(&["hello there", " how are you"], 5);
        check_tally(&["hello", " there", " how", " are", " you"], 5);
        check_tally(&["", "."], 1);
        check_tally(&[], 0);
        let mut escaped = Tally::default();
        escaped.add_json(r#""one \u0074wo three""#);
        assert_eq!(escaped.tokens(), 3);
    }

    /// The same, run by run.
    fn one_by_one(text: &[u8]) -> u64 {
        let kind = |byte: &u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' => 0,
            b'0'..=b'9' => 1,
            b' ' | b'\n' | b'\r' | b'\t' => 2,
            0x80.. => 3,
            _ => 4,
        };
        let runs = text.chunk_by(|a, b| kind(a) == kind(b));
        runs.fold(0, |sum, run| {
            let length = run.len() as i64;
            let weight = match kind(&run[0]) {
                0 => word(length),
                1 => (length + 2) / 3 * ONE,
                2 => space(length),
                3 => letters(run) as i64 | (letters(run) << 32) as i64,
                _ => sign(length),
            };
            sum + weight as u64
        })
    }

    proptest::proptest! {
        #[test]
        fn a_text_weighs_as_much_as_its_runs(
            runs in proptest::collection::vec(("[a-zA-Z]|[0-9]|[ \\n]|[?!=]|[é漢😀]", 1usize..90), 0..40)
        ) {
            let text: String = runs.iter().map(|(letter, times)| letter.repeat(*times % 14 * times / 14 + 1)).collect();
            proptest::prop_assert_eq!(count(text.as_bytes()), one_by_one(text.as_bytes()), "{}", text);
        }
    }

    #[test]
    fn long_texts_are_sampled_and_short_ones_are_not() {
        // 93,000 tokens by o200k_base.
        let line = "A line of a log that repeats itself, 2026-11-23T04:00:00Z GET /v1/models 200.\n";
        let got = f64::from(estimate(&line.repeat(3_000)));
        assert!((got / 93_000.0 - 1.0).abs() < 0.1, "{got}");
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("a"), 2);
        assert!(estimate(&"😀é漢".repeat(20_000)) > 60_000);
    }
}
