//! `{"type":"error","error":{"type","message"},"request_id"}`.

use crate::ApiError;
use crate::json::Node;
use crate::write::Obj;

/// The error as a body, and as the data of a stream's `error` event.
#[must_use]
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    let mut inner = Obj::new();
    inner.str("type", kind(error)).str("message", &error.message);
    if let Some(code) = error.code.as_deref().filter(|code| code.starts_with("thread_")) {
        // By this word the official clients go on without a thread, with the whole conversation in each request.
        inner.raw("details", &Obj::new().str("error_code", code).end());
    }
    let inner = inner.end();
    let mut body = Obj::new();
    body.str("type", "error").raw("error", &inner).str_or_null("request_id", error.request_id.as_deref());
    body.end().into_bytes()
}

/// Anthropic's word; clients branch on it. Words of other APIs are not passed on, the status says the same.
fn kind(error: &ApiError) -> &str {
    const WORDS: [&str; 9] = [
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "rate_limit_error",
        "timeout_error",
        "overloaded_error",
    ];
    match error.status {
        _ if WORDS.contains(&error.kind.as_str()) => &error.kind,
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Reads an error body or the data of an `error` event. What is no JSON gives an error with the status alone.
#[must_use]
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let mut found = ApiError::new(status, format!("the provider answered HTTP {status}"));
    if let Some(node) = std::str::from_utf8(body).ok().and_then(|text| Node::parse(text, 4).ok()) {
        let error = node.get("error").unwrap_or(&node);
        if let Some(message) = error.str("message") {
            found.message = message.to_owned();
        }
        found.kind = error.str("type").unwrap_or_default().to_owned();
        found.code = (!found.kind.is_empty()).then(|| found.kind.clone());
        found.request_id = node.str("request_id").map(str::to_owned);
    }
    found
}

/// The status that goes with an `error` event in a stream, where no HTTP status says it.
pub(super) fn status_of(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}
