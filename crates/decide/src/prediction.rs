//! What the predictor says about one request.

use crate::{Complexity, MAX_TIERS, TierId};
use serde::{Deserialize, Serialize};

/// What kind of work a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskType {
    /// A question with a short answer.
    Qa,
    /// Shorter text from longer text.
    Summarization,
    /// Fields out of text.
    Extraction,
    /// A label for text.
    Classification,
    /// New prose.
    Writing,
    /// Programs: write, explain, mend.
    Coding,
    /// Several steps of thought about facts or figures.
    Analysis,
    /// Another language.
    Translation,
    /// None of these.
    Other,
}

impl TaskType {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::Qa,
        Self::Summarization,
        Self::Extraction,
        Self::Classification,
        Self::Writing,
        Self::Coding,
        Self::Analysis,
        Self::Translation,
        Self::Other,
    ];

    /// The name in config, records and headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qa => "qa",
            Self::Summarization => "summarization",
            Self::Extraction => "extraction",
            Self::Classification => "classification",
            Self::Writing => "writing",
            Self::Coding => "coding",
            Self::Analysis => "analysis",
            Self::Translation => "translation",
            Self::Other => "other",
        }
    }
}

/// Why the predictor would rather not say. Doubt goes to the baseline tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Abstain {
    /// Nothing in the request tells easy from hard.
    NoSignal,
    /// Too far from anything it was trained on.
    Unfamiliar,
    /// The ask is empty or cannot be told apart from the text around it.
    NoAsk,
}

/// The predictor's view of one request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// P(this tier's answer will do), cheapest tier first; entries past the ladder's length are 0.
    pub p_ok: [f32; MAX_TIERS],
    /// 0..1, rises with the need for the baseline tier over the cheapest: a total order over requests.
    pub score_strong: f32,
    /// How hard it looks; derived from the probabilities.
    pub complexity: Complexity,
    /// The kind of work.
    pub task_type: TaskType,
    /// Distance from what it was trained on: 0 familiar, 1 and above unfamiliar.
    pub novelty: f32,
    /// Set when the rest should not be relied on.
    pub abstain: Option<Abstain>,
    /// Expected output tokens per tier (reasoning included), for expected cost.
    pub output_tokens: [f32; MAX_TIERS],
    /// Thresholds were proven on the operator's own outcomes.
    pub calibrated: bool,
}

impl Prediction {
    /// Output tokens that are expected of a tier, reasoning included.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "forecasts are small and not negative")]
    pub fn output_on(&self, tier: TierId) -> u64 {
        self.output_tokens[usize::from(tier.0)].max(0.0) as u64
    }
}
