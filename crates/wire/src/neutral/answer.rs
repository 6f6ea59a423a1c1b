//! An answer in the neutral form.

use super::{Json, Part};
use crate::{Format, Usage};

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The API that it was read from.
    pub origin: Format,
    /// The provider's id of it; empty when it gave none.
    pub id: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The answers; one unless several were asked for.
    pub choices: Vec<Choice>,
    /// Tokens as reported.
    pub usage: Option<Usage>,
    /// The service tier that was used.
    pub service_tier: Option<String>,
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What the model said, in order.
    pub parts: Vec<Part>,
    /// Why it stopped.
    pub finish: Finish,
    /// Log probabilities in OpenAI's shape.
    pub logprobs: Option<Json>,
}

/// Why a model stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// It had said what it had to say.
    #[default]
    Stop,
    /// A stop sequence came.
    StopSequence(Option<String>),
    /// The output limit was reached.
    Length,
    /// The context window was full.
    ContextFull,
    /// It waits for the results of tools.
    ToolCalls,
    /// The provider's filter, or the model's refusal, ended it.
    ContentFilter,
    /// A long turn was paused and may be continued by sending it back (Anthropic).
    Pause,
    /// The model failed in a way that is no answer (Gemini: `MALFORMED_FUNCTION_CALL`).
    Failed(String),
}
