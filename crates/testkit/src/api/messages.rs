//! Anthropic Messages, refusing what Anthropic refuses.

use super::{Refusal, Streamed, known_fields, text_of, tool_name_ok};
use crate::answer::{Answer, Ask, Finish, Reply, Role, Tool, ToolChoice};
use crate::traits::{Prefill, Thinks, Traits};
use serde_json::{Value, json};

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "metadata",
    "tools",
    "tool_choice",
    "thinking",
    "service_tier",
    "context_management",
    "container",
    "mcp_servers",
    "output_config",
    "output_format",
    "cache_control",
    "inference_geo",
    "speed",
];

/// The version since which sampling parameters are refused whatever the model.
const VERSION_WITHOUT_SAMPLING: &str = "2026-10-21";

pub(super) fn read(
    body: &Value,
    header: &dyn Fn(&str) -> Option<String>,
    traits: &Traits,
    needs_max_tokens: bool,
) -> Result<Ask, Refusal> {
    let version = header("anthropic-version").ok_or_else(|| Refusal::bad("anthropic-version: header is required"))?;
    known_fields(body, FIELDS).map_err(|name| Refusal::bad(format!("{name}: Extra inputs are not permitted")))?;
    let model = text_of(body, "model");
    if model.is_empty() {
        return Err(Refusal::bad("model: Field required"));
    }
    let max_tokens = body.get("max_tokens").and_then(Value::as_u64).filter(|most| *most > 0);
    if needs_max_tokens && max_tokens.is_none() {
        return Err(Refusal::bad("max_tokens: Field required"));
    }
    sampling(body, traits, version.as_str() >= VERSION_WITHOUT_SAMPLING)?;
    let (turns, images) = turns(body)?;
    let tools = tools(body)?;
    let choice = tool_choice(body, &tools, traits)?;
    let thinking = text_of(&body["thinking"], "type");
    let reasons = traits.thinks != Thinks::Never && matches!(thinking, "enabled" | "adaptive");
    let budget = body.pointer("/thinking/budget_tokens").and_then(Value::as_u64);
    if thinking == "enabled"
        && budget.is_none_or(|budget| budget < 1_024 || max_tokens.is_some_and(|most| most <= budget))
    {
        return Err(Refusal::bad("thinking.budget_tokens: must be at least 1024 and less than max_tokens"));
    }
    let schema = body.pointer("/output_config/format/schema").or_else(|| body.pointer("/output_format/schema"));
    let ask = Ask {
        model: model.to_owned(),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        turns,
        images,
        tool_bytes: body.get("tools").map_or(0, |tools| tools.to_string().len() as u64),
        tools,
        choice,
        parallel: body.pointer("/tool_choice/disable_parallel_tool_use") != Some(&json!(true)),
        schema: schema.cloned(),
        answers: 1,
        max_tokens,
        reasons,
        cache_marked: body.to_string().contains("\"cache_control\""),
        ..Ask::default()
    };
    if ask.partial().is_some() && (traits.prefill == Prefill::Rejects || reasons) {
        return Err(Refusal::bad(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    if ask.partial().is_some_and(|text| text.ends_with(char::is_whitespace)) {
        return Err(Refusal::bad("messages: final assistant content cannot end with trailing whitespace"));
    }
    Ok(ask)
}

fn sampling(body: &Value, traits: &Traits, refused_by_version: bool) -> Result<(), Refusal> {
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    let first = ["temperature", "top_p", "top_k"].into_iter().find(|name| given(name));
    if let Some(name) = first.filter(|_| refused_by_version || traits.no_sampling) {
        return Err(Refusal::bad(format!("{name}: this parameter is not supported")));
    }
    if given("temperature") && !body["temperature"].as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)) {
        return Err(Refusal::bad("temperature: range: 0..1"));
    }
    if given("temperature") && given("top_p") {
        return Err(Refusal::bad("`temperature` and `top_p` cannot both be specified for this model."));
    }
    let stops = body.get("stop_sequences").and_then(Value::as_array).into_iter().flatten();
    if stops.filter_map(Value::as_str).any(|stop| stop.trim().is_empty()) {
        return Err(Refusal::bad("stop_sequences: each stop sequence must contain non-whitespace"));
    }
    Ok(())
}

fn turns(body: &Value) -> Result<(Vec<(Role, String)>, u64), Refusal> {
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| Refusal::bad("messages: at least one message is required"))?;
    let (mut turns, mut images, mut open) = (Vec::new(), 0, Vec::<String>::new());
    match body.get("system") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => turns.push((Role::System, text.clone())),
        Some(blocks) => turns.push((Role::System, Content::read(blocks, "system", false, &mut images)?.text)),
    }
    for (at, message) in messages.iter().enumerate() {
        let role = match text_of(message, "role") {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                return Err(Refusal::bad(format!(
                    "messages.{at}.role: Input should be 'user' or 'assistant', not '{other}'"
                )));
            }
        };
        if at == 0 && role != Role::User {
            return Err(Refusal::bad("messages: first message must use the \"user\" role"));
        }
        let is_user = role == Role::User;
        let content = Content::read(&message["content"], &format!("messages.{at}.content"), is_user, &mut images)?;
        let missing = open.iter().find(|id| !content.results.contains(id));
        if let Some(id) = missing {
            return Err(Refusal::bad(format!(
                "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}."
            )));
        }
        if let Some(id) = content.results.iter().find(|id| !open.contains(id)) {
            return Err(Refusal::bad(format!(
                "messages.{at}.content: unexpected `tool_use_id` found in `tool_result` blocks: {id}."
            )));
        }
        let is_result = !content.results.is_empty();
        open = content.calls;
        turns.push((if is_result { Role::Tool } else { role }, content.text));
    }
    match open.first() {
        Some(id) => {
            Err(Refusal::bad(format!("messages: `tool_use` ids were found without `tool_result` blocks: {id}.")))
        }
        None => Ok((turns, images)),
    }
}

#[derive(Default)]
struct Content {
    text: String,
    calls: Vec<String>,
    results: Vec<String>,
}

impl Content {
    fn read(content: &Value, place: &str, is_user: bool, images: &mut u64) -> Result<Self, Refusal> {
        let mut read = Self::default();
        let blocks = match content {
            Value::String(text) if !text.is_empty() => {
                read.text.clone_from(text);
                return Ok(read);
            }
            Value::Array(blocks) if !blocks.is_empty() => blocks,
            _ => return Err(Refusal::bad(format!("{place}: all messages must have non-empty content"))),
        };
        let mut only_results = true;
        for (at, block) in blocks.iter().enumerate() {
            let kind = text_of(block, "type");
            match kind {
                "text" if text_of(block, "text").is_empty() => {
                    return Err(Refusal::bad(format!("{place}.{at}: text content blocks must be non-empty")));
                }
                "text" => read.text.push_str(text_of(block, "text")),
                "image" if is_user => *images += 1,
                "document" | "search_result" if is_user => {}
                "tool_result" if is_user && only_results => read.results.push(text_of(block, "tool_use_id").to_owned()),
                "tool_result" if is_user => {
                    return Err(Refusal::bad(format!("{place}.{at}: `tool_result` blocks must come first")));
                }
                "tool_use" if !is_user && block["input"].is_object() => {
                    read.calls.push(text_of(block, "id").to_owned());
                }
                "thinking" if !is_user && text_of(block, "signature").is_empty() => {
                    return Err(Refusal::bad(format!("{place}.{at}.thinking.signature: Field required")));
                }
                "thinking" | "redacted_thinking" | "server_tool_use" | "web_search_tool_result" if !is_user => {}
                other => return Err(Refusal::bad(format!("{place}.{at}: Input tag '{other}' is not expected here"))),
            }
            only_results &= kind == "tool_result";
        }
        Ok(read)
    }
}

fn tools(body: &Value) -> Result<Vec<Tool>, Refusal> {
    let list = body.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = list.iter().enumerate().filter(|(_, tool)| matches!(text_of(tool, "type"), "" | "custom"));
    own.map(|(at, tool)| {
        let name = text_of(tool, "name");
        if !tool_name_ok(name) {
            return Err(Refusal::bad(format!(
                "tools.{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
            )));
        }
        let schema = tool.get("input_schema").filter(|schema| text_of(schema, "type") == "object");
        let schema = schema.ok_or_else(|| Refusal::bad(format!("tools.{at}.input_schema: Field required")))?;
        Ok(Tool { name: name.to_owned(), schema: schema.clone() })
    })
    .collect()
}

fn tool_choice(body: &Value, tools: &[Tool], traits: &Traits) -> Result<ToolChoice, Refusal> {
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else { return Ok(ToolChoice::Auto) };
    if tools.is_empty() {
        return Err(Refusal::bad("tool_choice: may only be specified while providing tools"));
    }
    let choice = match text_of(choice, "type") {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Any,
        "tool" => ToolChoice::Named(text_of(choice, "name").to_owned()),
        other => return Err(Refusal::bad(format!("tool_choice: Input tag '{other}' is not expected"))),
    };
    if traits.no_forced_tool && matches!(choice, ToolChoice::Any | ToolChoice::Named(_)) {
        return Err(Refusal::bad("tool_choice: forced tool use is not supported by this model"));
    }
    Ok(choice)
}

pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"})
}

fn usage(ask: &Ask, reply: &Reply) -> Value {
    // Cached and written tokens come on top of the plain ones.
    let plain = reply.input_tokens - reply.cached_tokens - reply.cache_written_tokens;
    json!({"input_tokens": plain, "cache_creation_input_tokens": reply.cache_written_tokens,
        "cache_read_input_tokens": reply.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": reply.cache_written_tokens, "ephemeral_1h_input_tokens": 0},
        "output_tokens": reply.output_tokens, "output_tokens_details": {"thinking_tokens": reply.reasoning_tokens},
        "server_tool_use": null, "service_tier": "standard", "speed": if ask.fast { "fast" } else { "standard" }, "inference_geo": null})
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tools => "tool_use",
        Finish::Filter => "refusal",
    }
}

const THOUGHT: &str = "The stand-in thinks.";

pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let answer = reply.first();
    let mut content = Vec::new();
    if ask.reasons {
        content.push(json!({"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmF0dXJl"}));
    }
    if !answer.tokens.is_empty() {
        content.push(json!({"type": "text", "text": answer.text(), "citations": null}));
    }
    for call in &answer.calls {
        content.push(
            json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": call.arguments,
            "caller": {"type": "direct"}}),
        );
    }
    json!({"id": format!("msg_fake{}", reply.id), "type": "message", "role": "assistant", "model": ask.model,
        "content": content, "stop_reason": stop_reason(answer), "stop_sequence": null, "stop_details": null,
        "container": null, "usage": usage(ask, reply)})
}

pub(super) fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

pub(super) fn streamed(ask: &Ask, reply: &Reply) -> Streamed {
    let answer = reply.first();
    let mut streamed = Streamed::default();
    let mut opening = whole(ask, reply);
    opening["content"] = json!([]);
    opening["stop_reason"] = Value::Null;
    opening["usage"]["output_tokens"] = json!(1);
    streamed.head.push(event("message_start", &json!({"type": "message_start", "message": opening})));
    streamed.head.push(event("ping", &json!({"type": "ping"})));
    let start = |index: usize, block: Value| {
        event("content_block_start", &json!({"type": "content_block_start", "index": index, "content_block": block}))
    };
    let delta = |index: usize, delta: Value| {
        event("content_block_delta", &json!({"type": "content_block_delta", "index": index, "delta": delta}))
    };
    let stop = |index: usize| event("content_block_stop", &json!({"type": "content_block_stop", "index": index}));
    let mut index = 0;
    if ask.reasons {
        streamed.head.push(start(index, json!({"type": "thinking", "thinking": "", "signature": ""})));
        streamed.head.push(delta(index, json!({"type": "thinking_delta", "thinking": THOUGHT})));
        streamed.head.push(delta(index, json!({"type": "signature_delta", "signature": "c2lnbmF0dXJl"})));
        streamed.head.push(stop(index));
        index += 1;
    }
    if !answer.tokens.is_empty() {
        streamed.head.push(start(index, json!({"type": "text", "text": "", "citations": null})));
        streamed.content =
            answer.tokens.iter().map(|token| delta(index, json!({"type": "text_delta", "text": token}))).collect();
        streamed.tail.push(stop(index));
        index += 1;
    }
    for call in &answer.calls {
        let block = json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": {},
            "caller": {"type": "direct"}});
        streamed.content.push(start(index, block));
        for piece in crate::answer::split(&call.arguments.to_string()) {
            streamed.content.push(delta(index, json!({"type": "input_json_delta", "partial_json": piece})));
        }
        streamed.content.push(stop(index));
        index += 1;
    }
    streamed.tail.push(event(
        "message_delta",
        &json!({"type": "message_delta", "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null,
            "stop_details": null, "container": null},
            "usage": usage(ask, reply)}),
    ));
    streamed.tail.push(event("message_stop", &json!({"type": "message_stop"})));
    streamed
}
