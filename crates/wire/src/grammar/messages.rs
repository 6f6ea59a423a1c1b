//! Anthropic Messages: message_start, blocks one after the other, message_delta, message_stop.

use super::Report;
use serde_json::Value;

#[derive(Default)]
struct Checker {
    started: bool,
    /// The open block: its index, its type, the JSON of its input so far.
    open: Option<(u64, String, String)>,
    next: u64,
    stop_reason: bool,
    ended: Option<&'static str>,
}

pub(super) fn check(events: &[(Option<String>, String)], report: &mut Report) {
    let mut checker = Checker::default();
    for (at, (name, data)) in events.iter().enumerate() {
        report.at = at;
        let event = report.json(data);
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        report.require(name.as_deref() == Some(kind.as_str()), "the `event:` line names the type");
        if let Some(how) = checker.ended {
            report.add(format!("something follows {how}"));
            return;
        }
        checker.event(&kind, &event, report);
    }
    report.at = events.len();
    report.require(checker.ended.is_some(), "the stream ends without message_stop");
}

impl Checker {
    fn event(&mut self, kind: &str, event: &Value, report: &mut Report) {
        match kind {
            "ping" => return,
            "error" => {
                self.ended = Some("an error");
                let error = &event["error"];
                return report.require(error["type"].is_string() && error["message"].is_string(), "an error is whole");
            }
            "message_start" => return self.message_start(event, report),
            _ => {}
        }
        report.require(self.started, "message_start comes first");
        match kind {
            "content_block_start" => self.block_start(event, report),
            "content_block_delta" => self.block_delta(event, report),
            "content_block_stop" => match self.open.take() {
                Some((index, kind, input)) => {
                    report.require(event["index"] == index, "the open block stops");
                    if kind == "tool_use" && !input.is_empty() {
                        let whole = serde_json::from_str::<Value>(&input).is_ok_and(|input| input.is_object());
                        report.require(whole, "the pieces of a tool's input are one JSON object");
                    }
                }
                None => report.add("no block is open"),
            },
            "message_delta" => {
                report.require(self.open.is_none(), "all blocks are closed before message_delta");
                report.require(event["usage"]["output_tokens"].is_u64(), "message_delta counts output tokens");
                report.require(event["delta"].get("stop_sequence").is_some(), "message_delta has stop_sequence");
                self.stop_reason |= event["delta"]["stop_reason"].is_string();
            }
            "message_stop" => {
                report.require(self.stop_reason, "a stop reason comes before message_stop");
                self.ended = Some("message_stop");
            }
            other => report.add(format!("`{other}` is no event")),
        }
    }

    fn message_start(&mut self, event: &Value, report: &mut Report) {
        report.require(!self.started, "message_start comes once");
        self.started = true;
        let message = &event["message"];
        report.require(message["type"] == "message" && message["role"] == "assistant", "it starts a message");
        report.require(message["id"].as_str().is_some_and(|id| !id.is_empty()), "the message has an id");
        report.require(message["model"].is_string(), "the message names the model");
        report.require(message["content"] == Value::Array(Vec::new()), "the message starts empty");
        report.require(message.get("stop_reason") == Some(&Value::Null), "there is no stop reason yet");
        report.require(message["usage"]["input_tokens"].is_u64(), "the message counts input tokens");
    }

    fn block_start(&mut self, event: &Value, report: &mut Report) {
        report.require(self.open.is_none(), "one block is open at a time");
        report.require(!self.stop_reason, "no block follows the stop reason");
        report.require(event["index"] == self.next, "indexes rise by one");
        let block = &event["content_block"];
        let kind = block["type"].as_str().unwrap_or_default();
        match kind {
            "text" => report.require(block["text"] == "", "text starts empty"),
            "thinking" => report.require(block["thinking"] == "" && block["signature"] == "", "thinking starts empty"),
            "tool_use" => {
                let named = block["id"].as_str().is_some_and(|id| !id.is_empty()) && block["name"].is_string();
                report.require(named, "a tool call has id and name");
                report.require(block["input"] == serde_json::json!({}), "a tool's input starts empty");
            }
            "" => report.add("a block has a type"),
            _ => {}
        }
        self.open = Some((self.next, kind.to_owned(), String::new()));
        self.next += 1;
    }

    fn block_delta(&mut self, event: &Value, report: &mut Report) {
        let Some((index, kind, input)) = &mut self.open else {
            return report.add("no block is open");
        };
        report.require(event["index"] == *index, "deltas belong to the open block");
        let delta = &event["delta"];
        let (wanted, field) = match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => ("text", "text"),
            "citations_delta" => ("text", "citation"),
            "input_json_delta" => ("tool_use", "partial_json"),
            "thinking_delta" => ("thinking", "thinking"),
            "signature_delta" => ("thinking", "signature"),
            other => return report.add(format!("`{other}` is no delta")),
        };
        report.require(kind == wanted, format!("a `{kind}` block gets no such delta"));
        report.require(!delta[field].is_null(), format!("the delta has `{field}`"));
        input.push_str(delta["partial_json"].as_str().unwrap_or_default());
    }
}
