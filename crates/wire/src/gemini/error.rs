//! `{"error":{"code","message","status"}}`.

use crate::ApiError;
use crate::json::Node;
use crate::write::Obj;

/// The error as a body.
#[must_use]
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    let status = match error.status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        402..=499 => "FAILED_PRECONDITION",
        _ => "INTERNAL",
    };
    let inner = Obj::new().num("code", error.status).str("message", &error.message).str("status", status).end();
    Obj::new().raw("error", &inner).end().into_bytes()
}

/// Reads an error body. What is no JSON gives an error with the status alone.
#[must_use]
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let mut found = ApiError::new(status, format!("the provider answered HTTP {status}"));
    if let Some(node) = std::str::from_utf8(body).ok().and_then(|text| Node::parse(text, 6).ok()) {
        // Streams that fail early answer with an array of one.
        let node = node.items().first().unwrap_or(&node);
        let error = node.get("error").unwrap_or(node);
        if let Some(message) = error.str("message") {
            found.message = message.to_owned();
        }
        found.code = error.str("status").map(str::to_owned);
        found.kind = found.code.clone().unwrap_or_default();
    }
    found
}
