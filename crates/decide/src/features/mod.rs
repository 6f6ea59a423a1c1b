//! What a request looks like, as numbers: one pass over its text, bounded work, a few hundred bytes.
//!
//! In: an [`Outline`]. Out: [`Features`]: about 130 [counters](Counter) of a byte each and the ids of hashed words,
//! word pairs and letter groups. Harness text is told apart from the ask; only the ask is counted.
//! A request of any length costs the same beyond 12,000 bytes: head, tail and windows between are read.
//! It refuses to judge: what the numbers mean is the predictor's business. Words that merely claim ease or difficulty
//! and politeness leave no trace, so that nobody buys a cheaper (or dearer) tier with them.

mod ask;
mod counter;
mod grams;
mod pack;
mod scan;
mod words;

pub use counter::{COUNTERS, Counter};
pub use grams::{GRAM_BUCKETS, GramKind, MAX_GRAMS};
pub use pack::{FEATURE_VERSION, UnpackError};

use ask::Ask;
use grams::GramSet;
use scan::Scan;
use tierway_wire::{Outline, OutputForm, Part, Role, Turn};

/// A request as numbers. Equal requests give equal features; nothing of the text can be read back from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    pub(crate) counters: [u8; COUNTERS],
    pub(crate) grams: Vec<u16>,
}

impl Default for Features {
    fn default() -> Self {
        Self { counters: [0; COUNTERS], grams: Vec::new() }
    }
}

/// An ask below this many bytes is read together with the one before it: "it still fails" says nothing alone.
const SHORT: usize = 200;
/// Bytes of such context that are read.
const CONTEXT: usize = 320;

fn start_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(CONTEXT)]
}

/// Long instructions end with what is wanted.
fn end_of(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(CONTEXT))..]
}

/// Turns of the history that are looked at, from the end.
const HISTORY: usize = 32;

impl Features {
    /// Reads a request.
    #[must_use]
    pub fn of(outline: &Outline<'_>) -> Self {
        let ask = Ask::of(outline);
        let mut grams = GramSet::new();
        let mut scan = Scan::new(ask.pieces(), ask.bytes, &mut grams);
        if let Some(instructions) = outline.turns.iter().find(|turn| turn.role == Role::System) {
            instructions.texts().take(1).for_each(|text| scan.read_context(end_of(text)));
        }
        if ask.bytes < SHORT {
            let asks = outline.turns.iter().rev().filter(|turn| turn.role == Role::User);
            asks.skip(1).take(1).flat_map(Turn::texts).take(1).for_each(|text| scan.read_context(start_of(text)));
        }
        ask::windows(ask.pieces(), ask.bytes, |offset, text| scan.read(offset, text));
        let mut features = scan.finish(ask.bytes);
        features.request_form(outline, &ask);
        features.conversation(outline);
        features
    }

    /// One counter as its byte.
    #[must_use]
    pub const fn counter(&self, counter: Counter) -> u8 {
        self.counters[counter as usize]
    }

    /// One counter as what it stands for: doublings of a count or size, a share, a mean, or 0 and 1.
    #[must_use]
    pub const fn value(&self, counter: Counter) -> f32 {
        counter.scale().value(self.counters[counter as usize])
    }

    /// All counters, in the order of [`Counter::ALL`].
    #[must_use]
    pub const fn counters(&self) -> &[u8; COUNTERS] {
        &self.counters
    }

    /// Ids of the n-grams that occur, rising.
    #[must_use]
    pub fn grams(&self) -> &[u16] {
        &self.grams
    }

    pub(crate) fn set(&mut self, counter: Counter, raw: f32) {
        self.counters[counter as usize] = counter.scale().quantise(raw);
    }

    fn request_form(&mut self, outline: &Outline<'_>, ask: &Ask<'_>) {
        let count = |kind: fn(&Part<'_>) -> bool| {
            let parts = outline.turns.iter().rev().take(HISTORY).flat_map(|turn| &turn.parts);
            parts.filter(|part| kind(part)).count() as f32
        };
        self.set(Counter::AskSize, ask.bytes as f32);
        self.set(Counter::HarnessShare, ask.harness as f32 / (ask.harness + ask.bytes).max(1) as f32);
        self.set(Counter::AgentLoop, f32::from(u8::from(ask.agent_loop)));
        self.set(Counter::Tools, outline.tools.len() as f32);
        self.set(Counter::ToolsSize, outline.tools.iter().map(|tool| tool.bytes).sum::<usize>() as f32);
        self.set(Counter::ToolForced, f32::from(u8::from(outline.tool_forced)));
        self.set(Counter::JsonObject, f32::from(u8::from(outline.output == OutputForm::JsonObject)));
        self.set(Counter::JsonSchema, f32::from(u8::from(outline.output == OutputForm::JsonSchema)));
        self.set(Counter::Images, count(|part| matches!(part, Part::Image)));
        self.set(Counter::Files, count(|part| matches!(part, Part::File | Part::Audio)));
        self.set(Counter::MaxOutput, outline.max_output_tokens.unwrap_or(0) as f32);
        self.set(Counter::ToolCalls, count(|part| matches!(part, Part::ToolCall { .. })));
    }

    fn conversation(&mut self, outline: &Outline<'_>) {
        let turns = &outline.turns;
        let size = |role| {
            let texts = turns.iter().filter(|turn| turn.role == role).flat_map(Turn::texts);
            texts.map(str::len).sum::<usize>() as f32
        };
        self.set(Counter::Turns, turns.len() as f32);
        self.set(Counter::UserTurns, turns.iter().filter(|turn| turn.role == Role::User).count() as f32);
        self.set(Counter::SystemSize, size(Role::System));
        self.set(Counter::HistorySize, size(Role::Assistant) + size(Role::Tool));
        let results = || turns.iter().rev().take(HISTORY).flat_map(|turn| turn.parts.iter().rev()).filter_map(failed);
        self.set(Counter::ToolErrors, results().filter(|failed| *failed).count() as f32);
        self.set(Counter::FailureRun, results().take_while(|failed| *failed).count() as f32);
        let recent = &turns[turns.len().saturating_sub(HISTORY)..];
        let answered = recent.windows(2).filter(|pair| pair[0].role == Role::Assistant && pair[1].role == Role::User);
        self.set(Counter::Corrections, answered.filter(|pair| corrects(&pair[1])).count() as f32);
    }
}

/// For a tool result: whether it failed.
fn failed(part: &Part<'_>) -> Option<bool> {
    let Part::ToolResult { text, is_error } = part else { return None };
    let start = &text[..text.floor_char_boundary(40)];
    Some(
        *is_error || ["Error", "error:", "Traceback", "ERROR", "fatal:", "Exception"].iter().any(|w| start.contains(w)),
    )
}

/// Openings with which a user sends an answer back.
const CORRECTIONS: &[&str] = &[
    "no,",
    "no ",
    "nope",
    "wrong",
    "that's not",
    "thats not",
    "that is not",
    "not what",
    "incorrect",
    "still ",
    "it still",
    "doesn't work",
    "does not work",
    "didn't work",
    "again",
    "try again",
    "you forgot",
    "you missed",
    "nein",
    "falsch",
    "non,",
    "non ",
    "faux",
    "incorrecto",
    "mal ",
    "нет",
    "неверно",
    "不对",
    "错",
    "違う",
    "خطأ",
    "गलत",
    "errado",
    "same error",
];

fn corrects(turn: &Turn<'_>) -> bool {
    turn.texts().next().is_some_and(|text| {
        let start = text[..text.floor_char_boundary(48)].to_lowercase();
        CORRECTIONS.iter().any(|word| start.starts_with(word))
    })
}

#[cfg(test)]
mod tests;
