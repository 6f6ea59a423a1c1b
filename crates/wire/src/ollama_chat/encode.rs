//! A neutral request as an `/api/chat` body.

use crate::ids::{EMPTY_SCHEMA, FREE_TEXT_SCHEMA, arguments_object, called_tool, messages_for, result_text};
use crate::neutral::{Content, Message, Output, Part, Request, Role, Source, ToolChoice, ToolKind};
use crate::options::{Changes, Thought};
use crate::splice::{Edit, Fields};
use crate::write::{Arr, Obj};
use crate::{EncodeError, EncodeOptions, Encoded, Format};

/// Writes a request for a target.
///
/// # Errors
/// When the request would lose its meaning: several answers, pictures by link, sound, documents.
pub fn encode_request(request: &Request, options: &EncodeOptions) -> Result<Encoded, EncodeError> {
    if request.n > 1 {
        return Err(EncodeError::new("n", "Ollama gives one answer; ask once for each"));
    }
    let mut changes = Changes::default();
    let mut body = Obj::new();
    body.str("model", &options.model).raw("messages", &messages(request, options, &mut changes)?);
    body.bool("stream", request.stream);
    tools(&mut body, request, &mut changes);
    match &request.output {
        Output::Text => {}
        Output::JsonObject => {
            body.str("format", "json");
        }
        Output::JsonSchema { schema, .. } => {
            changes.no_schema_description(request);
            body.raw("format", schema);
        }
    }
    let thought = options.thought(&request.reasoning, "reasoning_effort", &mut changes);
    changes.no_summary(request);
    match &thought {
        Thought::Default => {}
        Thought::Off => {
            body.bool("think", false);
        }
        Thought::On | Thought::Budget(_) => {
            body.bool("think", true);
        }
        Thought::Effort(effort) => {
            body.str("think", effort);
        }
    }
    if request.logprobs {
        body.bool("logprobs", true);
        if let Some(top) = request.top_logprobs {
            body.num("top_logprobs", top);
        }
    }
    let sampling = sampling(request, options, &thought, &mut changes);
    if sampling != "{}" {
        body.raw("options", &sampling);
    }
    for (name, there) in [
        ("user", request.user.is_some()),
        ("metadata", !request.metadata.is_empty()),
        ("service_tier", request.service_tier.is_some()),
        ("verbosity", request.verbosity.is_some()),
        ("logit_bias", request.logit_bias.is_some()),
    ] {
        if there {
            changes.dropped(name, "Ollama has no such parameter");
        }
    }
    changes.no_single_call(request);
    if request.origin == Format::OllamaChat {
        for (name, json) in request.extra.iter().filter(|(name, _)| name != "options") {
            body.raw(name, json);
        }
    } else {
        changes.drop_extra(request);
    }
    let custom_tools = crate::ids::custom_tools(request);
    let body = body.end().into_bytes();
    Ok(Encoded { body, adaptations: changes.0, structured_tool: None, custom_tools, renamed_tools: Vec::new() })
}

fn sampling(request: &Request, options: &EncodeOptions, thought: &Thought, changes: &mut Changes) -> String {
    let taken = options.takes_sampling(options.reasons(thought));
    let mut object = Obj::new();
    if let Some(limit) = options.limit(request.max_output_tokens, "max_tokens", changes) {
        object.num("num_predict", limit);
    }
    for (name, value) in [
        ("temperature", request.temperature),
        ("top_p", request.top_p),
        ("presence_penalty", request.presence_penalty),
        ("frequency_penalty", request.frequency_penalty),
    ] {
        match value {
            Some(value) if taken => {
                object.float(name, value);
            }
            Some(_) => changes.dropped(name, "the model refuses it"),
            None => {}
        }
    }
    if let Some(top_k) = request.top_k {
        object.num("top_k", top_k);
    }
    if let Some(seed) = request.seed {
        object.num("seed", seed);
    }
    if !request.stop.is_empty() {
        object.raw("stop", &Arr::of_strings(&request.stop));
    }
    let text = object.end();
    // What the client put there beside the options that we know.
    let rest = request.extra.iter().find(|(name, _)| name == "options" && request.origin == Format::OllamaChat);
    let (Some((_, rest)), Ok(ours)) = (rest, Fields::parse(text.as_bytes())) else { return text };
    let Ok(rest) = Fields::parse(rest.as_bytes()) else { return text };
    let names: Vec<(String, &str)> = rest.iter().map(|(name, json)| (name.to_string(), json)).collect();
    let edits: Vec<Edit<'_>> = names.iter().map(|(name, json)| Edit::Set(name, (*json).into())).collect();
    String::from_utf8(ours.apply(&edits)).unwrap_or_default()
}

fn tools(body: &mut Obj, request: &Request, changes: &mut Changes) {
    match &request.tool_choice {
        ToolChoice::Unset | ToolChoice::Auto => {}
        // The one choice that can be kept: no tools, no calls.
        ToolChoice::None => {
            if !request.tools.is_empty() {
                changes.changed("tool_choice", "the tools were left out, so that none is called");
            }
            return;
        }
        _ if request.tools.is_empty() => changes.no_choice(request),
        _ => changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides"),
    }
    let mut list = Arr::new();
    for tool in &request.tools {
        if tool.cache.is_some() {
            changes.dropped("cache_control", "the target caches by itself");
        }
        let schema = match &tool.kind {
            ToolKind::Function { parameters, strict } => {
                if *strict == Some(true) {
                    changes.dropped("tools.strict", "the API cannot be held to a tool's schema");
                }
                parameters.as_deref().unwrap_or(EMPTY_SCHEMA)
            }
            ToolKind::Custom { .. } => {
                changes.changed(format!("tools.{}", tool.name), "free text became one string argument");
                FREE_TEXT_SCHEMA
            }
            ToolKind::Hosted { .. } => {
                changes.dropped(format!("tools.{}", tool.name), "this tool is run by another provider");
                continue;
            }
        };
        let mut inner = Obj::new();
        inner.str("name", &tool.name).opt_str("description", tool.description.as_deref()).raw("parameters", schema);
        list.push(&Obj::new().str("type", "function").raw("function", &inner.end()).end());
    }
    if !list.is_empty() {
        body.raw("tools", &list.end());
    }
}

fn messages(request: &Request, options: &EncodeOptions, changes: &mut Changes) -> Result<String, EncodeError> {
    let messages = messages_for(request, options, changes);
    let mut list = Arr::new();
    for message in messages.iter() {
        if message.role == Role::Tool {
            tool_results(message, request, changes, &mut list)?;
            continue;
        }
        if message.role == Role::Developer {
            changes.changed("messages.role", "developer became system");
        }
        if message.name.is_some() {
            changes.dropped("messages.name", "the API knows no names of speakers");
        }
        list.push(&said(message, options, changes)?);
    }
    Ok(list.end())
}

fn tool_results(
    message: &Message,
    request: &Request,
    changes: &mut Changes,
    list: &mut Arr,
) -> Result<(), EncodeError> {
    for part in &message.parts {
        let Content::ToolResult { call_id, name, content, is_error } = &part.content else { continue };
        if *is_error {
            changes.dropped("is_error", "the API has no mark for failed tools; the text stays");
        }
        if part.cache.is_some() {
            changes.dropped("cache_control", "the target caches by itself");
        }
        let (text, rest) = result_text(content);
        let images = rest.into_iter().map(|content| image(content, changes)).filter_map(Result::transpose);
        let images = images.collect::<Result<Vec<_>, _>>()?;
        let mut object = Obj::new();
        object.str("role", "tool").str("content", &text);
        if !images.is_empty() {
            object.raw("images", &Arr::of_strings(&images));
        }
        let name = name.as_deref().or_else(|| called_tool(request, call_id));
        list.push(&object.opt_str("tool_name", name).str("tool_call_id", call_id).end());
    }
    Ok(())
}

/// The base64 of a picture; None for what is left out.
fn image(content: &Content, changes: &mut Changes) -> Result<Option<String>, EncodeError> {
    match content {
        Content::Image { source: Source::Data { data, .. }, detail } => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                changes.dropped("image_url.detail", "the API has no such field");
            }
            Ok(Some(data.clone()))
        }
        Content::Image { .. } => Err(EncodeError::new("image_url", "Ollama fetches no links; send the picture inline")),
        Content::Audio { .. } => Err(EncodeError::new("input_audio", "Ollama takes no sound")),
        Content::File { source, .. } if !matches!(source, Source::Text(_)) => {
            Err(EncodeError::new("file", "Ollama takes no documents"))
        }
        other => {
            changes.dropped(other.what(), "the API has no place for it here");
            Ok(None)
        }
    }
}

fn said(message: &Message, options: &EncodeOptions, changes: &mut Changes) -> Result<String, EncodeError> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::Assistant => "assistant",
        Role::User | Role::Tool => "user",
    };
    let mut texts: Vec<&str> = Vec::new();
    let (mut images, mut calls, mut thinking) = (Vec::new(), Arr::new(), None);
    for Part { content, cache } in &message.parts {
        if cache.is_some() {
            changes.dropped("cache_control", "the target caches by itself");
        }
        match content {
            Content::Text { text, citations } => {
                if citations.is_some() {
                    changes.dropped("citations", "requests of this API carry none");
                }
                texts.push(text);
            }
            Content::Refusal(text) => texts.push(text),
            Content::File { source: Source::Text(text), .. } => {
                changes.changed("document", "a text document became text");
                texts.push(text);
            }
            Content::ToolCall { id, name, arguments, .. } => {
                let inner = Obj::new().str("name", name).raw("arguments", &arguments_object(arguments)).end();
                calls.push(&Obj::new().str("id", id).raw("function", &inner).end());
            }
            Content::Reasoning { text, origin: Format::OllamaChat, .. } if options.same_model => thinking = Some(text),
            Content::Reasoning { .. } => {
                changes.dropped("reasoning", "earlier reasoning stays with the model that made it");
            }
            other => images.extend(image(other, changes)?),
        }
    }
    if texts.len() > 1 {
        changes.changed("messages.content", "several pieces of text became one");
    }
    let mut object = Obj::new();
    object.str("role", role).str("content", &texts.join("\n"));
    object.opt_str("thinking", thinking.map(String::as_str));
    if !images.is_empty() {
        object.raw("images", &Arr::of_strings(&images));
    }
    if !calls.is_empty() {
        object.raw("tool_calls", &calls.end());
    }
    Ok(object.end())
}
