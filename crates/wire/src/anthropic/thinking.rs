//! What is asked of Claude's reasoning: thinking, and the effort, which steers all output, thinking or not. One place for
//! requests that go on in the Messages API as they came, and for those that are written anew, for it or for Bedrock.
//!
//! Refuses to ask for what the API refuses: an effort where the model takes none, thinking beside a forced tool, a budget
//! for which the output limit has no room.

use crate::EncodeOptions;
use crate::Reasoning;
use crate::neutral::ReasoningAsk;
use crate::options::{Changes, Thought};

/// The least budget that the API takes.
const LEAST_BUDGET: u32 = 1_024;

/// Thinking tokens for a client that asked for thinking without a number.
const DEFAULT_BUDGET: u32 = 8_192;

/// What the rest of a request leaves room for.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    /// Its output limit.
    pub(crate) limit: u32,
    /// A tool has to be called.
    pub(crate) forced: bool,
    /// Tool calls are under way that were made without this model's thinking.
    pub(crate) unsigned: bool,
}

/// What is asked in the end.
#[derive(Debug)]
pub(crate) struct Thinking {
    /// `thinking`; never an effort.
    pub(crate) thought: Thought,
    /// `output_config.effort`.
    pub(crate) effort: Option<String>,
}

/// Fits what the client asked to the model. `own`: the client speaks this API, where an effort alone asks for no thinking.
pub(crate) fn thinking(
    ask: &ReasoningAsk,
    own: bool,
    options: &EncodeOptions,
    beside: Beside,
    changes: &mut Changes,
) -> Thinking {
    let field = if own { "thinking" } else { "reasoning_effort" };
    let alone = own && ask.enabled.is_none() && ask.budget_tokens.is_none();
    let configured = options.effort.is_some();
    let thought = if alone && !configured { Thought::Default } else { options.thought(ask, field, changes) };
    let mut asked = match thought {
        Thought::Effort(effort) if alone => Thinking { thought: Thought::Default, effort: Some(effort) },
        // The effort is the operator's, whether to think the client's, where the model can do without.
        Thought::Effort(effort) if own && ask.enabled == Some(false) && options.reasoning != Reasoning::Always => {
            Thinking { thought: Thought::Off, effort: Some(effort) }
        }
        Thought::Effort(effort) => Thinking { thought: Thought::On, effort: Some(effort) },
        Thought::On if options.reasoning_budget => Thinking { thought: Thought::Budget(DEFAULT_BUDGET), effort: None },
        thought => Thinking { thought, effort: None },
    };
    if own && asked.effort.is_none() {
        asked.effort = own_effort(ask, options, changes);
    }
    if options.efforts.is_empty() && asked.effort.as_deref() == Some("minimal") {
        changes.changed(field, "minimal became low");
        asked.effort = Some("low".to_owned());
    }
    asked.thought = possible(asked.thought, ask, field, options, beside, changes);
    if !own && asked.thought == Thought::Off {
        asked.effort = None;
    }
    asked
}

/// A client's effort where thinking is asked for in another way, or not at all.
fn own_effort(ask: &ReasoningAsk, options: &EncodeOptions, changes: &mut Changes) -> Option<String> {
    const FIELD: &str = "output_config.effort";
    let asked = ask.effort.as_ref()?;
    if !options.takes_effort() {
        changes.dropped(FIELD, "this model takes no effort");
        return None;
    }
    let known = options.nearest(options.effort.as_ref().unwrap_or(asked));
    if known != *asked {
        changes.changed(FIELD, format!("asked for effort {known}"));
    }
    Some(known).filter(|known| known != "none")
}

/// Thinking that Claude's rules allow beside the rest of the request.
fn possible(
    thought: Thought,
    ask: &ReasoningAsk,
    field: &str,
    options: &EncodeOptions,
    beside: Beside,
    changes: &mut Changes,
) -> Thought {
    let refused = match thought {
        Thought::On | Thought::Budget(_) if beside.forced && options.reasoning != Reasoning::Always => {
            "a forced tool and thinking exclude each other"
        }
        Thought::Budget(_) if beside.unsigned => "the running tool calls were made without this model's thinking",
        Thought::Budget(_) if beside.limit <= LEAST_BUDGET => "the output limit leaves no room for thinking",
        Thought::Budget(budget) => {
            let fitting = budget.clamp(LEAST_BUDGET, beside.limit - 1);
            if field == "thinking" && ask.budget_tokens != Some(fitting) {
                let note = format!("this model wants a budget under the output limit: {fitting} tokens");
                changes.changed(field, note);
            }
            return Thought::Budget(fitting);
        }
        other => return other,
    };
    changes.dropped(field, refused);
    Thought::Off
}
