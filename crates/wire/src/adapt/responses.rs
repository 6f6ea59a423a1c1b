//! A Responses request: limit, reasoning, sampling.

use super::{Edits, tool_choice};
use crate::neutral::ReasoningAsk;
use crate::options::{NOT_REASONING, Thought};
use crate::write::{Arr, quoted};
use crate::{DecodeError, EncodeOptions, Reasoning};

pub(super) fn fit(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    edits.limit("max_output_tokens", options);
    let asked = edits.node("reasoning", 1)?.and_then(|node| node.str("effort").map(str::to_owned));
    let ask = ReasoningAsk { effort: asked.clone(), ..ReasoningAsk::default() };
    let thought = edits.thought(&ask, "reasoning", options);
    match &thought {
        Some(Thought::Effort(effort)) if asked.as_ref() != Some(effort) => {
            edits.set_inner("reasoning", "effort", quoted(effort))?;
        }
        Some(Thought::Off) if asked.as_deref() != Some("none") => {
            edits.set_inner("reasoning", "effort", quoted("none"))?;
        }
        Some(Thought::Default) if options.reasoning == Reasoning::None => edits.drop("reasoning", NOT_REASONING),
        _ => {}
    }
    let reasons = thought.is_some_and(|thought| options.reasons(&thought));
    edits.sampling(&["temperature", "top_p", "top_logprobs"], options.takes_sampling(reasons), reasons);
    if options.reasoning == Reasoning::None && !options.stays_as_said() {
        no_encrypted_reasoning(edits)?;
    }
    tool_choice(edits, options)
}

/// Codex asks for it with each request; a model that does not reason refuses that.
fn no_encrypted_reasoning(edits: &mut Edits<'_, '_>) -> Result<(), DecodeError> {
    let Some(include) = edits.node("include", 1)? else { return Ok(()) };
    let others = include.items().iter().filter(|one| one.as_str() != Some("reasoning.encrypted_content"));
    let others: Vec<String> = others.map(|one| one.raw.to_owned()).collect();
    if others.len() < include.items().len() {
        edits.changes.dropped("include.reasoning", NOT_REASONING);
        edits.set("include", Arr::of(others));
    }
    Ok(())
}
