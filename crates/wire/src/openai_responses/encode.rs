//! A neutral request as a Responses body.

use super::decode::LOGPROBS;
use super::item::{call_item, reasoning_item};
use crate::ids::{FREE_TEXT_SCHEMA, GO_ON, GO_ON_NOTE, fitting_id, fitting_user, messages_for};
use crate::neutral::{Content, Message, Output, Part, Request, Role, Source, Tool, ToolChoice, ToolKind};
use crate::options::{Changes, NOT_REASONING, Thought};
use crate::write::{Arr, Obj, quoted};
use crate::{EncodeError, EncodeOptions, Encoded, Format, Reasoning, SystemRole};

const MAX_ID: usize = 64;

/// The lowest output limit that the API takes.
const LEAST_OUTPUT: u32 = 16;

/// Writes a request for a target. State is never left with the provider for a client that did not ask for it.
///
/// # Errors
/// When the request would lose its meaning: several answers, documents that lie elsewhere.
pub fn encode_request(request: &Request, options: &EncodeOptions) -> Result<Encoded, EncodeError> {
    if request.n > 1 {
        return Err(EncodeError::new("n", "the Responses API gives one answer; ask once for each"));
    }
    let mut changes = Changes::default();
    let mut body = Obj::new();
    body.str("model", &options.model);
    messages(&mut body, request, options, &mut changes)?;
    tools(&mut body, request, options, &mut changes);
    text(&mut body, request);
    let limit = options.limit(request.max_output_tokens, "max_tokens", &mut changes);
    if let Some(limit) = limit {
        if limit < LEAST_OUTPUT {
            changes.changed("max_tokens", format!("the Responses API takes no limit under {LEAST_OUTPUT} tokens"));
        }
        body.num("max_output_tokens", limit.max(LEAST_OUTPUT));
    }
    let thought = options.thought(&request.reasoning, "reasoning_effort", &mut changes);
    reasoning(&mut body, request, options, &thought, &mut changes);
    sampling(&mut body, request, options, options.reasons(&thought), &mut changes);
    if request.stream {
        body.bool("stream", true);
    }
    match request.origin {
        Format::OpenaiResponses | Format::OpenaiChat => {
            body.opt_str("service_tier", request.service_tier.as_deref());
        }
        _ if request.service_tier.is_some() => changes.dropped("service_tier", "the target's tiers are others"),
        _ => {}
    }
    body.opt_str("user", fitting_user(request, &mut changes).as_deref());
    body.metadata(&request.metadata);
    if request.origin == Format::OpenaiResponses {
        body.all_raw(&request.extra);
    } else {
        body.all_raw(changes.split_extra(request, true));
        body.bool("store", false);
    }
    if !request.extra.iter().any(|(name, _)| name == "include") {
        let reasons = request.origin != Format::OpenaiResponses && options.reasons(&thought);
        let logprobs = request.logprobs && options.takes_sampling(options.reasons(&thought));
        let wanted = [(reasons, "reasoning.encrypted_content"), (logprobs, LOGPROBS)];
        let include = Arr::of(wanted.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| quoted(name)));
        if include != "[]" {
            body.raw("include", &include);
        }
    }
    let custom_tools = if options.custom_tools { Vec::new() } else { crate::ids::custom_tools(request) };
    let body = body.end().into_bytes();
    Ok(Encoded { body, adaptations: changes.0, structured_tool: None, custom_tools, renamed_tools: Vec::new() })
}

fn reasoning(body: &mut Obj, request: &Request, options: &EncodeOptions, thought: &Thought, changes: &mut Changes) {
    if options.reasoning == Reasoning::None && *thought == Thought::Default {
        if request.reasoning.summary.is_some() {
            changes.dropped("reasoning", NOT_REASONING);
        }
        return;
    }
    let mut object = Obj::new();
    match thought {
        Thought::Effort(effort) => {
            object.str("effort", effort);
        }
        Thought::Off => {
            object.str("effort", "none");
        }
        Thought::On => {
            object.str("effort", "medium");
        }
        Thought::Budget(_) | Thought::Default => {}
    }
    if request.origin == Format::OpenaiResponses {
        object.opt_str("summary", request.reasoning.summary.as_deref());
    } else if (!object.is_empty() || request.reasoning.summary.is_some()) && *thought != Thought::Off {
        object.str("summary", "auto");
    }
    if !object.is_empty() {
        body.raw("reasoning", &object.end());
    }
}

fn sampling(body: &mut Obj, request: &Request, options: &EncodeOptions, reasons: bool, changes: &mut Changes) {
    let taken = options.takes_sampling(reasons);
    let why = if reasons { "the model takes no sampling parameters while it reasons" } else { "the model refuses it" };
    for (name, value) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        match value {
            Some(value) if taken => {
                body.float(name, value);
            }
            Some(_) => changes.dropped(name, why),
            None => {}
        }
    }
    if request.logprobs {
        if taken {
            body.num("top_logprobs", request.top_logprobs.unwrap_or(0));
        } else {
            changes.dropped("logprobs", why);
        }
    }
    for (name, there) in [
        ("top_k", request.top_k.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("seed", request.seed.is_some()),
        ("stop", !request.stop.is_empty()),
        ("logit_bias", request.logit_bias.is_some()),
    ] {
        if there {
            changes.dropped(name, "the Responses API has no such parameter");
        }
    }
}

fn text(body: &mut Obj, request: &Request) {
    let mut object = Obj::new();
    match &request.output {
        Output::Text => {}
        Output::JsonObject => {
            object.raw("format", r#"{"type":"json_object"}"#);
        }
        Output::JsonSchema { name, description, schema, strict } => {
            let mut format = Obj::new();
            format.str("type", "json_schema").str("name", name).opt_str("description", description.as_deref());
            format.raw("schema", schema);
            if let Some(strict) = strict {
                format.bool("strict", *strict);
            }
            object.raw("format", &format.end());
        }
    }
    object.opt_str("verbosity", request.verbosity.as_deref());
    if !object.is_empty() {
        body.raw("text", &object.end());
    }
}

fn tools(body: &mut Obj, request: &Request, options: &EncodeOptions, changes: &mut Changes) {
    let mut list = Arr::new();
    for tool in &request.tools {
        if tool.cache.is_some() {
            changes.dropped("cache_control", "the target caches by itself");
        }
        match &tool.kind {
            ToolKind::Hosted { origin: Format::OpenaiResponses, json } => list.push(json),
            ToolKind::Hosted { .. } => {
                changes.dropped(format!("tools.{}", tool.name), "this tool is run by another provider");
            }
            _ => list.push(&self::tool(tool, options, changes)),
        }
    }
    if list.is_empty() {
        return changes.no_choice(request);
    }
    body.raw("tools", &list.end());
    if let Some(parallel) = request.parallel_tool_calls {
        body.bool("parallel_tool_calls", parallel);
    }
    let named = |name: &str| {
        let tool = request.tools.iter().find(|tool| tool.name == name);
        match tool.map(|tool| &tool.kind) {
            Some(ToolKind::Hosted { .. }) => Obj::new().str("type", name).end(),
            Some(ToolKind::Custom { .. }) if options.custom_tools => {
                Obj::new().str("type", "custom").str("name", name).end()
            }
            _ => Obj::new().str("type", "function").str("name", name).end(),
        }
    };
    let (choice, forced) = match &request.tool_choice {
        ToolChoice::Unset => return,
        ToolChoice::Auto => (quoted("auto"), false),
        ToolChoice::None => (quoted("none"), false),
        ToolChoice::Required => (quoted("required"), true),
        ToolChoice::Named(name) => (named(name), true),
        ToolChoice::Allowed { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            let tools = Arr::of(names.iter().map(|name| named(name)));
            (Obj::new().str("type", "allowed_tools").str("mode", mode).raw("tools", &tools).end(), *required)
        }
    };
    if forced && !options.forced_tool_choice {
        changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
        body.str("tool_choice", "auto");
    } else {
        body.raw("tool_choice", &choice);
    }
}

fn tool(tool: &Tool, options: &EncodeOptions, changes: &mut Changes) -> String {
    let mut object = Obj::new();
    match &tool.kind {
        ToolKind::Custom { format } if options.custom_tools => {
            object.str("type", "custom").str("name", &tool.name);
            object.opt_str("description", tool.description.as_deref()).opt_raw("format", format.as_deref());
        }
        ToolKind::Function { parameters, strict } => {
            object.str("type", "function").str("name", &tool.name);
            object.opt_str("description", tool.description.as_deref());
            object.raw("parameters", parameters.as_deref().unwrap_or("null"));
            // Left out, `strict` means true here and false in the other APIs.
            match strict {
                Some(strict) => object.bool("strict", *strict),
                None => object.bool("strict", false),
            };
        }
        ToolKind::Custom { .. } | ToolKind::Hosted { .. } => {
            changes.changed(format!("tools.{}", tool.name), "free text became one string argument");
            object.str("type", "function").str("name", &tool.name);
            object.opt_str("description", tool.description.as_deref()).raw("parameters", FREE_TEXT_SCHEMA);
        }
    }
    object.end()
}

fn messages(
    body: &mut Obj,
    request: &Request,
    options: &EncodeOptions,
    changes: &mut Changes,
) -> Result<(), EncodeError> {
    let said = messages_for(request, options, changes);
    let mut messages = &*said;
    // Alone they stand in the input, which may not be empty.
    if let Some((Message { role: Role::System, parts, .. }, rest @ [_, ..])) = messages.split_first()
        && let [Part { content: Content::Text { text, .. }, cache }] = parts.as_slice()
    {
        body.str("instructions", text);
        note_cache(cache.is_some(), changes);
        messages = rest;
    }
    let is_custom = |id: &str| {
        request
            .messages
            .iter()
            .flat_map(|message| &message.parts)
            .any(|part| matches!(&part.content, Content::ToolCall { id: call, custom: true, .. } if call == id))
    };
    let mut items = Arr::new();
    for message in messages {
        if message.name.is_some() {
            changes.dropped("messages.name", "the API knows no names of speakers");
        }
        match message.role {
            Role::Assistant => assistant(message, options, changes, &mut items),
            Role::Tool => {
                for part in &message.parts {
                    let Content::ToolResult { call_id, content, is_error, .. } = &part.content else { continue };
                    if *is_error {
                        changes.dropped("is_error", "the API has no mark for failed tools; the text stays");
                    }
                    note_cache(part.cache.is_some(), changes);
                    let custom = options.custom_tools && is_custom(call_id);
                    let kind = if custom { "custom_tool_call_output" } else { "function_call_output" };
                    let output = match content.as_slice() {
                        [Content::Text { text, .. }] => quoted(text),
                        [] => quoted(""),
                        several => input_parts(several.iter(), changes)?,
                    };
                    let mut item = Obj::new();
                    item.str("type", kind).str("call_id", &fitting_id(call_id, MAX_ID)).raw("output", &output);
                    items.push(&item.end());
                }
            }
            role => {
                let word = match role {
                    Role::Developer if options.system_role == SystemRole::Both => "developer",
                    Role::System | Role::Developer => "system",
                    _ => "user",
                };
                if role == Role::Developer && word == "system" {
                    changes.changed("messages.role", "developer became system");
                }
                let marked = message.parts.iter().any(|part| part.cache.is_some());
                note_cache(marked, changes);
                let content = input_parts(message.parts.iter().map(|part| &part.content), changes)?;
                items.push(&Obj::new().str("type", "message").str("role", word).raw("content", &content).end());
            }
        }
    }
    if !options.prefill && request.ends_partial() {
        changes.changed("messages", GO_ON_NOTE);
        items.push(&Obj::new().str("type", "message").str("role", "user").str("content", GO_ON).end());
    }
    body.raw("input", &items.end());
    Ok(())
}

fn note_cache(marked: bool, changes: &mut Changes) {
    if marked {
        changes.dropped("cache_control", "the target caches by itself");
    }
}

/// Text that stands together is one message; calls and reasoning are items of their own, all in order.
fn assistant(message: &Message, options: &EncodeOptions, changes: &mut Changes, items: &mut Arr) {
    let mut said = Arr::new();
    let flush = |said: &mut Arr, items: &mut Arr| {
        if !said.is_empty() {
            let content = std::mem::replace(said, Arr::new()).end();
            items.push(&Obj::new().str("type", "message").str("role", "assistant").raw("content", &content).end());
        }
    };
    for part in &message.parts {
        note_cache(part.cache.is_some(), changes);
        match &part.content {
            Content::Text { text, citations } => {
                let mut object = Obj::new();
                object.str("type", "output_text").str("text", text);
                match citations {
                    Some(list) if !list.contains("_location\"") => {
                        object.raw("annotations", list);
                    }
                    Some(_) => changes.dropped("citations", "the target knows other citations"),
                    None => {}
                }
                said.push(&object.end());
            }
            Content::Refusal(text) => said.push(&Obj::new().str("type", "refusal").str("refusal", text).end()),
            Content::ToolCall { .. } => {
                flush(&mut said, items);
                items.push(&call_item("", "", &plain_call(&part.content, options)));
            }
            Content::Reasoning {
                text, encrypted: encrypted @ Some(_), id, origin: Format::OpenaiResponses, ..
            } if options.same_model => {
                flush(&mut said, items);
                let id = id.as_deref().unwrap_or("rs_0");
                items.push(&reasoning_item(id, text, None, encrypted.as_deref(), Format::OpenaiResponses));
            }
            Content::Reasoning { .. } => {
                changes.dropped("reasoning", "earlier reasoning stays with the model that made it");
            }
            Content::Raw { origin: Format::OpenaiResponses, json } => {
                flush(&mut said, items);
                items.push(json);
            }
            other => changes.dropped(other.what(), "the API has no place for it here"),
        }
    }
    flush(&mut said, items);
}

fn plain_call(call: &Content, options: &EncodeOptions) -> Content {
    let mut call = call.clone();
    if let Content::ToolCall { custom: custom @ true, arguments, .. } = &mut call
        && !options.custom_tools
    {
        *custom = false;
        *arguments = crate::ids::arguments_object(arguments).into_owned();
    }
    call
}

fn input_parts<'c>(contents: impl Iterator<Item = &'c Content>, changes: &mut Changes) -> Result<String, EncodeError> {
    let mut list = Arr::new();
    for content in contents {
        let mut object = Obj::new();
        match content {
            Content::Text { text, .. } | Content::Refusal(text) => {
                object.str("type", "input_text").str("text", text);
            }
            Content::Image { source, detail } => {
                object.str("type", "input_image");
                match source {
                    Source::FileId { id, origin: Format::OpenaiResponses | Format::OpenaiChat } => {
                        object.str("file_id", id);
                    }
                    other => {
                        let elsewhere =
                            || EncodeError::new("image", "it lies with another provider; send it inline or as a link");
                        object.str("image_url", &other.to_url().ok_or_else(elsewhere)?);
                    }
                }
                object.opt_str("detail", detail.as_deref());
            }
            Content::File { source, name } => {
                match source {
                    Source::FileId { id, origin: Format::OpenaiResponses | Format::OpenaiChat } => {
                        object.str("type", "input_file").str("file_id", id);
                    }
                    Source::Url(url) => {
                        object.str("type", "input_file").str("file_url", url);
                    }
                    Source::Data { .. } => {
                        object.str("type", "input_file").opt_str("file_data", source.to_url().as_deref());
                    }
                    Source::Text(text) => {
                        changes.changed("document", "a text document became a text part");
                        list.push(&Obj::new().str("type", "input_text").str("text", text).end());
                        continue;
                    }
                    Source::FileId { .. } => {
                        return Err(EncodeError::new("file", "it lies with another provider; send it inline"));
                    }
                }
                object.opt_str("filename", name.as_deref());
            }
            Content::Audio { data, format } => {
                let inner = Obj::new().str("data", data).str("format", format).end();
                object.str("type", "input_audio").raw("input_audio", &inner);
            }
            Content::Raw { origin: Format::OpenaiResponses, json } => {
                list.push(json);
                continue;
            }
            other => {
                changes.dropped(other.what(), "the API has no place for it here");
                continue;
            }
        }
        list.push(&object.end());
    }
    Ok(list.end())
}
