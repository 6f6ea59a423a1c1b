//! Strict checks of the streams that clients read: order, indexes, one start and one stop for each block.
//!
//! For tests: of this crate, of the gateway over whole conversations, and of the stand-in provider. Stricter than any
//! client, because clients differ in what they forgive.

mod chat;
mod messages;
mod responses;

use crate::{Format, sse};
use serde_json::Value;

/// All breaches of the grammar in a whole stream, in order; empty for a good one.
///
/// A stream that ends with an error in its API's own shape is good: nothing may follow the error.
#[must_use]
pub fn breaches(format: Format, stream: &[u8]) -> Vec<String> {
    let mut events: Vec<(Option<String>, String)> = Vec::new();
    let mut parser = sse::Events::default();
    let pushed = parser.push(stream, |event| {
        let data = String::from_utf8_lossy(&event.data()).into_owned();
        if !data.is_empty() {
            events.push((event.name().map(str::to_owned), data));
        }
    });
    let mut report = Report::default();
    if pushed.is_err() || !parser.unfinished().is_empty() {
        report.add("the stream ends within an event");
    }
    match format {
        Format::OpenaiChat => chat::check(&events, &mut report),
        Format::AnthropicMessages => messages::check(&events, &mut report),
        Format::OpenaiResponses => responses::check(&events, &mut report),
        Format::Gemini | Format::OllamaChat | Format::BedrockConverse => {
            report.add("no grammar is known for this API's streams");
        }
    }
    report.breaches
}

/// What was found, each with the number of its event.
#[derive(Debug, Default)]
struct Report {
    at: usize,
    breaches: Vec<String>,
}

impl Report {
    fn add(&mut self, what: impl AsRef<str>) {
        self.breaches.push(format!("event {}: {}", self.at, what.as_ref()));
    }

    fn require(&mut self, holds: bool, what: impl AsRef<str>) {
        if !holds {
            self.add(what);
        }
    }

    /// The event as JSON, or null with a breach.
    fn json(&mut self, data: &str) -> Value {
        serde_json::from_str(data).unwrap_or_else(|error| {
            self.add(format!("no JSON: {error}"));
            Value::Null
        })
    }
}
