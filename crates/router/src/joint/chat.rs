//! Chat Completions: chunks with one id, and text in `delta.content`.

use super::{Joint, Transcript};
use crate::meter::Out;
use serde_json::Value;
use tierway_wire::MOST_TOKENS;
use tierway_wire::openai_chat::Facts;
use tierway_wire::sse::Event;

pub(super) fn hear(data: &[u8], heard: &mut Transcript) {
    if let Some(said) = heard.repeats.text(data) {
        return heard.take(&said);
    }
    let Some(chunk) = Facts::read(data) else { return };
    if let Some(text) = chunk.only_text() {
        heard.repeats.keep(data, text);
    }
    if let Some(known) = chunk.id.filter(|_| heard.id.is_empty()) {
        known.clone_into(&mut heard.id);
    }
    if let Some(said) = chunk.text() {
        heard.take(&said);
    }
    heard.other |= chunk.has_tool_call || chunk.has_refusal || chunk.has_audio;
}

pub(super) fn join(event: &Event<'_>, joint: &mut Joint, out: &mut Out) {
    match serde_json::from_slice::<Value>(&event.data()) {
        Ok(chunk) => {
            if let Some(chunk) = joined(chunk, joint) {
                out.data(chunk.to_string().as_bytes());
            }
        }
        Err(_) => out.event(event.raw()),
    }
}

/// None for an opening without content: the client had one, and accumulators would add the second role to the first.
fn joined(mut chunk: Value, joint: &mut Joint) -> Option<Value> {
    chunk["id"] = joint.id.as_str().into();
    if let Some(delta) = chunk.pointer_mut("/choices/0/delta").and_then(Value::as_object_mut) {
        let opens = delta.shift_remove("role").is_some();
        if let Some(Value::String(text)) = delta.get_mut("content")
            && !joint.space.is_empty()
        {
            *text = joint.without_space(text).to_owned();
        }
        let says = delta.values().any(|value| !value.is_null() && value != "");
        if opens && !says && chunk["choices"][0]["finish_reason"].is_null() {
            return None;
        }
    }
    if let Some(usage) = chunk.get_mut("usage").and_then(Value::as_object_mut) {
        let tokens = joint.tokens;
        let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or_default().min(MOST_TOKENS);
        let (input, output) = (count("prompt_tokens").saturating_sub(tokens), count("completion_tokens") + tokens);
        usage.insert("prompt_tokens".into(), input.into());
        usage.insert("completion_tokens".into(), output.into());
        usage.insert("total_tokens".into(), (input + output).into());
    }
    Some(chunk)
}
