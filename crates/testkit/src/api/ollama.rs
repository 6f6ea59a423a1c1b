//! Ollama's `/api/chat`: one JSON object a line; tool arguments are objects; unknown fields are ignored.

use super::{Refusal, Streamed, text_of};
use crate::answer::{Answer, Ask, Finish, Reply, Role, Tool};
use serde_json::{Value, json};

pub(super) fn read(body: &Value) -> Result<Ask, Refusal> {
    let model = text_of(body, "model");
    if model.is_empty() {
        return Err(Refusal::bad("model is required"));
    }
    let messages =
        body.get("messages").and_then(Value::as_array).ok_or_else(|| Refusal::bad("messages is required"))?;
    let (mut turns, mut images) = (Vec::new(), 0);
    for message in messages {
        let role = match text_of(message, "role") {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            other => return Err(Refusal::bad(format!("invalid role: {other}"))),
        };
        let Some(text) = message.get("content").map_or(Some(""), Value::as_str) else {
            return Err(Refusal::bad("json: cannot unmarshal array into Go struct field content of type string"));
        };
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            if !call.pointer("/function/arguments").is_none_or(Value::is_object) {
                return Err(Refusal::bad("json: cannot unmarshal string into Go struct field arguments"));
            }
        }
        images += message.get("images").and_then(Value::as_array).map_or(0, |images| images.len() as u64);
        turns.push((role, text.to_owned()));
    }
    let tool = |tool: &Value| Tool {
        name: tool.pointer("/function/name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        schema: tool.pointer("/function/parameters").cloned().unwrap_or_default(),
    };
    let tools: Vec<Tool> = body.get("tools").and_then(Value::as_array).into_iter().flatten().map(tool).collect();
    Ok(Ask {
        model: model.to_owned(),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(true),
        turns,
        images,
        tool_bytes: body.get("tools").map_or(0, |tools| tools.to_string().len() as u64),
        tools,
        parallel: true,
        schema: body.get("format").filter(|format| format.is_object()).cloned(),
        json_object: text_of(body, "format") == "json",
        answers: 1,
        max_tokens: body.pointer("/options/num_predict").and_then(Value::as_u64),
        reasons: body.get("think").is_some_and(|think| *think != json!(false) && !think.is_null()),
        ..Ask::default()
    })
}

fn line(ask: &Ask, message: &Value) -> Value {
    json!({"model": ask.model, "created_at": "2026-11-20T00:00:00.000000Z", "message": message, "done": false})
}

fn end(ask: &Ask, reply: &Reply, message: &Value) -> Value {
    let mut last = line(ask, message);
    last["done"] = json!(true);
    last["done_reason"] = json!(if reply.first().finish == Finish::Length { "length" } else { "stop" });
    last["prompt_eval_count"] = json!(reply.input_tokens);
    last["eval_count"] = json!(reply.output_tokens);
    last["total_duration"] = json!(1_000_000);
    last
}

fn calls(answer: &Answer) -> Value {
    answer.calls.iter().map(|call| json!({"function": {"name": call.name, "arguments": call.arguments}})).collect()
}

pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let answer = reply.first();
    let mut message = json!({"role": "assistant", "content": answer.text()});
    if !answer.calls.is_empty() {
        message["tool_calls"] = calls(answer);
    }
    if ask.reasons {
        message["thinking"] = json!("The stand-in thinks.");
    }
    end(ask, reply, &message)
}

pub(super) fn streamed(ask: &Ask, reply: &Reply) -> Streamed {
    let answer = reply.first();
    let say = |message: &Value| format!("{}\n", line(ask, message));
    let mut streamed = Streamed::default();
    if ask.reasons {
        streamed.head.push(say(&json!({"role": "assistant", "content": "", "thinking": "The stand-in thinks."})));
    }
    streamed.content = answer.tokens.iter().map(|token| say(&json!({"role": "assistant", "content": token}))).collect();
    if !answer.calls.is_empty() {
        let message = json!({"role": "assistant", "content": "", "tool_calls": calls(answer)});
        streamed.content.push(say(&message));
    }
    streamed.tail.push(format!("{}\n", end(ask, reply, &json!({"role": "assistant", "content": ""}))));
    streamed
}
