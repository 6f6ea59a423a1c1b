//! Neutral messages as `system` and `messages` of the Messages API.

use crate::ids::{
    Carried, EMPTY_SCHEMA, FREE_TEXT_SCHEMA, GO_ON, GO_ON_NOTE, arguments_object, fitting_id, fold_instructions,
};
use crate::neutral::{Content, Part, Request, Role, Source, Tool, ToolKind};
use crate::options::Changes;
use crate::splice::{Edit, Fields};
use crate::write::{Arr, Obj};
use crate::{EncodeError, EncodeOptions, Format, Structured, SystemRole};
use std::borrow::Cow;

/// Length that keeps ids of every provider as they are.
const MAX_ID: usize = 128;

struct Turn {
    user: bool,
    blocks: Vec<String>,
    /// The turn holds tool calls and no thinking that this model signed.
    unsigned_calls: bool,
}

/// `system`, `messages`, and whether running tool calls lack this model's thinking.
pub(super) fn system_and_turns(
    request: &Request,
    options: &EncodeOptions,
    instruction: Option<&str>,
    changes: &mut Changes,
) -> Result<(Option<String>, String, bool), EncodeError> {
    let folded;
    let mut messages = request.messages.as_slice();
    if options.system_role == SystemRole::None {
        folded = fold_instructions(messages, changes);
        messages = &folded;
    }
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages {
        match message.role {
            Role::System | Role::Developer => {
                if !turns.is_empty() {
                    changes.moved("messages.system", "instructions amid the conversation went to its head");
                }
                system.extend(blocks(&message.parts, options, changes)?);
            }
            role => {
                if message.name.is_some() {
                    changes.dropped("messages.name", "the API knows no names of speakers");
                }
                let blocks = blocks(&message.parts, options, changes)?;
                if blocks.is_empty() {
                    changes.left_out_silent();
                }
                add_turn(&mut turns, role != Role::Assistant, blocks);
            }
        }
    }
    if let Some(instruction) = instruction {
        system.push(text_block(instruction).end());
    }
    shape_turns(&mut turns, &mut system, options, changes);
    if turns.is_empty() {
        return Err(EncodeError::new("messages", "all of their texts are empty, which the Messages API refuses"));
    }
    let running = turns.iter().rev().take(2).find(|turn| !turn.user).is_some_and(|turn| turn.unsigned_calls);
    let messages = Arr::of(turns.into_iter().map(|turn| {
        let role = if turn.user { "user" } else { "assistant" };
        Obj::new().str("role", role).raw("content", &Arr::of(turn.blocks)).end()
    }));
    let system = (!system.is_empty()).then(|| Arr::of(system));
    Ok((system, messages, running))
}

/// Turns alternate: what one side says in several messages is one turn. Results of tools come first in theirs, as they
/// do in the neutral form.
fn add_turn(turns: &mut Vec<Turn>, user: bool, blocks: Vec<String>) {
    if blocks.is_empty() {
        return;
    }
    let holds = |start: &str| blocks.iter().any(|block| block.starts_with(start));
    let thinking = holds(r#"{"type":"thinking""#) || holds(r#"{"type":"redacted_thinking""#);
    let unsigned_calls = holds(r#"{"type":"tool_use""#) && !thinking;
    match turns.last_mut() {
        Some(last) if last.user == user => {
            // Results go before what else the user says; those of one message never stand among texts.
            let is_result = |block: &String| block.starts_with(r#"{"type":"tool_result""#);
            let place = if holds(r#"{"type":"tool_result""#) {
                last.blocks.iter().take_while(|block| is_result(block)).count()
            } else {
                last.blocks.len()
            };
            last.blocks.splice(place..place, blocks);
            last.unsigned_calls |= unsigned_calls;
        }
        _ => turns.push(Turn { user, blocks, unsigned_calls }),
    }
}

/// What the API demands of the sequence: somebody asks first, and (for models without prefill) asks last.
fn shape_turns(turns: &mut Vec<Turn>, system: &mut Vec<String>, options: &EncodeOptions, changes: &mut Changes) {
    let ask = |text: &str| Turn { user: true, blocks: vec![text_block(text).end()], unsigned_calls: false };
    match turns.first() {
        None if !system.is_empty() => {
            changes.moved("system", "the API needs a user turn; the instructions became one");
            turns.push(Turn { user: true, blocks: std::mem::take(system), unsigned_calls: false });
        }
        Some(first) if !first.user => {
            changes.changed("messages", "the API wants a user turn first; an empty one was put there");
            turns.insert(0, ask("(start)"));
        }
        _ => {}
    }
    if turns.last().is_some_and(|last| !last.user) && !options.prefill {
        changes.changed("messages", GO_ON_NOTE);
        turns.push(ask(GO_ON));
    }
}

fn blocks(parts: &[Part], options: &EncodeOptions, changes: &mut Changes) -> Result<Vec<String>, EncodeError> {
    let mut list = Vec::with_capacity(parts.len());
    for part in parts {
        if let Some(mut object) = block(&part.content, options, changes)? {
            object.opt_raw("cache_control", part.cache.as_deref());
            list.push(object.end());
        }
    }
    Ok(list)
}

fn text_block(text: &str) -> Obj {
    let mut object = Obj::new();
    object.str("type", "text").str("text", text);
    object
}

/// One content block; None for what cannot be said or is empty (the API refuses empty text).
fn block(content: &Content, options: &EncodeOptions, changes: &mut Changes) -> Result<Option<Obj>, EncodeError> {
    let mut object = Obj::new();
    match content {
        Content::Text { text, .. } | Content::Refusal(text) if text.is_empty() => return Ok(None),
        Content::Text { text, citations } => {
            object = text_block(text);
            match citations {
                // Anthropic's citations name a `type` of location in each entry; annotations of others do as well,
                // but under names that this API refuses.
                Some(list) if list.contains("_location\"") => {
                    object.raw("citations", list);
                }
                Some(_) => changes.dropped("annotations", "the target knows other citations"),
                None => {}
            }
        }
        Content::Refusal(text) => object = text_block(text),
        Content::Image { source, detail } => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                changes.dropped("image_url.detail", "the API has no such field");
            }
            object.str("type", "image").raw("source", &self::source(source, "image")?);
        }
        Content::File { source, name } => {
            object.str("type", "document").raw("source", &self::source(source, "file")?);
            object.opt_str("title", name.as_deref());
        }
        Content::Audio { .. } => return Err(EncodeError::new("input_audio", "the Messages API takes no sound")),
        Content::ToolCall { id, name, arguments, .. } => {
            object.str("type", "tool_use").str("id", &fitting_id(id, MAX_ID)).str("name", name);
            object.raw("input", &arguments_object(arguments));
        }
        Content::ToolResult { call_id, content, is_error, .. } => {
            object.str("type", "tool_result").str("tool_use_id", &fitting_id(call_id, MAX_ID));
            let inner = content.iter().map(|content| block(content, options, changes));
            let inner = inner.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
            if !inner.is_empty() {
                object.raw("content", &Arr::of(inner.into_iter().map(|mut block| block.end())));
            }
            if *is_error {
                object.bool("is_error", true);
            }
        }
        Content::Reasoning { text, signature, encrypted, origin, .. } => {
            let ours = *origin == Format::AnthropicMessages && options.same_model;
            match (signature, encrypted) {
                (Some(signature), _) if ours => {
                    object.str("type", "thinking").str("thinking", text).str("signature", signature);
                }
                (None, Some(data)) if ours => {
                    object.str("type", "redacted_thinking").str("data", data);
                }
                _ => {
                    changes.dropped("reasoning", "earlier reasoning stays with the model that made it");
                    return Ok(None);
                }
            }
        }
        Content::Raw { origin: Format::AnthropicMessages, json } => {
            return Ok(json.trim_end().strip_suffix('}').map(|inner| Obj::resume(inner.to_owned())));
        }
        Content::Raw { .. } => {
            changes.dropped("provider_item", "only the provider that made it understands it");
            return Ok(None);
        }
    }
    Ok(Some(object))
}

fn source(source: &Source, field: &str) -> Result<String, EncodeError> {
    let mut object = Obj::new();
    match source {
        Source::Url(url) => object.str("type", "url").str("url", url),
        Source::Data { mime, data } => object.str("type", "base64").str("media_type", mime).str("data", data),
        Source::Text(text) => object.str("type", "text").str("media_type", "text/plain").str("data", text),
        Source::FileId { id, origin: Format::AnthropicMessages } => object.str("type", "file").str("file_id", id),
        Source::FileId { .. } => {
            return Err(EncodeError::new(field, "it lies with another provider; send it inline or as a link"));
        }
    };
    Ok(object.end())
}

/// The schema with the type that this API wants to be told; others take an empty one.
fn object_schema(schema: &str) -> Cow<'_, str> {
    match Fields::parse(schema.as_bytes()) {
        Ok(fields) if fields.get("type").is_none() => {
            let typed = fields.apply(&[Edit::Set("type", "\"object\"".into())]);
            String::from_utf8_lossy(&typed).into_owned().into()
        }
        _ => schema.into(),
    }
}

/// The definition of a tool.
pub(super) fn tool_block(tool: &Tool, request: &Request, options: &EncodeOptions, changes: &mut Changes) -> String {
    let mut object = Obj::new();
    object.str("name", &tool.name).opt_str("description", tool.description.as_deref());
    match &tool.kind {
        ToolKind::Function { parameters, strict } => {
            object.raw("input_schema", &object_schema(parameters.as_deref().unwrap_or(EMPTY_SCHEMA)));
            match strict {
                // Models without structured output know no strict tools either.
                Some(true) if options.structured != Structured::Native => {
                    changes.dropped("tools.strict", "the model cannot be held to a tool's schema");
                }
                Some(strict) if *strict || request.origin == Format::AnthropicMessages => {
                    object.bool("strict", *strict);
                }
                _ => {}
            }
        }
        ToolKind::Custom { .. } | ToolKind::Hosted { .. } => {
            changes.changed(format!("tools.{}", tool.name), "free text became one string argument");
            object.raw("input_schema", FREE_TEXT_SCHEMA);
        }
    }
    object.opt_raw("cache_control", tool.cache.as_deref());
    object.end()
}

/// A tool that the model itself calls, not code that it wrote.
pub(super) const DIRECT: &str = r#"{"type":"direct"}"#;

/// The block of a whole answer; None for what this API's clients cannot read.
pub(super) fn answer_block(content: &Content) -> Option<String> {
    let mut object = Obj::new();
    match content {
        Content::Text { text, citations } => {
            object.str("type", "text").str("text", text);
            let ours = citations.as_deref().filter(|list| list.contains("_location\""));
            object.raw("citations", ours.unwrap_or("null"));
        }
        Content::Refusal(text) => {
            object.str("type", "text").str("text", text).null("citations");
        }
        Content::ToolCall { id, name, arguments, .. } => {
            object.str("type", "tool_use").str("id", &fitting_id(id, MAX_ID)).str("name", name);
            object.raw("input", &arguments_object(arguments)).raw("caller", DIRECT);
        }
        Content::Reasoning { text, signature, encrypted, id, origin } => {
            if let (None, Some(data), Format::AnthropicMessages) = (signature, encrypted, origin) {
                object.str("type", "redacted_thinking").str("data", data);
            } else {
                let proof = Carried::write(
                    signature.as_deref(),
                    encrypted.as_deref(),
                    id.as_deref(),
                    *origin,
                    Format::AnthropicMessages,
                );
                object.str("type", "thinking").str("thinking", text).str("signature", &proof.unwrap_or_default());
            }
        }
        Content::Raw { origin: Format::AnthropicMessages, json } => return Some(json.clone()),
        _ => return None,
    }
    Some(object.end())
}
