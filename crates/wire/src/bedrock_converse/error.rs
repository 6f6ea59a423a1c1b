//! `{"message"}`, with the exception's name in a header, or as the name of a stream's event.

use crate::ApiError;
use crate::json::Node;
use crate::write::Obj;

/// The exceptions of the service and their status.
const EXCEPTIONS: [(&str, u16); 9] = [
    ("validationException", 400),
    ("accessDeniedException", 403),
    ("resourceNotFoundException", 404),
    ("modelTimeoutException", 408),
    ("throttlingException", 429),
    ("modelNotReadyException", 429),
    ("serviceUnavailableException", 503),
    ("modelErrorException", 424),
    ("internalServerException", 500),
];

/// A model that broke off while it wrote.
const STREAM_ERROR: (&str, u16) = ("modelStreamErrorException", 424);

/// Writes an error body.
#[must_use]
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    Obj::new().str("message", &error.message).end().into_bytes()
}

/// Reads an error body. What is no JSON gives an error with the status alone.
#[must_use]
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let mut found = ApiError::new(status, format!("the provider answered HTTP {status}"));
    if let Some(node) = std::str::from_utf8(body).ok().and_then(|text| Node::parse(text, 1).ok()) {
        // Amazon's gateways write the word in capitals.
        if let Some(message) = node.str("message").or_else(|| node.str("Message")) {
            found.message = message.to_owned();
        }
    }
    found
}

/// An exception inside a stream; None when the event is none.
pub(super) fn exception(name: &str, data: &str) -> Option<ApiError> {
    if !name.ends_with("xception") {
        return None;
    }
    let known = EXCEPTIONS.iter().chain([&STREAM_ERROR]).find(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut error = decode_error(known.map_or(500, |(_, status)| *status), data.as_bytes());
    if error.status == STREAM_ERROR.1 {
        // What the model's own server said, where Amazon passes that on. A failed model is no fault of the caller.
        let node = Node::parse(data, 1).ok();
        let original = node.as_ref().and_then(|node| node.u64("originalStatusCode"));
        let original = original.and_then(|status| u16::try_from(status).ok());
        error.status = original.filter(|status| matches!(status, 408 | 429 | 500..=599)).unwrap_or(502);
    }
    error.code = Some(known.map_or(name, |(known, _)| known).to_owned());
    Some(error)
}

/// The name of the exception that says this.
pub(super) fn exception_name(error: &ApiError) -> &'static str {
    EXCEPTIONS.iter().find(|(_, status)| *status == error.status).map_or("internalServerException", |(name, _)| name)
}
