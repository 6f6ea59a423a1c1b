//! Neutral messages as `system` and `messages` of the Messages API.

use crate::alternating::{Blocks, Turns};
use crate::ids::{Carried, EMPTY_SCHEMA, FREE_TEXT_SCHEMA, arguments_object, fitting_id, messages_for, object_schema};
use crate::neutral::{Content, Part, Request, Role, Source, Tool, ToolKind};
use crate::options::Changes;
use crate::write::{Arr, Obj};
use crate::{EncodeError, EncodeOptions, Format, Structured};

/// Length that keeps ids of every provider as they are.
const MAX_ID: usize = 128;

const BLOCKS: Blocks = Blocks {
    api: "the Messages API",
    result: r#"{"type":"tool_result""#,
    call: r#"{"type":"tool_use""#,
    thoughts: &[r#"{"type":"thinking""#, r#"{"type":"redacted_thinking""#],
    text: |text| text_block(text).end(),
};

/// `system`, `messages`, and whether running tool calls lack this model's thinking.
pub(super) fn system_and_turns(
    request: &Request,
    options: &EncodeOptions,
    instruction: Option<&str>,
    changes: &mut Changes,
) -> Result<(Option<String>, String, bool), EncodeError> {
    let messages = messages_for(request, options, changes);
    let mut system = Vec::new();
    let mut turns = Turns::new(&BLOCKS);
    for message in messages.iter() {
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
                turns.say(role != Role::Assistant, blocks, changes);
            }
        }
    }
    if let Some(instruction) = instruction {
        system.push(text_block(instruction).end());
    }
    turns.shape(&mut system, options.prefill, changes)?;
    let running = turns.runs_unsigned();
    let system = (!system.is_empty()).then(|| Arr::of(system));
    Ok((system, turns.json(), running))
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
