//! `{"error":{"message","type","param","code"}}`, all four keys always there.

use crate::ApiError;
use crate::json::{Kind, Node};
use serde_json::json;

/// The error as a body, and as the `data:` of a stream's last event.
#[must_use]
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    let body = json!({"error": {
        "message": error.message,
        "type": error.openai_kind(),
        "param": error.param,
        "code": error.code,
    }});
    body.to_string().into_bytes()
}

/// Reads an error body. What is no JSON (a proxy's HTML page) gives an error with the status alone.
#[must_use]
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let mut found = ApiError::new(status, format!("the provider answered HTTP {status}"));
    let Some(node) = std::str::from_utf8(body).ok().and_then(|text| Node::parse(text, 4).ok()) else {
        return found;
    };
    // Gemini's compatible endpoint wraps the object in an array; Ollama and some servers give a bare string.
    let node = node.items().first().unwrap_or(&node);
    let error = node.get("error").unwrap_or(node);
    if let Some(message) = error.as_str().or_else(|| error.str("message")).or_else(|| node.str("detail")) {
        found.message = message.to_owned();
    }
    found.kind = error.str("type").or_else(|| error.str("status")).unwrap_or_default().to_owned();
    found.param = error.str("param").map(str::to_owned);
    found.code = error.get("code").and_then(|code| match code.kind {
        Kind::String(_) => code.as_str().map(str::to_owned),
        Kind::Number => Some(code.raw.to_owned()),
        _ => None,
    });
    found
}
