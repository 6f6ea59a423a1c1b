//! OpenAI embeddings: short vectors that depend on the input only.

use super::Refusal;
use crate::answer::{Ask, Role, tokens_of};
use serde_json::{Value, json};

pub(super) fn read(body: &Value) -> Result<Ask, Refusal> {
    super::known_fields(body, &["model", "input", "encoding_format", "dimensions", "user"])
        .map_err(|name| Refusal::bad(format!("Unrecognized request argument supplied: {name}")))?;
    if inputs(body).is_empty() {
        return Err(Refusal::field("input", "invalid_value", "'input' must be text, tokens, or a list of these"));
    }
    let turns = inputs(body).into_iter().map(|input| (Role::User, input)).collect();
    Ok(Ask { model: super::text_of(body, "model").to_owned(), turns, ..Ask::default() })
}

/// One text per wanted vector; token lists count as text.
fn inputs(body: &Value) -> Vec<String> {
    match body.get("input") {
        Some(Value::String(text)) if !text.is_empty() => vec![text.clone()],
        Some(Value::Array(list)) if list.iter().all(Value::is_u64) && !list.is_empty() => {
            vec![Value::Array(list.clone()).to_string()]
        }
        Some(Value::Array(list)) => {
            list.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// The reply.
pub(crate) fn embed(body: &Value) -> Value {
    let inputs = inputs(body);
    let base64 = super::text_of(body, "encoding_format") == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(input);
            let embedding = if base64 { json!(encode(&vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = inputs.iter().map(|input| tokens_of(input)).sum();
    json!({"object": "list", "data": data, "model": super::text_of(body, "model"),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

fn vector(input: &str) -> [f32; 8] {
    let mut sums = [0f32; 8];
    for (at, byte) in input.bytes().enumerate() {
        sums[at % 8] += f32::from(byte) / 255.0;
    }
    let length = sums.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
    sums.map(|value| value / length)
}

/// Base64 of little-endian floats, as the API sends it.
fn encode(vector: &[f32]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { letter as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_base64() {
        assert_eq!(super::encode(&[1.0, -2.0]), "AACAPwAAAMA=");
    }
}
