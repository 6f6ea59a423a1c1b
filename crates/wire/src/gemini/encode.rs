//! A neutral request as a `generateContent` body.

use crate::ids::{FREE_TEXT_SCHEMA, arguments_object, called_tool, messages_for, result_text};
use crate::neutral::{Content, Output, Part, Request, Role, Source, ToolChoice, ToolKind};
use crate::options::{Changes, Thought};
use crate::write::{Arr, Obj};
use crate::{EncodeError, EncodeOptions, Encoded, Format};

/// The API refuses more.
const MAX_STOPS: usize = 5;

/// Google's word for calls that another model made: without it, calls with no signature are refused.
const FOREIGN_CALL: &str = "skip_thought_signature_validator";

/// Writes a request for a target. The model and the wish for a stream go into the path, which is the caller's.
///
/// # Errors
/// When the request would lose its meaning: pictures or documents that cannot be sent this way.
pub fn encode_request(request: &Request, options: &EncodeOptions) -> Result<Encoded, EncodeError> {
    let mut changes = Changes::default();
    let mut body = Obj::new();
    contents(&mut body, request, options, &mut changes)?;
    tools(&mut body, request, options, &mut changes);
    let config = generation(request, options, &mut changes);
    if config != "{}" {
        body.raw("generationConfig", &config);
    }
    for (name, there) in [
        ("user", request.user.is_some()),
        ("metadata", !request.metadata.is_empty()),
        ("verbosity", request.verbosity.is_some()),
        ("logit_bias", request.logit_bias.is_some()),
    ] {
        if there {
            changes.dropped(name, "the Gemini API has no such parameter");
        }
    }
    changes.no_single_call(request);
    service_tier(&mut body, request, &mut changes);
    if request.origin == Format::Gemini {
        for (name, json) in &request.extra {
            body.raw(name, json);
        }
    } else {
        changes.drop_extra(request);
    }
    let custom_tools = crate::ids::custom_tools(request);
    let body = body.end().into_bytes();
    Ok(Encoded { body, adaptations: changes.0, structured_tool: None, custom_tools, renamed_tools: Vec::new() })
}

/// The API has OpenAI's tiers, but for those that it does not name; Anthropic's words mean something else.
fn service_tier(body: &mut Obj, request: &Request, changes: &mut Changes) {
    let Some(word) = request.service_tier.as_deref() else { return };
    let known = match (request.origin, word) {
        (Format::Gemini, word) => Some(word),
        (Format::OpenaiChat | Format::OpenaiResponses, "auto") => return,
        (Format::OpenaiChat | Format::OpenaiResponses, "default") => Some("standard"),
        (Format::OpenaiChat | Format::OpenaiResponses, "flex") => Some("flex"),
        (Format::OpenaiChat | Format::OpenaiResponses, "priority" | "fast") => Some("priority"),
        _ => None,
    };
    match known {
        Some(tier) => {
            body.str("serviceTier", tier);
        }
        None => changes.dropped("service_tier", "the target's tiers are others"),
    }
}

fn generation(request: &Request, options: &EncodeOptions, changes: &mut Changes) -> String {
    let mut config = Obj::new();
    if let Some(limit) = options.limit(request.max_output_tokens, "max_tokens", changes) {
        config.num("maxOutputTokens", limit);
    }
    let thought = options.thought(&request.reasoning, "reasoning_effort", changes);
    let taken = options.takes_sampling(options.reasons(&thought));
    for (name, field, value, taken) in [
        ("temperature", "temperature", request.temperature, taken),
        ("topP", "top_p", request.top_p, taken),
        ("topK", "top_k", request.top_k.map(f64::from), taken),
        ("presencePenalty", "presence_penalty", request.presence_penalty, taken && options.penalties),
        ("frequencyPenalty", "frequency_penalty", request.frequency_penalty, taken && options.penalties),
    ] {
        match value {
            Some(value) if taken && name == "topK" => {
                config.raw(name, &format!("{value}"));
            }
            Some(value) if taken => {
                config.float(name, value);
            }
            Some(_) => changes.dropped(field, "the model refuses it"),
            None => {}
        }
    }
    if let Some(seed) = request.seed {
        config.num("seed", seed);
    }
    if request.n > 1 {
        config.num("candidateCount", request.n);
    }
    if request.logprobs {
        config.bool("responseLogprobs", true);
        if let Some(top) = request.top_logprobs {
            config.num("logprobs", top);
        }
    }
    if !request.stop.is_empty() {
        if options.stop {
            if request.stop.len() > MAX_STOPS {
                changes.changed("stop", format!("the API takes {MAX_STOPS} stop sequences; the first ones were kept"));
            }
            config.raw("stopSequences", &Arr::of_strings(request.stop.iter().take(MAX_STOPS)));
        } else {
            changes.dropped("stop", "the model takes no stop sequences");
        }
    }
    match &request.output {
        Output::Text => {}
        Output::JsonObject => {
            config.str("responseMimeType", "application/json");
        }
        Output::JsonSchema { schema, .. } => {
            changes.no_schema_description(request);
            config.str("responseMimeType", "application/json").raw("responseJsonSchema", schema);
        }
    }
    thinking(&mut config, &thought, request, options, changes);
    config.end()
}

fn thinking(config: &mut Obj, thought: &Thought, request: &Request, options: &EncodeOptions, changes: &mut Changes) {
    let mut thinking = Obj::new();
    match thought {
        Thought::Default if request.reasoning.summary.is_none() => return,
        Thought::Default => {
            thinking.bool("includeThoughts", true);
        }
        Thought::Off if options.reasoning_budget => {
            thinking.num("thinkingBudget", 0u32);
        }
        Thought::Off => {
            changes.changed("reasoning_effort", "the model cannot be told not to think; asked for minimal");
            thinking.str("thinkingLevel", "minimal");
        }
        Thought::On if options.reasoning_budget => {
            thinking.raw("thinkingBudget", "-1").bool("includeThoughts", true);
        }
        Thought::On => {
            thinking.bool("includeThoughts", true);
        }
        Thought::Budget(budget) => {
            thinking.num("thinkingBudget", *budget).bool("includeThoughts", true);
        }
        Thought::Effort(effort) => {
            let known = match effort.as_str() {
                "xhigh" | "max" if options.efforts.is_empty() => {
                    changes.changed("reasoning_effort", "the strongest level is high");
                    "high"
                }
                other => other,
            };
            thinking.str("thinkingLevel", known).bool("includeThoughts", true);
        }
    }
    config.raw("thinkingConfig", &thinking.end());
}

fn tools(body: &mut Obj, request: &Request, options: &EncodeOptions, changes: &mut Changes) {
    let mut functions = Arr::new();
    let mut groups = Arr::new();
    let mut last_hosted = "";
    for tool in &request.tools {
        if tool.cache.is_some() {
            changes.dropped("cache_control", "the target caches by itself");
        }
        let mut object = Obj::new();
        object.str("name", &tool.name).opt_str("description", tool.description.as_deref());
        match &tool.kind {
            ToolKind::Function { parameters, strict } => {
                object.opt_raw("parametersJsonSchema", parameters.as_deref());
                if *strict == Some(true) {
                    changes.dropped("tools.strict", "the API cannot be held to a tool's schema");
                }
            }
            ToolKind::Custom { .. } => {
                changes.changed(format!("tools.{}", tool.name), "free text became one string argument");
                object.raw("parametersJsonSchema", FREE_TEXT_SCHEMA);
            }
            ToolKind::Hosted { origin: Format::Gemini, json } => {
                // One group may hold several tools; it came in once and goes out once.
                if json != last_hosted {
                    groups.push(json);
                    last_hosted = json;
                }
                continue;
            }
            ToolKind::Hosted { .. } => {
                changes.dropped(format!("tools.{}", tool.name), "this tool is run by another provider");
                continue;
            }
        }
        functions.push(&object.end());
    }
    let any = !functions.is_empty();
    if any {
        groups.push(&Obj::new().raw("functionDeclarations", &functions.end()).end());
    }
    if !groups.is_empty() {
        body.raw("tools", &groups.end());
    }
    let (mode, names) = match &request.tool_choice {
        _ if !any => return changes.no_choice(request),
        ToolChoice::Unset => return,
        ToolChoice::Auto => ("AUTO", Vec::new()),
        ToolChoice::None => ("NONE", Vec::new()),
        ToolChoice::Required => ("ANY", Vec::new()),
        ToolChoice::Named(name) => ("ANY", vec![name]),
        ToolChoice::Allowed { names, required: true } => ("ANY", names.iter().collect()),
        ToolChoice::Allowed { required: false, .. } => {
            changes.changed("tool_choice", "the choice among allowed tools became a free one");
            ("AUTO", Vec::new())
        }
    };
    let mut config = Obj::new();
    if mode == "ANY" && !options.forced_tool_choice {
        changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
        config.str("mode", "AUTO");
    } else {
        config.str("mode", mode);
        if !names.is_empty() {
            config.raw("allowedFunctionNames", &Arr::of_strings(names));
        }
    }
    body.raw("toolConfig", &Obj::new().raw("functionCallingConfig", &config.end()).end());
}

fn contents(
    body: &mut Obj,
    request: &Request,
    options: &EncodeOptions,
    changes: &mut Changes,
) -> Result<(), EncodeError> {
    let messages = messages_for(request, options, changes);
    let mut system = Vec::new();
    let mut turns: Vec<(&str, Vec<String>)> = Vec::new();
    for message in messages.iter() {
        if message.name.is_some() {
            changes.dropped("messages.name", "the API knows no names of speakers");
        }
        let role = match message.role {
            Role::System | Role::Developer => {
                if !turns.is_empty() {
                    changes.moved("messages.system", "instructions amid the conversation went to its head");
                }
                system.extend(parts(&message.parts, request, options, changes)?);
                continue;
            }
            Role::Assistant => "model",
            Role::User | Role::Tool => "user",
        };
        let said = parts(&message.parts, request, options, changes)?;
        match turns.last_mut() {
            Some((last, parts)) if *last == role => parts.extend(said),
            _ if said.is_empty() => changes.left_out_silent(),
            _ => turns.push((role, said)),
        }
    }
    if turns.is_empty() && !system.is_empty() {
        changes.moved("system", "the API needs a user turn; the instructions became one");
        turns.push(("user", std::mem::take(&mut system)));
    }
    if !system.is_empty() {
        body.raw("systemInstruction", &Obj::new().raw("parts", &Arr::of(system)).end());
    }
    let turns = turns.into_iter().map(|(role, parts)| Obj::new().str("role", role).raw("parts", &Arr::of(parts)).end());
    body.raw("contents", &Arr::of(turns));
    Ok(())
}

fn parts(
    parts: &[Part],
    request: &Request,
    options: &EncodeOptions,
    changes: &mut Changes,
) -> Result<Vec<String>, EncodeError> {
    let mut list = Vec::with_capacity(parts.len());
    let mut pictures = Vec::new();
    for one in parts {
        if one.cache.is_some() {
            changes.dropped("cache_control", "the target caches by itself");
        }
        if let Content::ToolResult { call_id, name, content, is_error } = &one.content {
            let (text, rest) = result_text(content);
            let response = Obj::new().str(if *is_error { "error" } else { "result" }, &text).end();
            let name = name.as_deref().or_else(|| called_tool(request, call_id)).unwrap_or(call_id);
            let inner = Obj::new().str("id", call_id).str("name", name).raw("response", &response).end();
            list.push(Obj::new().raw("functionResponse", &inner).end());
            for other in rest {
                changes.moved("tool_result.content", "pictures of tool results stand beside them");
                pictures.extend(part(other, request.origin, options, changes)?);
            }
        } else {
            list.extend(part(&one.content, request.origin, options, changes)?);
        }
    }
    list.extend(pictures);
    Ok(list)
}

/// `from`: the client's API, which may have no place for a call's signature.
fn part(
    content: &Content,
    from: Format,
    options: &EncodeOptions,
    changes: &mut Changes,
) -> Result<Option<String>, EncodeError> {
    let mut object = Obj::new();
    match content {
        Content::Text { text, citations } => {
            if citations.is_some() {
                changes.dropped("citations", "requests of this API carry none");
            }
            object.str("text", text);
        }
        Content::Refusal(text) => {
            object.str("text", text);
        }
        Content::Image { source, detail } => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                changes.dropped("image_url.detail", "the API has no such field");
            }
            media(&mut object, source, "image/*", options)?;
        }
        Content::Audio { data, format } => {
            let mime = if format == "mp3" { "audio/mpeg".to_owned() } else { format!("audio/{format}") };
            object.raw("inlineData", &Obj::new().str("mimeType", &mime).str("data", data).end());
        }
        Content::File { source: Source::Text(text), .. } => {
            changes.changed("document", "a text document became a text part");
            object.str("text", text);
        }
        Content::File { source, name } => {
            if name.is_some() {
                changes.dropped("file.filename", "the API has no such field");
            }
            media(&mut object, source, "application/pdf", options)?;
        }
        Content::ToolCall { id, name, arguments, signature, .. } => {
            let inner = Obj::new().str("id", id).str("name", name).raw("args", &arguments_object(arguments)).end();
            object.raw("functionCall", &inner);
            match signature.as_deref().filter(|_| options.same_model) {
                Some(signature) => {
                    object.str("thoughtSignature", signature);
                }
                None if options.reasoning != crate::Reasoning::None
                    && !options.reasoning_budget
                    && (from != Format::Gemini || !options.same_model) =>
                {
                    object.str("thoughtSignature", FOREIGN_CALL);
                }
                None => {}
            }
        }
        Content::Reasoning { text, signature, origin: Format::Gemini, .. } if options.same_model => {
            object.str("text", text).bool("thought", true).opt_str("thoughtSignature", signature.as_deref());
        }
        Content::Reasoning { .. } => {
            changes.dropped("reasoning", "earlier reasoning stays with the model that made it");
            return Ok(None);
        }
        Content::Raw { origin: Format::Gemini, json } => return Ok(Some(json.clone())),
        Content::Raw { .. } | Content::ToolResult { .. } => {
            changes.dropped(content.what(), "only the provider that made it understands it");
            return Ok(None);
        }
    }
    Ok(Some(object.end()))
}

fn media(object: &mut Obj, source: &Source, guess: &str, options: &EncodeOptions) -> Result<(), EncodeError> {
    match source {
        Source::Data { mime, data } => {
            object.raw("inlineData", &Obj::new().str("mimeType", mime).str("data", data).end());
        }
        Source::Url(uri) if options.image_links => {
            let mime = mime_of(uri).unwrap_or(guess);
            object.raw("fileData", &Obj::new().str("mimeType", mime).str("fileUri", uri).end());
        }
        Source::FileId { id, origin: Format::Gemini } => {
            object.raw("fileData", &Obj::new().str("mimeType", guess).str("fileUri", id).end());
        }
        Source::Url(_) => {
            return Err(EncodeError::new("image_url", "the target fetches no links; send the picture inline"));
        }
        Source::FileId { .. } | Source::Text(_) => {
            return Err(EncodeError::new("file", "it lies with another provider; send it inline"));
        }
    }
    Ok(())
}

/// The type that a link's ending names.
fn mime_of(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next().unwrap_or(uri);
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        _ => return None,
    })
}
