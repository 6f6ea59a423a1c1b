//! A neutral request as a Chat Completions body.

use super::tools::tools;
use crate::ids::{GO_ON, GO_ON_NOTE, arguments_object, fitting_id, fitting_user, messages_for};
use crate::neutral::{Content, Message, Output, Part, Request, Role, Source};
use crate::options::{Changes, Thought};
use crate::write::{Arr, Obj, quoted};
use crate::{EncodeError, EncodeOptions, Encoded, Format, MaxTokensField, SystemRole};

/// OpenAI refuses longer ids.
const MAX_ID: usize = 64;

/// OpenAI refuses more.
const MAX_STOPS: usize = 4;

/// Writes a request for a target.
///
/// # Errors
/// When the request would lose its meaning: a document or picture that cannot be sent this way.
pub fn encode_request(request: &Request, options: &EncodeOptions) -> Result<Encoded, EncodeError> {
    let mut changes = Changes::default();
    let mut body = Obj::new();
    body.str("model", &options.model);
    body.raw("messages", &messages(request, options, &mut changes)?);
    if request.stream {
        body.bool("stream", true);
        if options.include_usage || request.usage_wanted {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    }
    if let Some(limit) = options.limit(request.max_output_tokens, "max_tokens", &mut changes) {
        let field = match options.max_tokens_field {
            MaxTokensField::MaxTokens => "max_tokens",
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        };
        body.num(field, limit);
    }
    tools(&mut body, request, options, &mut changes);
    output(&mut body, &request.output);
    sampling(&mut body, request, options, &mut changes);
    if request.n > 1 {
        body.num("n", request.n);
    }
    body.opt_str("verbosity", request.verbosity.as_deref());
    service_tier(&mut body, request, &mut changes);
    body.opt_str("user", fitting_user(request, &mut changes).as_deref());
    body.metadata(&request.metadata);
    if request.origin == Format::OpenaiChat {
        body.all_raw(&request.extra);
    } else {
        // Servers that are not OpenAI's may refuse them.
        let openai = options.max_tokens_field == MaxTokensField::MaxCompletionTokens;
        body.all_raw(changes.split_extra(request, openai));
    }
    let custom_tools = if options.custom_tools { Vec::new() } else { crate::ids::custom_tools(request) };
    let body = body.end().into_bytes();
    Ok(Encoded { body, adaptations: changes.0, structured_tool: None, custom_tools, renamed_tools: Vec::new() })
}

/// Tiers of the OpenAI APIs go to either of them; other providers' tiers mean something else.
fn service_tier(body: &mut Obj, request: &Request, changes: &mut Changes) {
    if let Some(tier) = &request.service_tier {
        match request.origin {
            Format::OpenaiChat | Format::OpenaiResponses => {
                body.str("service_tier", tier);
            }
            _ => changes.dropped("service_tier", "the target's tiers are others"),
        }
    }
}

/// The field that asks for this, and its JSON: OpenAI's where it has a word for it, else OpenRouter's.
pub(crate) fn reasoning_field(thought: &Thought) -> Option<(&'static str, String)> {
    Some(match thought {
        Thought::Effort(effort) => ("reasoning_effort", quoted(effort)),
        Thought::Off => ("reasoning_effort", quoted("none")),
        Thought::Budget(budget) => ("reasoning", Obj::new().num("max_tokens", *budget).end()),
        Thought::On => ("reasoning", r#"{"enabled":true}"#.to_owned()),
        Thought::Default => return None,
    })
}

fn sampling(body: &mut Obj, request: &Request, options: &EncodeOptions, changes: &mut Changes) {
    let thought = options.thought(&request.reasoning, "reasoning_effort", changes);
    changes.no_summary(request);
    if let Some((name, json)) = reasoning_field(&thought) {
        body.raw(name, &json);
    }
    let reasons = options.reasons(&thought);
    let taken = options.takes_sampling(reasons);
    let why = if reasons { "the model takes no sampling parameters while it reasons" } else { "the model refuses it" };
    for (name, value, taken) in [
        ("temperature", request.temperature, taken),
        ("top_p", request.top_p, taken),
        ("presence_penalty", request.presence_penalty, taken && options.penalties),
        ("frequency_penalty", request.frequency_penalty, taken && options.penalties),
    ] {
        match value {
            Some(value) if taken => {
                body.float(name, value);
            }
            Some(_) => changes.dropped(name, why),
            None => {}
        }
    }
    match request.top_k {
        // OpenAI has no top_k; compatible servers take it.
        Some(top_k) if taken && request.origin == Format::OpenaiChat => {
            body.num("top_k", top_k);
        }
        Some(_) => changes.dropped("top_k", "the API has no such parameter"),
        None => {}
    }
    if let Some(seed) = request.seed {
        body.num("seed", seed);
    }
    if !request.stop.is_empty() {
        if options.stop {
            // Compatible servers take more, and other models of OpenAI's none.
            let most =
                if options.max_tokens_field == MaxTokensField::MaxCompletionTokens { MAX_STOPS } else { usize::MAX };
            if request.stop.len() > most {
                changes.changed("stop", format!("the API takes {most} stop sequences; the first ones were kept"));
            }
            body.raw("stop", &Arr::of_strings(request.stop.iter().take(most)));
        } else {
            changes.dropped("stop", "the model takes no stop sequences");
        }
    }
    let tokens = taken && options.penalties;
    if request.logprobs {
        if tokens {
            body.bool("logprobs", true);
            if let Some(top) = request.top_logprobs {
                body.num("top_logprobs", top);
            }
        } else {
            changes.dropped("logprobs", why);
        }
    }
    match &request.logit_bias {
        Some(bias) if tokens => {
            body.raw("logit_bias", bias);
        }
        Some(_) => changes.dropped("logit_bias", why),
        None => {}
    }
}

fn output(body: &mut Obj, output: &Output) {
    match output {
        Output::Text => {}
        Output::JsonObject => {
            body.raw("response_format", r#"{"type":"json_object"}"#);
        }
        Output::JsonSchema { name, description, schema, strict } => {
            let mut inner = Obj::new();
            inner.str("name", name).opt_str("description", description.as_deref()).raw("schema", schema);
            if let Some(strict) = strict {
                inner.bool("strict", *strict);
            }
            let format = Obj::new().str("type", "json_schema").raw("json_schema", &inner.end()).end();
            body.raw("response_format", &format);
        }
    }
}

fn messages(request: &Request, options: &EncodeOptions, changes: &mut Changes) -> Result<String, EncodeError> {
    let messages = messages_for(request, options, changes);
    let mut list = Arr::new();
    for message in messages.iter() {
        match message.role {
            Role::Tool => tool_results(message, options, changes, &mut list)?,
            Role::Assistant => match assistant(message, options, changes)? {
                Some(turn) => list.push(&turn),
                None => changes.left_out_silent(),
            },
            role => {
                let word = match role {
                    Role::Developer if options.system_role == SystemRole::Both => "developer",
                    Role::System | Role::Developer => "system",
                    _ => "user",
                };
                if role == Role::Developer && word == "system" {
                    changes.changed("messages.role", "developer became system");
                }
                let mut object = Obj::new();
                object.str("role", word).raw("content", &content(message.parts.iter(), options, changes)?);
                object.opt_str("name", message.name.as_deref());
                list.push(&object.end());
            }
        }
    }
    if !options.prefill && request.ends_partial() {
        changes.changed("messages", GO_ON_NOTE);
        list.push(&Obj::new().str("role", "user").str("content", GO_ON).end());
    }
    Ok(list.end())
}

/// Each result is a message of its own; pictures, which `tool` messages cannot hold, follow in a user turn.
fn tool_results(
    message: &Message,
    options: &EncodeOptions,
    changes: &mut Changes,
    list: &mut Arr,
) -> Result<(), EncodeError> {
    let mut pictures = Vec::new();
    for part in &message.parts {
        let Content::ToolResult { call_id, name, content: said, is_error } = &part.content else { continue };
        if *is_error {
            changes.dropped("is_error", "the API has no mark for failed tools; the text stays");
        }
        note_losses(false, part.cache.is_some(), changes);
        let (text, other): (Vec<_>, Vec<_>) =
            said.iter().cloned().map(Part::new).partition(|part| matches!(part.content, Content::Text { .. }));
        if !other.is_empty() {
            changes.moved("tool_result.content", "pictures of tool results follow in a user turn");
            pictures.extend(other);
        }
        let text = if text.is_empty() { quoted("") } else { content(text.iter(), options, changes)? };
        let mut object = Obj::new();
        object.str("role", "tool").str("tool_call_id", &fitting_id(call_id, MAX_ID)).raw("content", &text);
        object.opt_str("name", name.as_deref());
        list.push(&object.end());
    }
    let pictures = if pictures.is_empty() { String::new() } else { content(pictures.iter(), options, changes)? };
    // Nothing of them may be left that this API can say.
    if pictures.len() > "[]".len() {
        list.push(&Obj::new().str("role", "user").raw("content", &pictures).end());
    }
    Ok(())
}

/// A turn of the model; None when this API can say nothing of it (and takes no turn that says nothing).
fn assistant(message: &Message, options: &EncodeOptions, changes: &mut Changes) -> Result<Option<String>, EncodeError> {
    let mut object = Obj::new();
    object.str("role", "assistant");
    let mut said: Vec<&Part> = Vec::new();
    for part in &message.parts {
        match &part.content {
            Content::ToolCall { .. } | Content::Reasoning { .. } | Content::Refusal(_) => {}
            Content::Raw { origin, .. } if *origin != Format::OpenaiChat => {
                changes.dropped(part.content.what(), "only the provider that made it understands it");
            }
            _ => said.push(part),
        }
    }
    let mut silent = said.is_empty();
    if said.is_empty() {
        object.null("content");
    } else {
        object.raw("content", &content(said.into_iter(), options, changes)?);
    }
    object.opt_str("name", message.name.as_deref());
    let mut calls = Arr::new();
    for part in &message.parts {
        match &part.content {
            Content::Refusal(text) => {
                silent = false;
                object.str("refusal", text);
            }
            Content::Reasoning { text, signature, encrypted, origin, .. } => {
                let ours = *origin == Format::OpenaiChat && options.same_model;
                if ours && !text.is_empty() {
                    silent = false;
                    object.str("reasoning_content", text);
                }
                if !ours || signature.is_some() || encrypted.is_some() {
                    changes.dropped("reasoning", "earlier reasoning stays with the model that made it");
                }
            }
            Content::ToolCall { .. } => calls.push(&sent_call(&part.content, options)),
            _ => {}
        }
    }
    if !calls.is_empty() {
        silent = false;
        object.raw("tool_calls", &calls.end());
    }
    Ok((!silent).then(|| object.end()))
}

/// A call of an earlier turn, as a function where the target knows no other tools.
fn sent_call(call: &Content, options: &EncodeOptions) -> String {
    let mut call = call.clone();
    if let Content::ToolCall { custom: custom @ true, arguments, .. } = &mut call
        && !options.custom_tools
    {
        *custom = false;
        *arguments = arguments_object(arguments).into_owned();
    }
    tool_call(&call, None, options.same_model)
}

/// One entry of `tool_calls`.
pub(super) fn tool_call(call: &Content, index: Option<u32>, signed: bool) -> String {
    let mut object = Obj::new();
    if let Content::ToolCall { id, name, arguments, custom, signature } = call {
        let (kind, field) = if *custom { ("custom", "input") } else { ("function", "arguments") };
        if let Some(index) = index {
            object.num("index", index);
        }
        let inner = Obj::new().str("name", name).str(field, arguments).end();
        object.str("id", &fitting_id(id, MAX_ID)).str("type", kind).raw(kind, &inner);
        if let Some(signature) = signature.as_deref().filter(|_| signed) {
            let google = Obj::new().str("thought_signature", signature).end();
            object.raw("extra_content", &Obj::new().raw("google", &google).end());
        }
    }
    object.end()
}

/// A string when it is nothing but one plain text, else an array of parts.
fn content<'p>(
    parts: impl Iterator<Item = &'p Part>,
    options: &EncodeOptions,
    changes: &mut Changes,
) -> Result<String, EncodeError> {
    let parts: Vec<&Part> = parts.collect();
    if let [Part { content: Content::Text { text, citations }, cache }] = parts.as_slice()
        && (cache.is_none() || !options.cache_marks)
    {
        note_losses(citations.is_some(), cache.is_some(), changes);
        return Ok(quoted(text));
    }
    let mut list = Arr::new();
    for part in parts {
        let Some(mut object) = self::part(&part.content, options, changes)? else { continue };
        if options.cache_marks {
            object.opt_raw("cache_control", part.cache.as_deref());
        }
        let cited = matches!(part.content, Content::Text { citations: Some(_), .. });
        note_losses(cited, part.cache.is_some() && !options.cache_marks, changes);
        list.push(&object.end());
    }
    Ok(list.end())
}

fn note_losses(cited: bool, marked: bool, changes: &mut Changes) {
    if cited {
        changes.dropped("citations", "requests of this API carry none");
    }
    if marked {
        changes.dropped("cache_control", "the target caches by itself or not at all");
    }
}

fn part(content: &Content, options: &EncodeOptions, changes: &mut Changes) -> Result<Option<Obj>, EncodeError> {
    let mut object = Obj::new();
    match content {
        Content::Text { text, .. } => {
            object.str("type", "text").str("text", text);
        }
        Content::Image { source, detail } => {
            let url = source.to_url().ok_or_else(|| {
                EncodeError::new("image", "it lies with another provider; send it inline or as a link")
            })?;
            if !options.image_links && matches!(source, Source::Url(_)) {
                return Err(EncodeError::new("image_url", "the target fetches no links; send the picture inline"));
            }
            let mut inner = Obj::new();
            inner.str("url", &url).opt_str("detail", detail.as_deref());
            object.str("type", "image_url").raw("image_url", &inner.end());
        }
        Content::Audio { data, format } => {
            let inner = Obj::new().str("data", data).str("format", format).end();
            object.str("type", "input_audio").raw("input_audio", &inner);
        }
        Content::File { source, name } => {
            let mut inner = Obj::new();
            match source {
                Source::FileId { id, origin: Format::OpenaiChat | Format::OpenaiResponses } => {
                    inner.str("file_id", id);
                }
                Source::Data { .. } => {
                    inner.opt_str("file_data", source.to_url().as_deref());
                }
                Source::Text(text) => {
                    changes.changed("document", "a text document became a text part");
                    object.str("type", "text").str("text", text);
                    return Ok(Some(object));
                }
                Source::Url(_) | Source::FileId { .. } => {
                    return Err(EncodeError::new("file", "Chat Completions takes files inline only"));
                }
            }
            inner.opt_str("filename", name.as_deref());
            object.str("type", "file").raw("file", &inner.end());
        }
        Content::Raw { origin: Format::OpenaiChat, json } => {
            let mut inner = json.clone();
            inner.pop();
            return Ok(Some(Obj::resume(inner)));
        }
        Content::Refusal(text) => {
            object.str("type", "refusal").str("refusal", text);
        }
        other => {
            changes.dropped(other.what(), "the API has no place for it here");
            return Ok(None);
        }
    }
    Ok(Some(object))
}
