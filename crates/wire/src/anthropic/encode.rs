//! A neutral request as a Messages body.

use super::cache::{NOTE, with_marks};
use super::thinking::{Beside, Thinking, thinking};
use super::turns::{system_and_turns, tool_block};
use crate::ids::{JSON_INSTRUCTION, object_schema};
use crate::neutral::{Output, Request, ToolChoice, ToolKind};
use crate::options::{Changes, Thought};
use crate::write::{Arr, Obj};
use crate::{EncodeError, EncodeOptions, Encoded, Format, Structured};

/// Asked for when neither the client nor the table of models names a limit; every Claude since 3.5 takes it.
const DEFAULT_MAX_TOKENS: u32 = 8_192;

/// Writes a request for a target.
///
/// # Errors
/// When the request would lose its meaning: several answers, sound.
pub fn encode_request(request: &Request, options: &EncodeOptions) -> Result<Encoded, EncodeError> {
    if request.n > 1 {
        return Err(EncodeError::new("n", "the Messages API gives one answer; ask once for each"));
    }
    let marked = if options.place_cache_marks { with_marks(request, &options.model) } else { None };
    let request = marked.as_ref().unwrap_or(request);
    let mut changes = Changes::default();
    if marked.is_some() {
        changes.changed("cache_control", NOTE);
    }
    let native = options.structured == Structured::Native;
    let structured_tool = match &request.output {
        Output::JsonSchema { name, .. } if !native => Some(name.clone()),
        _ => None,
    };
    let mut body = Obj::new();
    body.str("model", &options.model);
    let limit = options.limit(request.max_output_tokens, "max_tokens", &mut changes);
    let limit = limit.or(options.max_output_tokens).unwrap_or(DEFAULT_MAX_TOKENS);
    body.num("max_tokens", limit);
    let instruction = (request.output == Output::JsonObject).then_some(JSON_INSTRUCTION);
    if instruction.is_some() {
        changes.changed("response_format", "JSON mode became an instruction");
    }
    let (system, messages, loop_unsigned) = system_and_turns(request, options, instruction, &mut changes)?;
    body.opt_raw("system", system.as_deref()).raw("messages", &messages);
    let forced = tools(&mut body, request, options, structured_tool.as_deref(), &mut changes);
    let own = request.origin == Format::AnthropicMessages;
    let beside = Beside { limit, forced, unsigned: loop_unsigned };
    let thinking = thinking(&request.reasoning, own, options, beside, &mut changes);
    reasoning_and_form(&mut body, request, &thinking, native, &mut changes);
    sampling(&mut body, request, options, options.reasons(&thinking.thought), &mut changes);
    if request.stream {
        body.bool("stream", true);
    }
    if let Some(user) = &request.user {
        body.raw("metadata", &Obj::new().str("user_id", user).end());
    }
    if !request.metadata.is_empty() {
        changes.dropped("metadata", "the API keeps a user id only");
    }
    if own {
        body.opt_str("service_tier", request.service_tier.as_deref());
        for (name, json) in &request.extra {
            body.raw(name, json);
        }
    } else {
        if request.service_tier.is_some() {
            changes.dropped("service_tier", "the target's tiers are others");
        }
        changes.drop_extra(request);
    }
    let custom_tools = crate::ids::custom_tools(request);
    let body = body.end().into_bytes();
    Ok(Encoded { body, adaptations: changes.0, structured_tool, custom_tools, renamed_tools: Vec::new() })
}

fn reasoning_and_form(body: &mut Obj, request: &Request, asked: &Thinking, native: bool, changes: &mut Changes) {
    let Thinking { thought, effort } = asked;
    let mut thinking = Obj::new();
    let mut config = Obj::new();
    config.opt_str("effort", effort.as_deref());
    match thought {
        Thought::Default => {}
        Thought::Off => {
            thinking.str("type", "disabled");
        }
        Thought::On | Thought::Effort(_) => {
            thinking.str("type", "adaptive");
        }
        Thought::Budget(budget) => {
            thinking.str("type", "enabled").num("budget_tokens", *budget);
        }
    }
    match (request.origin, &request.reasoning.summary) {
        (_, None) => {}
        (Format::AnthropicMessages, Some(form)) if !thinking.is_empty() && *thought != Thought::Off => {
            thinking.str("display", form);
        }
        // Models that decide for themselves how much to think show nothing of it unless asked.
        (Format::OpenaiResponses, Some(_)) if *thought == Thought::On => {
            thinking.str("display", "summarized");
        }
        _ => changes.no_summary(request),
    }
    if !thinking.is_empty() {
        body.raw("thinking", &thinking.end());
    }
    if let Output::JsonSchema { schema, .. } = &request.output
        && native
    {
        changes.no_schema_description(request);
        config.raw("format", &Obj::new().str("type", "json_schema").raw("schema", schema).end());
    }
    if !config.is_empty() {
        body.raw("output_config", &config.end());
    }
}

fn sampling(body: &mut Obj, request: &Request, options: &EncodeOptions, reasons: bool, changes: &mut Changes) {
    // With thinking on, the API takes no temperature at all, whatever the model.
    let taken = options.takes_sampling(reasons) && !reasons;
    let why = if reasons { "no sampling parameters while the model thinks" } else { "the model refuses it" };
    match request.temperature {
        Some(_) if !taken => changes.dropped("temperature", why),
        Some(temperature) if temperature > 1.0 => {
            changes.changed("temperature", "the API's range ends at 1");
            body.float("temperature", 1.0);
        }
        Some(temperature) => {
            body.float("temperature", temperature);
        }
        None => {}
    }
    match request.top_p {
        Some(_) if !taken => changes.dropped("top_p", why),
        Some(_) if request.temperature.is_some() => changes.dropped("top_p", "not beside temperature"),
        Some(top_p) => {
            body.float("top_p", top_p);
        }
        None => {}
    }
    match request.top_k {
        Some(top_k) if taken => {
            body.num("top_k", top_k);
        }
        Some(_) => changes.dropped("top_k", why),
        None => {}
    }
    let (stops, blank): (Vec<&String>, Vec<_>) = request.stop.iter().partition(|text| !text.trim().is_empty());
    if !blank.is_empty() {
        changes.dropped("stop", "stop sequences of white space alone are refused");
    }
    if !stops.is_empty() {
        if options.stop {
            body.raw("stop_sequences", &Arr::of_strings(stops));
        } else {
            changes.dropped("stop", "the model takes no stop sequences");
        }
    }
    changes.no_such_parameters(request, "Messages");
}

/// Writes tools and their choice; true when the model is forced to call one.
fn tools(
    body: &mut Obj,
    request: &Request,
    options: &EncodeOptions,
    structured_tool: Option<&str>,
    changes: &mut Changes,
) -> bool {
    let mut list = Arr::new();
    let allowed = match &request.tool_choice {
        ToolChoice::Allowed { names, .. } => Some(names),
        _ => None,
    };
    for tool in &request.tools {
        if allowed.is_some_and(|names| !names.contains(&tool.name)) {
            changes.changed("tool_choice", "tools that are not allowed were left out");
            continue;
        }
        match &tool.kind {
            ToolKind::Hosted { origin: Format::AnthropicMessages, json } => list.push(json),
            ToolKind::Hosted { .. } => {
                changes.dropped(format!("tools.{}", tool.name), "this tool is run by another provider");
            }
            _ => list.push(&tool_block(tool, request, options, changes)),
        }
    }
    let other_tools = !list.is_empty();
    if let (Some(name), Output::JsonSchema { description, schema, .. }) = (structured_tool, &request.output) {
        let mut tool = Obj::new();
        tool.str("name", name);
        tool.str("description", description.as_deref().unwrap_or("Gives the final answer in the form that is wanted."));
        tool.raw("input_schema", &object_schema(schema));
        list.push(&tool.end());
        changes.changed("response_format", "the schema became a tool that the model has to call");
    }
    if list.is_empty() {
        changes.no_choice(request);
        return false;
    }
    body.raw("tools", &list.end());
    let mut choice = Obj::new();
    let wanted = match &request.tool_choice {
        _ if structured_tool.is_some() && other_tools => ToolChoice::Required,
        _ if structured_tool.is_some() => ToolChoice::Named(structured_tool.unwrap_or_default().to_owned()),
        ToolChoice::Allowed { required: true, .. } => ToolChoice::Required,
        ToolChoice::Allowed { required: false, .. } => ToolChoice::Auto,
        other => other.clone(),
    };
    let mut forced = matches!(wanted, ToolChoice::Required | ToolChoice::Named(_));
    if forced && !options.forced_tool_choice {
        changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
        forced = false;
        choice.str("type", "auto");
    } else {
        match &wanted {
            ToolChoice::None => choice.str("type", "none"),
            ToolChoice::Required => choice.str("type", "any"),
            ToolChoice::Named(name) => choice.str("type", "tool").str("name", name),
            ToolChoice::Auto => choice.str("type", "auto"),
            ToolChoice::Unset | ToolChoice::Allowed { .. } => &mut choice,
        };
    }
    if let Some(parallel) = request.parallel_tool_calls
        && wanted != ToolChoice::None
    {
        if choice.is_empty() {
            choice.str("type", "auto");
        }
        choice.bool("disable_parallel_tool_use", !parallel);
    }
    if !choice.is_empty() {
        body.raw("tool_choice", &choice.end());
    }
    forced
}
