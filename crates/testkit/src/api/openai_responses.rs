//! OpenAI Responses, refusing what OpenAI refuses.

use super::{Refusal, Streamed, known_fields, text_of, tool_name_ok};
use crate::answer::{Answer, Ask, Call, Finish, Reply, Role, Tool, ToolChoice};
use crate::traits::{Thinks, Traits};
use serde_json::{Value, json};

const FIELDS: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "max_tool_calls",
    "temperature",
    "top_p",
    "top_logprobs",
    "reasoning",
    "text",
    "store",
    "previous_response_id",
    "conversation",
    "include",
    "metadata",
    "truncation",
    "user",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "background",
    "client_metadata",
];

/// Lower limits are refused.
const LEAST_OUTPUT_TOKENS: u64 = 16;

pub(super) fn read(body: &Value, traits: &Traits) -> Result<Ask, Refusal> {
    known_fields(body, FIELDS)
        .map_err(|name| Refusal::field(name.clone(), "unknown_parameter", format!("Unknown parameter: '{name}'.")))?;
    let model = text_of(body, "model");
    if model.is_empty() {
        return Err(Refusal::field("model", "missing_required_parameter", "Missing required parameter: 'model'."));
    }
    let effort = body.pointer("/reasoning/effort").and_then(Value::as_str);
    let reasons = traits.reasons(effort);
    if effort.is_some() && traits.thinks == Thinks::Never {
        let message = "Unsupported parameter: 'reasoning.effort' is not supported with this model.";
        return Err(Refusal::field("reasoning.effort", "unsupported_parameter", message));
    }
    for name in ["temperature", "top_p"] {
        if body.get(name).is_some_and(|value| !value.is_null() && !value.is_number()) {
            return Err(Refusal::field(name, "invalid_type", format!("Invalid type for '{name}': expected a number.")));
        }
        let value = body.get(name).and_then(Value::as_f64);
        if value.is_some_and(|value| value != 1.0) && (reasons || traits.no_sampling) {
            let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
            return Err(Refusal::field(name, "unsupported_parameter", message));
        }
    }
    let least = body.get("max_output_tokens").filter(|value| !value.is_null());
    if least.is_some_and(|value| value.as_u64().is_none_or(|value| value < LEAST_OUTPUT_TOKENS)) {
        let message = format!(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {LEAST_OUTPUT_TOKENS}."
        );
        return Err(Refusal::field("max_output_tokens", "integer_below_min_value", message));
    }
    let (turns, images) = turns(body)?;
    let tools = tools(body)?;
    let choice = match body.get("tool_choice") {
        None | Some(Value::Null) => ToolChoice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Any,
            other => return Err(Refusal::field("tool_choice", "invalid_value", format!("Invalid value: '{other}'."))),
        },
        Some(object) => ToolChoice::Named(text_of(object, "name").to_owned()),
    };
    let format = body.pointer("/text/format").cloned().unwrap_or_default();
    let schema = match text_of(&format, "type") {
        "json_schema" if format.get("schema").is_some() && tool_name_ok(text_of(&format, "name")) => {
            format.get("schema").cloned()
        }
        "json_schema" => {
            return Err(Refusal::field("text.format", "missing_required_parameter", "it has a name and a schema"));
        }
        _ => None,
    };
    Ok(Ask {
        model: model.to_owned(),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        turns,
        images,
        tool_bytes: body.get("tools").map_or(0, |tools| tools.to_string().len() as u64),
        tools,
        choice,
        parallel: body.get("parallel_tool_calls").and_then(Value::as_bool).unwrap_or(true),
        json_object: text_of(&format, "type") == "json_object",
        schema,
        answers: 1,
        max_tokens: body.get("max_output_tokens").and_then(Value::as_u64),
        reasons,
        ..Ask::default()
    })
}

fn turns(body: &Value) -> Result<(Vec<(Role, String)>, u64), Refusal> {
    let (mut turns, mut images, mut open) = (Vec::new(), 0, Vec::<String>::new());
    if let Some(text) = body.get("instructions").and_then(Value::as_str) {
        turns.push((Role::System, text.to_owned()));
    }
    let items = match body.get("input") {
        Some(Value::String(text)) => {
            turns.push((Role::User, text.clone()));
            return Ok((turns, 0));
        }
        Some(Value::Array(items)) if !items.is_empty() => items,
        _ => return Err(Refusal::field("input", "missing_required_parameter", "Missing required parameter: 'input'.")),
    };
    let stored = body.get("previous_response_id").or_else(|| body.get("conversation")).is_some_and(|id| !id.is_null());
    for (at, item) in items.iter().enumerate() {
        let wrong = |text: String| Refusal::field(format!("input[{at}]"), "invalid_value", text);
        match text_of(item, "type") {
            "" | "message" => {
                let role = match text_of(item, "role") {
                    "system" | "developer" => Role::System,
                    "user" => Role::User,
                    "assistant" => Role::Assistant,
                    other => return Err(wrong(format!("Invalid value: '{other}'."))),
                };
                turns.push((role, content(item, role, &mut images).map_err(wrong)?));
            }
            "function_call" => {
                if !item["arguments"].is_string() {
                    return Err(wrong("Invalid type for 'arguments': expected a string".to_owned()));
                }
                open.push(text_of(item, "call_id").to_owned());
                turns.push((Role::Assistant, String::new()));
            }
            "function_call_output" => {
                let id = text_of(item, "call_id");
                if !stored && !open.iter().any(|known| known == id) {
                    return Err(wrong(format!("No tool call found for function call output with call_id {id}.")));
                }
                turns.push((Role::Tool, text_of(item, "output").to_owned()));
            }
            "reasoning"
            | "item_reference"
            | "custom_tool_call"
            | "custom_tool_call_output"
            | "local_shell_call"
            | "local_shell_call_output"
            | "web_search_call"
            | "additional_tools"
            | "compaction" => {}
            other => return Err(wrong(format!("Invalid value: '{other}'."))),
        }
    }
    Ok((turns, images))
}

fn content(item: &Value, role: Role, images: &mut u64) -> Result<String, String> {
    let parts = match item.get("content") {
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(Value::Array(parts)) => parts,
        _ => return Err("Missing required parameter: 'content'.".to_owned()),
    };
    let mut text = String::new();
    for part in parts {
        match (text_of(part, "type"), role) {
            ("input_text", Role::User | Role::System) | ("output_text", Role::Assistant) => {
                text.push_str(text_of(part, "text"));
            }
            ("refusal", Role::Assistant) => text.push_str(text_of(part, "refusal")),
            ("input_image", Role::User) => *images += 1,
            ("input_file" | "input_audio", Role::User) => {}
            (kind, _) => return Err(format!("Invalid value: '{kind}' in a message of this role.")),
        }
    }
    Ok(text)
}

fn tools(body: &Value) -> Result<Vec<Tool>, Refusal> {
    let mut tools = Vec::new();
    for (at, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if text_of(tool, "type").is_empty() {
            return Err(Refusal::field(format!("tools[{at}].type"), "missing_required_parameter", "Missing 'type'."));
        }
        if text_of(tool, "type") == "function" {
            let name = text_of(tool, "name");
            if !tool_name_ok(name) {
                let param = format!("tools[{at}].name");
                return Err(Refusal::field(param.clone(), "missing_required_parameter", format!("Missing '{param}'.")));
            }
            tools.push(Tool { name: name.to_owned(), schema: tool.get("parameters").cloned().unwrap_or_default() });
        }
    }
    Ok(tools)
}

fn usage(reply: &Reply) -> Value {
    json!({"input_tokens": reply.input_tokens, "input_tokens_details": {"cached_tokens": reply.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens, "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
        "total_tokens": reply.input_tokens + reply.output_tokens})
}

fn status(answer: &Answer) -> &'static str {
    if matches!(answer.finish, Finish::Length | Finish::Filter) { "incomplete" } else { "completed" }
}

fn message(reply: &Reply, text: &str, status: &str) -> Value {
    let content = if status == "in_progress" {
        json!([])
    } else {
        json!([{"type": "output_text", "text": text, "annotations": [], "logprobs": []}])
    };
    json!({"id": format!("msg_fake{}", reply.id), "type": "message", "role": "assistant", "status": status, "content": content})
}

fn function_call(call: &Call, arguments: &str, status: &str) -> Value {
    json!({"id": format!("fc_{}", call.id), "type": "function_call", "status": status, "call_id": call.id,
        "name": call.name, "arguments": arguments})
}

fn output(ask: &Ask, reply: &Reply) -> Vec<Value> {
    let answer = reply.first();
    let mut output = Vec::new();
    if ask.reasons {
        output.push(json!({"id": format!("rs_fake{}", reply.id), "type": "reasoning", "summary": []}));
    }
    if !answer.tokens.is_empty() {
        output.push(message(reply, &answer.text(), status(answer)));
    }
    output.extend(answer.calls.iter().map(|call| function_call(call, &call.arguments.to_string(), "completed")));
    output
}

fn envelope(ask: &Ask, reply: &Reply, status: &str, output: &[Value]) -> Value {
    let reason = if reply.first().finish == Finish::Filter { "content_filter" } else { "max_output_tokens" };
    let details = if status == "incomplete" { json!({ "reason": reason }) } else { Value::Null };
    let usage = if status == "in_progress" { Value::Null } else { usage(reply) };
    json!({"id": format!("resp_fake{}", reply.id), "object": "response", "created_at": 1_790_000_000u64,
        "status": status, "error": null, "incomplete_details": details, "instructions": null, "metadata": {},
        "model": ask.model, "output": output, "parallel_tool_calls": ask.parallel, "temperature": 1.0, "top_p": 1.0,
        "tool_choice": "auto", "tools": [], "max_output_tokens": ask.max_tokens, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "service_tier": super::openai_tier(ask), "store": true,
        "text": {"format": {"type": "text"}}, "truncation": "disabled", "usage": usage})
}

pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    envelope(ask, reply, status(reply.first()), &output(ask, reply))
}

pub(super) fn streamed(ask: &Ask, reply: &Reply) -> Streamed {
    let answer = reply.first();
    let mut number = 0;
    let mut event = |kind: &str, mut fields: Value| {
        fields["type"] = json!(kind);
        fields["sequence_number"] = json!(number);
        number += 1;
        super::messages::event(kind, &fields)
    };
    let mut streamed = Streamed::default();
    let opening = envelope(ask, reply, "in_progress", &[]);
    streamed.head.push(event("response.created", json!({ "response": opening })));
    streamed.head.push(event("response.in_progress", json!({ "response": opening })));
    let mut place = 0;
    if ask.reasons {
        let item = output(ask, reply).into_iter().next().unwrap_or_default();
        streamed.head.push(event("response.output_item.added", json!({"output_index": place, "item": item})));
        streamed.head.push(event("response.output_item.done", json!({"output_index": place, "item": item})));
        place += 1;
    }
    if !answer.tokens.is_empty() {
        let id = format!("msg_fake{}", reply.id);
        let with = |more: Value| {
            let mut fields = json!({"item_id": id, "output_index": place, "content_index": 0});
            for (key, value) in more.as_object().into_iter().flatten() {
                fields[key] = value.clone();
            }
            fields
        };
        let part =
            |text: &str| json!({"part": {"type": "output_text", "text": text, "annotations": [], "logprobs": []}});
        let item = message(reply, "", "in_progress");
        streamed.head.push(event("response.output_item.added", json!({"output_index": place, "item": item})));
        streamed.head.push(event("response.content_part.added", with(part(""))));
        for token in &answer.tokens {
            streamed.content.push(event("response.output_text.delta", with(json!({"delta": token, "logprobs": []}))));
        }
        let text = answer.text();
        streamed.tail.push(event("response.output_text.done", with(json!({"text": text, "logprobs": []}))));
        streamed.tail.push(event("response.content_part.done", with(part(&text))));
        let item = message(reply, &text, status(answer));
        streamed.tail.push(event("response.output_item.done", json!({"output_index": place, "item": item})));
        place += 1;
    }
    for call in &answer.calls {
        let whole = call.arguments.to_string();
        let id = format!("fc_{}", call.id);
        let item = function_call(call, "", "in_progress");
        streamed.content.push(event("response.output_item.added", json!({"output_index": place, "item": item})));
        for piece in crate::answer::split(&whole) {
            let delta = json!({"item_id": id, "output_index": place, "delta": piece});
            streamed.content.push(event("response.function_call_arguments.delta", delta));
        }
        let done = json!({"item_id": id, "output_index": place, "name": call.name, "arguments": whole});
        streamed.content.push(event("response.function_call_arguments.done", done));
        let item = function_call(call, &whole, "completed");
        streamed.content.push(event("response.output_item.done", json!({"output_index": place, "item": item})));
        place += 1;
    }
    let end = if status(answer) == "incomplete" { "response.incomplete" } else { "response.completed" };
    streamed.tail.push(event(end, json!({"response": whole(ask, reply)})));
    streamed
}

pub(super) fn failed() -> String {
    let response = json!({"id": "resp_fake", "object": "response", "status": "failed", "output": [],
        "error": {"code": "server_error", "message": "The server had an error while answering."}});
    let fields = json!({"type": "response.failed", "sequence_number": 999, "response": response});
    super::messages::event("response.failed", &fields)
}
