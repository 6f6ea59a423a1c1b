//! A Messages request: limit, thinking and effort, sampling, a partial answer at the end, marks for the prompt cache.

use super::Edits;
use crate::anthropic::{self, Beside, cache};
use crate::ids::{GO_ON, GO_ON_NOTE};
use crate::json::Node;
use crate::neutral::ReasoningAsk;
use crate::options::Thought;
use crate::splice::Edit;
use crate::write::{Arr, Obj, quoted};
use crate::{DecodeError, EncodeOptions};

pub(super) fn fit(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    edits.limit("max_tokens", options);
    let forced = edits.node("tool_choice", 1)?;
    let mut forced = forced.is_some_and(|choice| matches!(choice.str("type"), Some("any" | "tool")));
    if forced && !options.forced_tool_choice {
        edits.changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
        edits.set("tool_choice", r#"{"type":"auto"}"#.to_owned());
        forced = false;
    }
    let thought = thinking(edits, forced, options)?;
    let reasons = thought.is_some_and(|thought| options.reasons(&thought));
    edits.sampling(&["temperature", "top_p", "top_k"], options.takes_sampling(reasons), reasons);
    if !options.stop {
        edits.drop("stop_sequences", "the model takes no stop sequences");
    }
    if !options.prefill && !options.guessed {
        after_prefill(edits)?;
    }
    // A partial turn that was just given an end is no conversation that profits.
    let untouched = !edits.list.iter().any(|edit| matches!(edit, Edit::Set("messages", _)));
    if options.place_cache_marks && untouched {
        let marks = cache::marks(edits.fields, &options.model)?;
        if !marks.is_empty() {
            edits.changes.changed("cache_control", cache::NOTE);
            edits.list.extend(marks);
        }
    }
    Ok(())
}

/// Thinking and effort as the model takes them. None: what the client said stays, as nobody knows what the target takes.
fn thinking(edits: &mut Edits<'_, '_>, forced: bool, options: &EncodeOptions) -> Result<Option<Thought>, DecodeError> {
    if options.stays_as_said() {
        return Ok(None);
    }
    let said = edits.node("thinking", 1)?;
    let config = edits.node("output_config", 1)?;
    let effort = config.as_ref().and_then(|config| config.str("effort"));
    let kind = said.as_ref().and_then(|said| said.str("type"));
    let budget = said.as_ref().and_then(|said| said.u64("budget_tokens")).and_then(|tokens| u32::try_from(tokens).ok());
    let ask = ReasoningAsk {
        effort: effort.map(str::to_owned),
        budget_tokens: budget,
        enabled: said.as_ref().map(|_| kind != Some("disabled")),
        summary: None,
    };
    let limit = edits.get("max_tokens").and_then(|text| text.parse().ok()).unwrap_or(u32::MAX);
    let limit = limit.min(options.max_output_tokens.unwrap_or(u32::MAX));
    let beside = Beside { limit, forced, unsigned: false };
    let wanted = anthropic::thinking(&ask, true, options, beside, &mut edits.changes);
    let mut new = Obj::new();
    match &wanted.thought {
        Thought::Default if said.is_some() => edits.list.push(Edit::Remove("thinking")),
        Thought::Off if kind != Some("disabled") => {
            new.str("type", "disabled");
        }
        Thought::On | Thought::Effort(_) if kind != Some("adaptive") => {
            new.str("type", "adaptive");
        }
        Thought::Budget(tokens) if kind != Some("enabled") || budget != Some(*tokens) => {
            new.str("type", "enabled").num("budget_tokens", *tokens);
        }
        _ => {}
    }
    if !new.is_empty() {
        let display = said.as_ref().filter(|_| wanted.thought != Thought::Off).and_then(|said| said.str("display"));
        edits.set("thinking", new.opt_str("display", display).end());
    }
    match &wanted.effort {
        Some(wanted) if effort != Some(wanted) => edits.set_inner("output_config", "effort", quoted(wanted))?,
        None if effort.is_some() => edits.remove_inner("output_config", "effort")?,
        _ => {}
    }
    Ok(Some(wanted.thought))
}

/// Models without prefill want the user to speak last.
fn after_prefill(edits: &mut Edits<'_, '_>) -> Result<(), DecodeError> {
    let Some(text) = edits.get("messages") else {
        return Ok(());
    };
    let messages = Node::parse(text, 4)?;
    if messages.items().last().is_some_and(is_partial) {
        edits.changes.changed("messages", GO_ON_NOTE);
        let mut list: Vec<String> = messages.items().iter().map(|message| message.raw.to_owned()).collect();
        list.push(Obj::new().str("role", "user").str("content", GO_ON).end());
        edits.set("messages", Arr::of(list));
    }
    Ok(())
}

/// A turn of the model that ends in text. One that ends with a tool that the provider runs was paused (`pause_turn`), and
/// goes on when it comes back as it was.
fn is_partial(message: &Node<'_>) -> bool {
    let ends_in_text = message.get("content").is_some_and(|content| match content.items().last() {
        Some(block) => block.str("type") == Some("text"),
        None => content.as_str().is_some(),
    });
    message.str("role") == Some("assistant") && ends_in_text
}
