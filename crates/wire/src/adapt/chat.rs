//! A Chat Completions request: limit, reasoning, sampling, instructions.

use super::{Edits, tool_choice};
use crate::json::{Kind, Node};
use crate::openai_chat;
use crate::options::Thought;
use crate::splice::{Edit, Fields};
use crate::top::Top;
use crate::write::{Arr, Obj};
use crate::{DecodeError, EncodeOptions, MaxTokensField, Reasoning, SystemRole};

pub(super) fn fit(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    limit(edits, options);
    let thought = reasoning(edits, options)?;
    let reasons = thought.is_some_and(|thought| options.reasons(&thought));
    let taken = options.takes_sampling(reasons);
    edits.sampling(&["temperature", "top_p", "top_k"], taken, reasons);
    let fine = ["presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"];
    edits.sampling(&fine, taken && options.penalties, reasons);
    if !options.stop {
        edits.drop("stop", "the model takes no stop sequences");
    }
    tool_choice(edits, options)?;
    if options.include_usage && edits.get("stream") == Some("true") {
        let asked = edits.node("stream_options", 1)?;
        if asked.and_then(|node| node.get("include_usage")?.as_bool()) != Some(true) {
            edits.set_inner("stream_options", "include_usage", "true".to_owned())?;
        }
    }
    instructions(edits, options)
}

/// One of two fields holds the output limit, and models know one of them. Where both are given the newer one goes first.
fn limit(edits: &mut Edits<'_, '_>, options: &EncodeOptions) {
    let (older, newer) = ("max_tokens", "max_completion_tokens");
    let (other, wanted) = match options.max_tokens_field {
        MaxTokensField::MaxTokens => (newer, older),
        MaxTokensField::MaxCompletionTokens => (older, newer),
    };
    let said = [newer, older].into_iter().find(|name| edits.get(name).is_some());
    let Some(value) = said.filter(|said| *said == other).and_then(|said| edits.get(said)) else {
        edits.limit(wanted, options);
        if edits.fields.get(other).is_some() {
            edits.list.push(Edit::Remove(other));
        }
        return;
    };
    let lowered = edits.lowered(other, options);
    edits.changes.changed(other, format!("the model takes {wanted}"));
    if lowered.is_none() && edits.fields.get(wanted).is_none() {
        edits.list.push(Edit::Rename(other, wanted));
    } else {
        edits.list.push(Edit::Remove(other));
        edits.set(wanted, lowered.unwrap_or_else(|| value.to_owned()));
    }
}

/// Reasoning is asked for in OpenAI's form or in OpenRouter's, which OpenAI refuses. One that says already what the model is
/// to be asked stays as it came, with all else that stands in it. None: nobody knows what the model takes.
fn reasoning(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<Option<Thought>, DecodeError> {
    let ask = openai_chat::reasoning(&Top(edits.fields))?;
    let object = edits.get("reasoning").is_some();
    let field = if object && edits.get("reasoning_effort").is_none() { "reasoning" } else { "reasoning_effort" };
    let Some(thought) = edits.thought(&ask, field, options) else { return Ok(None) };
    let openrouter = field == "reasoning" && options.max_tokens_field == MaxTokensField::MaxTokens;
    let alone = ask.effort.is_none() && ask.budget_tokens.is_none();
    let said = match &thought {
        Thought::Effort(effort) => ask.effort.as_ref() == Some(effort) && ask.budget_tokens.is_none(),
        Thought::Off => alone && ask.enabled == Some(false) || ask.effort.as_deref() == Some("none"),
        Thought::Budget(budget) => ask.effort.is_none() && ask.budget_tokens == Some(*budget),
        Thought::On => alone && ask.enabled == Some(true),
        Thought::Default => object && options.reasoning != Reasoning::None,
    };
    if said && openrouter {
        return Ok(Some(thought));
    }
    let wanted = openai_chat::reasoning_field(&thought);
    for name in ["reasoning_effort", "reasoning"] {
        let new = wanted.as_ref().filter(|(field, _)| *field == name).map(|(_, json)| json);
        match (edits.fields.get(name), new) {
            (Some(said), Some(new)) if said == new => {}
            (_, Some(new)) => edits.set(name, new.clone()),
            (Some(_), None) => edits.list.push(Edit::Remove(name)),
            (None, None) => {}
        }
    }
    if field == "reasoning" && wanted.is_some() {
        edits.changes.changed(field, "said in the form that the model takes");
    }
    Ok(Some(thought))
}

/// Rewrites the messages only when one of them speaks in a role that the model does not know.
fn instructions(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    let Some(text) = edits.get("messages").filter(|_| options.system_role != SystemRole::Both) else {
        return Ok(());
    };
    let fold = options.system_role == SystemRole::None;
    let there = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    if !(there("developer") || fold && there("system")) {
        return Ok(());
    }
    let messages = Node::parse(text, 3)?;
    let mut instructions = Vec::new();
    let mut list = Vec::new();
    let mut changed = false;
    for message in messages.items() {
        match message.str("role") {
            Some("system" | "developer") if fold => {
                instructions.extend(message.get("content"));
                changed = true;
            }
            Some("developer") => {
                let renamed = Fields::parse(message.raw.as_bytes())?.apply(&[Edit::Set("role", "\"system\"".into())]);
                list.push(String::from_utf8_lossy(&renamed).into_owned());
                changed = true;
                edits.changes.changed("messages.role", "developer became system");
            }
            _ => list.push(message.raw.to_owned()),
        }
    }
    if !changed {
        return Ok(());
    }
    if fold {
        edits.changes.moved("system", "the model takes no system role; instructions stand in the first user turn");
        fold_into_first_user(&messages, &instructions, &mut list)?;
    }
    edits.set("messages", Arr::of(list));
    Ok(())
}

fn fold_into_first_user(
    messages: &Node<'_>,
    instructions: &[&Node<'_>],
    list: &mut Vec<String>,
) -> Result<(), DecodeError> {
    let parts = |node: &Node<'_>| -> Vec<String> {
        match &node.kind {
            Kind::String(text) => vec![Obj::new().str("type", "text").str("text", text).end()],
            _ => node.items().iter().map(|part| part.raw.to_owned()).collect(),
        }
    };
    let mut content: Vec<String> = instructions.iter().flat_map(|node| parts(node)).collect();
    let rest = messages.items().iter().filter(|message| !matches!(message.str("role"), Some("system" | "developer")));
    for (at, message) in rest.enumerate() {
        if message.str("role") == Some("user") {
            content.extend(message.get("content").map(parts).unwrap_or_default());
            let set = Edit::Set("content", Arr::of(content).into());
            let text = Fields::parse(message.raw.as_bytes())?.apply(&[set]);
            list[at] = String::from_utf8_lossy(&text).into_owned();
            return Ok(());
        }
    }
    list.insert(0, Obj::new().str("role", "user").raw("content", &Arr::of(content)).end());
    Ok(())
}
