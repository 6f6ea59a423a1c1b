//! Messages: numbered blocks between one start and one stop of the message. Only a first block of text that is still open
//! can be gone on with.

use super::{Joint, Transcript};
use crate::meter::Out;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tierway_wire::MOST_TOKENS;
use tierway_wire::sse::Event;

/// A piece of text, where it lies in its event.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

pub(super) fn hear(data: &[u8], heard: &mut Transcript) {
    if let Some(said) = heard.repeats.text(data) {
        return heard.take(&said);
    }
    let Ok(event) = serde_json::from_slice::<Value>(data) else { return };
    match event["type"].as_str() {
        Some("message_start") => heard.id = event["message"]["id"].as_str().unwrap_or_default().to_owned(),
        Some("content_block_start") => {
            let block = &event["content_block"];
            heard.other |= event["index"] != 0 || block["type"] != "text" || block["text"] != "";
        }
        Some("content_block_delta") => match event["delta"]["text"].as_str() {
            Some(text) if event["delta"]["type"] == "text_delta" => {
                heard.take(text);
                if let Ok(piece) = serde_json::from_slice::<Piece<'_>>(data) {
                    heard.repeats.keep(data, piece.delta.text.get());
                }
            }
            _ => heard.other = true,
        },
        Some("content_block_stop") => heard.other = true,
        _ => {}
    }
}

pub(super) fn join(event: &Event<'_>, joint: &mut Joint, out: &mut Out) {
    match serde_json::from_slice::<Value>(&event.data()) {
        Ok(Value::Object(fields)) => joined(Value::Object(fields), joint, out),
        _ => out.event(event.raw()),
    }
}

fn joined(mut event: Value, joint: &mut Joint, out: &mut Out) {
    match event["type"].as_str() {
        // The client had one.
        Some("message_start") => return,
        Some("content_block_start") if joint.shift.is_none() => {
            if event["content_block"]["type"] == "text" {
                // It goes on in the block that is open.
                joint.shift = Some(0);
                return;
            }
            joint.shift = Some(1);
            write(&json!({"type": "content_block_stop", "index": 0}), out);
        }
        Some("content_block_delta") if !joint.space.is_empty() => {
            if let Some(Value::String(text)) = event.pointer_mut("/delta/text") {
                *text = joint.without_space(text).to_owned();
            }
        }
        Some("message_delta") => whole_usage(&mut event["usage"], joint.tokens),
        _ => {}
    }
    if let (Some(index), Some(shift)) = (event["index"].as_u64(), joint.shift) {
        event["index"] = index.saturating_add(shift).into();
    }
    write(&event, out);
}

fn whole_usage(usage: &mut Value, tokens: u64) {
    if let Some(output) = usage["output_tokens"].as_u64() {
        usage["output_tokens"] = (output.min(MOST_TOKENS) + tokens).into();
    }
    if let Some(input) = usage["input_tokens"].as_u64() {
        usage["input_tokens"] = input.saturating_sub(tokens).into();
    }
}

fn write(event: &Value, out: &mut Out) {
    out.raw(b"event: ");
    out.raw(event["type"].as_str().unwrap_or_default().as_bytes());
    out.raw(b"\n");
    out.data(event.to_string().as_bytes());
}
