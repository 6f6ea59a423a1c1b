//! OpenAI Responses: numbered events, items and parts each added and done once, one closing response.

use super::Report;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Default)]
struct Checker {
    /// Open items by output index.
    open: BTreeMap<u64, Item>,
    added: u64,
    whole: BTreeMap<u64, Value>,
    ended: bool,
}

#[derive(Default)]
struct Item {
    id: Value,
    kind: String,
    /// The open part, and the text that came in pieces.
    part: Option<Value>,
    text: String,
}

pub(super) fn check(events: &[(Option<String>, String)], report: &mut Report) {
    let mut checker = Checker::default();
    for (at, (name, data)) in events.iter().enumerate() {
        report.at = at;
        let event = report.json(data);
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        report.require(name.as_deref() == Some(kind.as_str()), "the `event:` line names the type");
        report.require(event["sequence_number"] == at, "sequence numbers rise by one from 0");
        if checker.ended {
            report.add("something follows the end");
            return;
        }
        match (at, kind.as_str()) {
            (0, "response.created") | (1, "response.in_progress") => {
                report.require(event["response"]["status"] == "in_progress", "the response is in progress");
                response(&event["response"], report);
            }
            (_, "error") => {
                report.require(event["message"].is_string() && event.get("code").is_some(), "an error is whole");
                checker.ended = true;
            }
            (0 | 1, _) => report.add("response.created and response.in_progress come first"),
            _ => checker.event(&kind, &event, report),
        }
    }
    report.at = events.len();
    report.require(checker.ended, "the stream ends without its closing event");
}

fn response(response: &Value, report: &mut Report) {
    report.require(response["id"].as_str().is_some_and(|id| !id.is_empty()), "the response has an id");
    report.require(response["object"] == "response", "`object` is `response`");
    report.require(response["created_at"].is_number() && response["model"].is_string(), "time and model are there");
    for field in [
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "output",
        "parallel_tool_calls",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
    ] {
        report.require(response.get(field).is_some(), format!("the response has `{field}`"));
    }
}

impl Checker {
    fn event(&mut self, kind: &str, event: &Value, report: &mut Report) {
        match kind {
            "response.output_item.added" => self.added(event, report),
            "response.output_item.done" => self.done(event, report),
            "response.completed" | "response.incomplete" | "response.failed" => self.last(kind, event, report),
            _ => {
                let index = event["output_index"].as_u64().unwrap_or(u64::MAX);
                match self.open.get_mut(&index) {
                    Some(item) => {
                        report.require(event["item_id"] == item.id, "the event names its item");
                        item.event(kind, event, report);
                    }
                    None => report.add(format!("`{kind}` belongs to no open item")),
                }
            }
        }
    }

    fn added(&mut self, event: &Value, report: &mut Report) {
        report.require(event["output_index"] == self.added, "output indexes rise by one");
        let item = &event["item"];
        let kind = item["type"].as_str().unwrap_or_default().to_owned();
        report.require(item["id"].as_str().is_some_and(|id| !id.is_empty()), "an item has an id");
        let twice = self.open.values().any(|open| open.id == item["id"])
            || self.whole.values().any(|whole| whole["id"] == item["id"]);
        report.require(!twice, "item ids differ");
        match kind.as_str() {
            "message" => report.require(item["content"] == Value::Array(Vec::new()), "a message starts empty"),
            "function_call" => {
                report.require(item["call_id"].is_string() && item["name"].is_string(), "a call has call_id and name");
                report.require(item["arguments"] == "", "arguments start empty");
            }
            _ => {}
        }
        self.open.insert(self.added, Item { id: item["id"].clone(), kind, ..Item::default() });
        self.added += 1;
    }

    fn done(&mut self, event: &Value, report: &mut Report) {
        let index = event["output_index"].as_u64().unwrap_or(u64::MAX);
        let Some(item) = self.open.remove(&index) else {
            return report.add("an item is done that is not open");
        };
        report.require(item.part.is_none(), "an item's parts are done before it");
        let whole = &event["item"];
        report.require(whole["id"] == item.id && whole["type"] == item.kind.as_str(), "the same item is done");
        if item.kind == "function_call" {
            report.require(whole["arguments"] == item.text.as_str(), "the arguments are those that came in pieces");
        }
        if item.kind == "message" {
            let filled = whole["content"].as_array().is_some_and(|content| !content.is_empty());
            report.require(filled, "a message that is done has content");
        }
        self.whole.insert(index, whole.clone());
    }

    fn last(&mut self, kind: &str, event: &Value, report: &mut Report) {
        self.ended = true;
        let last = &event["response"];
        response(last, report);
        report.require(kind.strip_prefix("response.") == last["status"].as_str(), "the status is the event's");
        if kind == "response.failed" {
            return report.require(last["error"]["code"].is_string(), "a failed response has an error");
        }
        report.require(self.open.is_empty(), "all items are done before the response");
        let output: Vec<Value> = self.whole.values().cloned().collect();
        report.require(last["output"] == Value::Array(output), "the response repeats all items");
        report.require(last["usage"]["total_tokens"].is_u64(), "the response has usage");
        let reason = last["incomplete_details"]["reason"].is_string();
        report.require(reason == (kind == "response.incomplete"), "an incomplete response says why");
    }
}

impl Item {
    fn event(&mut self, kind: &str, event: &Value, report: &mut Report) {
        let (what, step) = kind.strip_prefix("response.").unwrap_or(kind).rsplit_once('.').unwrap_or((kind, ""));
        let part = matches!(what, "content_part" | "reasoning_summary_part");
        match step {
            "added" if part => {
                report.require(self.part.is_none(), "one part is open at a time");
                self.part = Some(event["part"]["type"].clone());
                self.text.clear();
            }
            "done" if part => {
                let same = self.part.take() == Some(event["part"]["type"].clone());
                report.require(same, "the open part is done");
                let text = event["part"]["text"].as_str().or_else(|| event["part"]["refusal"].as_str());
                report.require(text == Some(self.text.as_str()), "a part's text is what came in pieces");
            }
            "delta" => {
                self.fits(what, report);
                match event["delta"].as_str() {
                    Some(more) => self.text.push_str(more),
                    None => report.add("a delta has text"),
                }
            }
            "done" => {
                self.fits(what, report);
                let whole = ["text", "refusal", "arguments", "input"].iter().find_map(|name| event[name].as_str());
                report.require(whole == Some(self.text.as_str()), "the whole is what came in pieces");
            }
            "added" if what == "output_text.annotation" => self.fits("output_text", report),
            _ => report.add(format!("`{kind}` is no event")),
        }
    }

    /// Whether such text may come in this item and part.
    fn fits(&self, what: &str, report: &mut Report) {
        let part = self.part.as_ref().and_then(Value::as_str);
        let fits = match what {
            "output_text" => self.kind == "message" && part == Some("output_text"),
            "refusal" => self.kind == "message" && part == Some("refusal"),
            "reasoning_summary_text" => self.kind == "reasoning" && part == Some("summary_text"),
            "reasoning_text" => self.kind == "reasoning",
            "function_call_arguments" => self.kind == "function_call",
            "custom_tool_call_input" => self.kind == "custom_tool_call",
            _ => false,
        };
        report.require(fits, format!("`{what}` has no place here"));
    }
}
