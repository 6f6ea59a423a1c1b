//! Chat Completions: chunks of one id, each choice with a role first and one finish reason last, `[DONE]` at the end.

use super::Report;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Default)]
struct Choice {
    spoke: bool,
    finished: bool,
    calls: u64,
}

pub(super) fn check(events: &[(Option<String>, String)], report: &mut Report) {
    let mut choices: BTreeMap<u64, Choice> = BTreeMap::new();
    let (mut id, mut ended, mut usage_seen) = (None, None, false);
    for (at, (name, data)) in events.iter().enumerate() {
        report.at = at;
        if let Some(how) = ended {
            report.add(format!("something follows {how}"));
            return;
        }
        report.require(name.is_none(), "chunks have no `event:` line");
        if data == "[DONE]" {
            ended = Some("[DONE]");
            continue;
        }
        let chunk = report.json(data);
        if chunk["error"].is_object() {
            report.require(chunk["error"]["message"].is_string(), "an error has a message");
            ended = Some("an error");
            continue;
        }
        report.require(chunk["object"] == "chat.completion.chunk", "`object` is `chat.completion.chunk`");
        report.require(chunk["created"].is_u64() && chunk["model"].is_string(), "`created` and `model` are there");
        report.require(chunk["id"].as_str().is_some_and(|id| !id.is_empty()), "`id` is there");
        report.require(id.get_or_insert_with(|| chunk["id"].clone()) == &chunk["id"], "all chunks have one id");
        report.require(!usage_seen, "nothing but [DONE] follows the usage chunk");
        let list = chunk["choices"].as_array().cloned().unwrap_or_default();
        if list.is_empty() {
            usage_seen = true;
            report.require(chunk["usage"].is_object(), "a chunk without choices carries usage");
        }
        for choice in &list {
            self::choice(choice, &mut choices, report);
        }
    }
    report.at = events.len();
    match ended {
        None => report.add("the stream ends without [DONE]"),
        Some("[DONE]") => {
            report.require(!choices.is_empty(), "there is at least one choice");
            report.require(choices.values().all(|choice| choice.finished), "every choice has a finish reason");
        }
        Some(_) => {}
    }
}

fn choice(choice: &Value, choices: &mut BTreeMap<u64, Choice>, report: &mut Report) {
    let Some(index) = choice["index"].as_u64() else {
        return report.add("a choice has an index");
    };
    let state = choices.entry(index).or_default();
    report.require(!state.finished, "nothing follows a finish reason");
    let delta = &choice["delta"];
    report.require(delta.is_object(), "a choice has a delta");
    report.require(state.spoke || delta["role"] == "assistant", "the first delta names the role");
    report.require(!state.spoke || delta["role"].is_null(), "the role is named once");
    state.spoke = true;
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        let kind = if call["custom"].is_object() { "custom" } else { "function" };
        match call["index"].as_u64() {
            None => report.add("a tool call delta has an index"),
            Some(index) if index == state.calls => {
                state.calls += 1;
                report.require(call["id"].as_str().is_some_and(|id| !id.is_empty()), "a new call has an id");
                report.require(call["type"] == kind, "a new call names its type");
                report.require(call[kind]["name"].is_string(), "a new call names its tool");
            }
            Some(index) if index < state.calls => {
                report.require(call["id"].is_null() && call[kind]["name"].is_null(), "a known call is not named again");
            }
            Some(_) => report.add("tool call indexes rise by one"),
        }
    }
    match &choice["finish_reason"] {
        Value::Null => report.require(choice.get("finish_reason").is_some(), "`finish_reason` is there, null at first"),
        Value::String(word) => {
            state.finished = true;
            let known = ["stop", "length", "tool_calls", "content_filter", "function_call", "error"];
            report.require(known.contains(&word.as_str()), format!("`{word}` is no finish reason"));
            report.require((word == "tool_calls") <= (state.calls > 0), "`tool_calls` comes with calls");
        }
        _ => report.add("a finish reason is a string"),
    }
}
