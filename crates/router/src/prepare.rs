//! The request as one target wants it.

use crate::call::Call;
use crate::seam::{Operation, WireRequest};
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use tierway_decide::Target;
use tierway_wire::Outline;
use tierway_wire::splice::{Edit, Fields};

/// Headers of the client that mean something to a provider. Everything else stays here, credentials above all.
const FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("idempotency-key"),
];

/// A request that is ready to be sent, and what had to be changed for it.
pub(crate) struct Prepared {
    pub(crate) request: WireRequest,
    pub(crate) adapted: Vec<String>,
}

/// Writes the request for a target. Same API: the bytes as they came, but for the fields that must change.
pub(crate) fn prepare(call: &Call, outline: &Outline<'_>, fields: &Fields<'_>, target: &Target) -> Prepared {
    let model = serde_json::Value::from(target.model.as_str()).to_string();
    let mut edits = vec![Edit::Set("model", model.into())];
    if outline.stream && !outline.usage_wanted {
        edits.push(Edit::Set("stream_options", "{\"include_usage\":true}".into()));
    }
    let request = WireRequest {
        operation: Operation::Chat,
        format: target.format,
        model: target.model.clone(),
        stream: outline.stream,
        headers: forwarded(&call.headers),
        body: Bytes::from(fields.apply(&edits)),
    };
    Prepared { request, adapted: Vec::new() }
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(8);
    for name in FORWARDED {
        for value in headers.get_all(&name) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}
