//! OpenAI Chat Completions, refusing what OpenAI refuses.

use super::{Refusal, Streamed, known_fields, text_of, tool_name_ok};
use crate::answer::{Answer, Ask, Finish, Reply, Role, Tool, ToolChoice};
use crate::traits::{Prefill, Traits};
use serde_json::{Map, Value, json};

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "user",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "metadata",
    "store",
    "service_tier",
    "prediction",
    "modalities",
    "audio",
    "web_search_options",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
];

/// Refused while a model reasons; the first of each pair may stay at its default.
const SAMPLING: &[(&str, Option<f64>)] = &[
    ("temperature", Some(1.0)),
    ("top_p", Some(1.0)),
    ("presence_penalty", Some(0.0)),
    ("frequency_penalty", Some(0.0)),
    ("logit_bias", None),
    ("logprobs", None),
    ("top_logprobs", None),
    ("stop", None),
];

pub(super) fn read(body: &Value, traits: &Traits) -> Result<Ask, Refusal> {
    known_fields(body, FIELDS).map_err(|name| Refusal {
        param: Some(name.clone()),
        ..Refusal::bad(format!("Unrecognized request argument supplied: {name}"))
    })?;
    let effort = body.get("reasoning_effort").and_then(Value::as_str);
    let reasons = traits.reasons(effort);
    parameters(body, traits, reasons)?;
    let (turns, images) = turns(body, traits)?;
    let tools = tools(body)?;
    let choice = tool_choice(body, &tools, traits)?;
    let (schema, json_object) = response_format(body, &turns)?;
    let max_tokens = body.get("max_completion_tokens").or_else(|| body.get("max_tokens")).and_then(Value::as_u64);
    let stream = flag(body, "stream", false);
    let mut ask = Ask {
        model: text_of(body, "model").to_owned(),
        stream,
        turns,
        images,
        tool_bytes: body.get("tools").map_or(0, |tools| tools.to_string().len() as u64),
        tools,
        choice,
        parallel: flag(body, "parallel_tool_calls", true),
        schema,
        json_object,
        answers: body.get("n").and_then(Value::as_u64).unwrap_or(1),
        logprobs: flag(body, "logprobs", false).then(|| body.get("top_logprobs").and_then(Value::as_u64).unwrap_or(0)),
        max_tokens,
        stream_usage: body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false),
        reasons,
        cache_marked: false,
        ..Ask::default()
    };
    match traits.prefill {
        Prefill::Rejects if ask.partial().is_some() => {
            return Err(Refusal::bad("This model does not support assistant message prefill"));
        }
        Prefill::Ignores if ask.partial().is_some() => ask.turns.push((Role::User, ask.question().to_owned())),
        _ => {}
    }
    Ok(ask)
}

fn flag(body: &Value, name: &str, default: bool) -> bool {
    body.get(name).and_then(Value::as_bool).unwrap_or(default)
}

fn parameters(body: &Value, traits: &Traits, reasons: bool) -> Result<(), Refusal> {
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if text_of(body, "model").is_empty() {
        return Err(Refusal::bad("you must provide a model parameter"));
    }
    if given("max_tokens") && given("max_completion_tokens") {
        return Err(Refusal::field(
            "max_tokens",
            "invalid_parameter_combination",
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ));
    }
    if given("max_tokens") && (reasons || traits.thinks != crate::Thinks::Never) {
        return Err(unsupported("max_tokens", " Use 'max_completion_tokens' instead."));
    }
    for (name, neutral) in SAMPLING {
        let value = body.get(*name).filter(|value| !value.is_null() && **value != json!(false));
        if let Some(value) = value.filter(|_| reasons || (traits.no_sampling && *name != "stop"))
            && (neutral.is_none() || value.as_f64() != *neutral)
        {
            return Err(unsupported(name, ""));
        }
    }
    if given("reasoning_effort") && traits.thinks == crate::Thinks::Never {
        return Err(unsupported("reasoning_effort", ""));
    }
    if given("stream_options") && !flag(body, "stream", false) {
        return Err(Refusal::field(
            "stream_options",
            "invalid_value",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    for (name, low, high) in [("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0), ("n", 1.0, 128.0)] {
        if let Some(value) = body.get(name).filter(|value| !value.is_null())
            && !value.as_f64().is_some_and(|value| (low..=high).contains(&value))
        {
            return Err(Refusal::field(name, "invalid_value", format!("Invalid '{name}': expected {low} to {high}.")));
        }
    }
    for name in ["max_tokens", "max_completion_tokens"] {
        if given(name) && body[name].as_u64().is_none_or(|value| value == 0) {
            return Err(Refusal::field(name, "invalid_value", format!("Invalid '{name}': expected a number above 0.")));
        }
    }
    if given("top_logprobs") && !flag(body, "logprobs", false) {
        return Err(Refusal::field("top_logprobs", "invalid_value", "'top_logprobs' needs 'logprobs'."));
    }
    Ok(())
}

fn unsupported(name: &str, hint: &str) -> Refusal {
    let message = format!("Unsupported parameter: '{name}' is not supported with this model.{hint}");
    Refusal::field(name, "unsupported_parameter", message)
}

fn turns(body: &Value, traits: &Traits) -> Result<(Vec<(Role, String)>, u64), Refusal> {
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| {
        Refusal::field("messages", "empty_array", "Invalid 'messages': empty array. Expected at least one.")
    })?;
    let (mut turns, mut images, mut open) = (Vec::new(), 0, Vec::<String>::new());
    for (at, message) in messages.iter().enumerate() {
        let role = match text_of(message, "role") {
            "system" | "developer" if traits.no_system => {
                let message = "Unsupported value: 'messages[0].role' does not support 'system' with this model.";
                return Err(Refusal::field(format!("messages[{at}].role"), "unsupported_value", message));
            }
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            other => {
                let message = format!(
                    "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'tool' and 'developer'."
                );
                return Err(Refusal::field(format!("messages[{at}].role"), "invalid_value", message));
            }
        };
        if role == Role::Tool {
            let id = text_of(message, "tool_call_id");
            let place = open.iter().position(|known| known == id).ok_or_else(|| {
                Refusal::field(
                    format!("messages[{at}].role"),
                    "invalid_value",
                    "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
                )
            })?;
            open.swap_remove(place);
        } else if !open.is_empty() {
            return Err(unanswered(at, &open));
        }
        if let Some(calls) = message.get("tool_calls").and_then(Value::as_array) {
            if calls.is_empty() {
                return Err(Refusal::field(format!("messages[{at}].tool_calls"), "empty_array", "empty array"));
            }
            for call in calls {
                if text_of(call, "id").is_empty()
                    || call.pointer("/function/arguments").is_none_or(|it| !it.is_string())
                {
                    let param = format!("messages[{at}].tool_calls");
                    return Err(Refusal::field(param, "invalid_type", "a tool call has an id and string arguments"));
                }
            }
            open = calls.iter().map(|call| text_of(call, "id").to_owned()).collect();
        }
        let has_calls = message.get("tool_calls").is_some() || message.get("refusal").is_some_and(Value::is_string);
        turns.push((role, content(message, at, role, has_calls, traits, &mut images)?));
    }
    if open.is_empty() { Ok((turns, images)) } else { Err(unanswered(messages.len(), &open)) }
}

fn unanswered(at: usize, open: &[String]) -> Refusal {
    Refusal::field(
        format!("messages[{at}]"),
        "invalid_value",
        format!(
            "An assistant message with 'tool_calls' must be followed by tool messages; missing: {}",
            open.join(", ")
        ),
    )
}

fn content(
    message: &Value,
    at: usize,
    role: Role,
    may_be_null: bool,
    traits: &Traits,
    images: &mut u64,
) -> Result<String, Refusal> {
    let wrong = |text: &str| Refusal::field(format!("messages[{at}].content"), "invalid_type", text);
    let parts = match message.get("content") {
        Some(Value::String(text)) => return Ok(text.clone()),
        None | Some(Value::Null) if may_be_null => return Ok(String::new()),
        Some(Value::Array(parts)) if !parts.is_empty() => parts,
        _ => return Err(wrong("Invalid value for 'content': expected a string or an array of parts.")),
    };
    let mut text = String::new();
    for part in parts {
        match (text_of(part, "type"), role) {
            ("text", _) if part.get("text").is_some_and(Value::is_string) => text.push_str(text_of(part, "text")),
            ("refusal", Role::Assistant) => text.push_str(text_of(part, "refusal")),
            ("image_url", Role::User) if part.pointer("/image_url/url").is_some_and(Value::is_string) => {
                if traits.no_vision {
                    return Err(wrong("Invalid content type. image_url is only supported by certain models."));
                }
                *images += 1;
            }
            ("input_audio", Role::User) if part.get("input_audio").is_some_and(Value::is_object) => {}
            ("file", Role::User) if part.get("file").is_some_and(Value::is_object) => {}
            (kind, _) => return Err(wrong(&format!("Invalid part of type '{kind}' in a message of this role."))),
        }
    }
    Ok(text)
}

fn tools(body: &Value) -> Result<Vec<Tool>, Refusal> {
    let Some(list) = body.get("tools").filter(|tools| !tools.is_null()) else { return Ok(Vec::new()) };
    let list = list.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::field("tools", "empty_array", "Invalid 'tools': empty array."))?;
    let one = |(at, tool): (usize, &Value)| {
        let function = tool.get("function").filter(|_| text_of(tool, "type") == "function");
        let function = function.ok_or_else(|| {
            Refusal::field(format!("tools[{at}]"), "invalid_value", "expected a tool of type 'function'")
        })?;
        let name = text_of(function, "name");
        if !tool_name_ok(name) {
            let message = format!("Invalid 'tools[{at}].function.name': does not match '^[a-zA-Z0-9_-]{{1,64}}$'.");
            return Err(Refusal::field(format!("tools[{at}].function.name"), "invalid_value", message));
        }
        let schema = function.get("parameters").cloned().unwrap_or_else(|| json!({"type": "object"}));
        if text_of(&schema, "type") != "object" {
            let message = format!("Invalid schema for function '{name}': schema must have type 'object'.");
            return Err(Refusal::field(
                format!("tools[{at}].function.parameters"),
                "invalid_function_parameters",
                message,
            ));
        }
        Ok(Tool { name: name.to_owned(), schema })
    };
    list.iter().enumerate().map(one).collect()
}

fn tool_choice(body: &Value, tools: &[Tool], traits: &Traits) -> Result<ToolChoice, Refusal> {
    for name in ["tool_choice", "parallel_tool_calls"] {
        if tools.is_empty() && body.get(name).is_some_and(|value| !value.is_null()) {
            return Err(Refusal::field(
                name,
                "invalid_value",
                format!("'{name}' is only allowed when 'tools' are specified."),
            ));
        }
    }
    let choice = match body.get("tool_choice") {
        None | Some(Value::Null) => ToolChoice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Any,
            other => return Err(Refusal::field("tool_choice", "invalid_value", format!("Invalid value: '{other}'."))),
        },
        Some(object) => {
            let name = object.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
            if !tools.iter().any(|tool| tool.name == name) {
                let message = format!("Tool choice '{name}' not found in 'tools'.");
                return Err(Refusal::field("tool_choice", "invalid_value", message));
            }
            ToolChoice::Named(name.to_owned())
        }
    };
    if traits.no_forced_tool && matches!(choice, ToolChoice::Any | ToolChoice::Named(_)) {
        return Err(Refusal::field("tool_choice", "unsupported_value", "This model cannot be forced to call a tool."));
    }
    Ok(choice)
}

fn response_format(body: &Value, turns: &[(Role, String)]) -> Result<(Option<Value>, bool), Refusal> {
    let Some(format) = body.get("response_format").filter(|format| !format.is_null()) else { return Ok((None, false)) };
    match text_of(format, "type") {
        "text" => Ok((None, false)),
        "json_object" if turns.iter().any(|(_, text)| text.to_ascii_lowercase().contains("json")) => Ok((None, true)),
        "json_object" => Err(Refusal::field(
            "messages",
            "invalid_value",
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        )),
        "json_schema" => {
            let named = format.get("json_schema").filter(|named| tool_name_ok(text_of(named, "name")));
            let schema = named.and_then(|named| named.get("schema")).ok_or_else(|| {
                Refusal::field(
                    "response_format.json_schema",
                    "missing_required_parameter",
                    "it has a name and a schema",
                )
            })?;
            let strict = named.and_then(|named| named.get("strict")).and_then(Value::as_bool).unwrap_or(false);
            if strict && !closed(schema) {
                return Err(Refusal::field(
                    "response_format",
                    "invalid_json_schema",
                    "Invalid schema: 'additionalProperties' is required to be supplied and to be false.",
                ));
            }
            Ok((Some(schema.clone()), false))
        }
        other => Err(Refusal::field("response_format.type", "invalid_value", format!("Invalid value: '{other}'."))),
    }
}

/// Strict schemas close every object.
fn closed(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let open = text_of(schema, "type") == "object" && fields.get("additionalProperties") != Some(&json!(false));
            !open && fields.values().all(closed)
        }
        Value::Array(list) => list.iter().all(closed),
        _ => true,
    }
}

pub(super) fn error(refusal: &Refusal) -> Value {
    let kind = match (refusal.status, refusal.code) {
        (_, Some("insufficient_quota")) => "insufficient_quota",
        (401, _) => "authentication_error",
        (429, _) => "requests",
        (500.., _) => "server_error",
        _ => "invalid_request_error",
    };
    json!({"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}})
}

fn finish(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
        Finish::Filter => "content_filter",
    }
}

fn usage(reply: &Reply) -> Value {
    json!({
        "prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning_tokens, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

fn logprobs(ask: &Ask, tokens: &[String]) -> Value {
    let Some(top) = ask.logprobs else { return Value::Null };
    let one = |token: &String| json!({"token": token, "logprob": -0.25, "bytes": token.as_bytes()});
    let with_top = |token: &String| {
        let mut entry = one(token);
        entry["top_logprobs"] = json!((0..top).map(|_| one(token)).collect::<Vec<_>>());
        entry
    };
    json!({"content": tokens.iter().map(with_top).collect::<Vec<_>>(), "refusal": null})
}

fn envelope(ask: &Ask, reply: &Reply, object: &str) -> Map<String, Value> {
    let whole = json!({"id": format!("chatcmpl-fake{}", reply.id), "object": object, "created": 1_790_000_000u64,
        "model": ask.model, "service_tier": super::openai_tier(ask), "system_fingerprint": "fp_fake"});
    match whole {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let choice = |(index, answer): (usize, &Answer)| {
        let text = answer.text();
        let content = if answer.calls.is_empty() { json!(text) } else { Value::Null };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if !answer.calls.is_empty() {
            let call = |call: &crate::answer::Call| {
                json!({"id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments.to_string()}})
            };
            message["tool_calls"] = answer.calls.iter().map(call).collect();
        }
        json!({"index": index, "message": message, "logprobs": logprobs(ask, &answer.tokens), "finish_reason": finish(answer)})
    };
    let mut whole = envelope(ask, reply, "chat.completion");
    whole.insert("choices".into(), reply.answers.iter().enumerate().map(choice).collect());
    whole.insert("usage".into(), usage(reply));
    Value::Object(whole)
}

pub(super) fn streamed(ask: &Ask, reply: &Reply) -> Streamed {
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = envelope(ask, reply, "chat.completion.chunk");
        chunk.insert("choices".into(), choices);
        if ask.stream_usage {
            chunk.insert("usage".into(), usage.unwrap_or(Value::Null));
        }
        format!("data: {}\n\n", Value::Object(chunk))
    };
    let delta = |index: usize, delta: Value, logprobs: Value, finish: Value| {
        chunk(json!([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]), None)
    };
    let mut streamed = Streamed::default();
    for index in 0..reply.answers.len() {
        let opening = json!({"role": "assistant", "content": "", "refusal": null});
        streamed.head.push(delta(index, opening, Value::Null, Value::Null));
    }
    // Several answers come interleaved, as they do from the real API; a shorter one has its finish before the others.
    let longest = reply.answers.iter().map(|answer| answer.tokens.len()).max().unwrap_or(0);
    for at in 0..longest {
        for (index, answer) in reply.answers.iter().enumerate() {
            if let Some(token) = answer.tokens.get(at) {
                let logprobs = logprobs(ask, std::slice::from_ref(token));
                streamed.content.push(delta(index, json!({ "content": token }), logprobs, Value::Null));
            } else if at > 0 && at == answer.tokens.len() {
                streamed.content.push(delta(index, json!({}), Value::Null, json!(finish(answer))));
            }
        }
    }
    for (index, answer) in reply.answers.iter().enumerate() {
        for (place, call) in answer.calls.iter().enumerate() {
            let opening = json!({"tool_calls": [{"index": place, "id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": ""}}]});
            streamed.content.push(delta(index, opening, Value::Null, Value::Null));
            for piece in crate::answer::split(&call.arguments.to_string()) {
                let piece = json!({"tool_calls": [{"index": place, "function": {"arguments": piece}}]});
                streamed.content.push(delta(index, piece, Value::Null, Value::Null));
            }
        }
        if answer.tokens.is_empty() || answer.tokens.len() == longest {
            streamed.tail.push(delta(index, json!({}), Value::Null, json!(finish(answer))));
        }
    }
    if ask.stream_usage {
        streamed.tail.push(chunk(json!([]), Some(usage(reply))));
    }
    streamed.tail.push("data: [DONE]\n\n".to_owned());
    streamed
}
