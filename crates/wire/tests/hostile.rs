//! Odd but legal requests, each with one thing that must not vanish: what every target of another API gets of it.
//!
//! `tests/hostile/requests.txt` has one a line: what stands in for fields of a plain request. `zq42` marks what must arrive,
//! be named among the adaptations, or be the reason why the target is refused. The snapshot beside it is for review.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use expect_test::expect_file;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tierway_wire::{
    Adaptation, EncodeError, EncodeOptions, Format, MaxTokensField, Reasoning, decode_request, encode_request, outline,
};

const MARK: &str = "zq42";

fn plain(format: Format) -> Value {
    match format {
        Format::OpenaiResponses => json!({"model": "auto", "input": "hi"}),
        Format::AnthropicMessages => {
            json!({"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]})
        }
        _ => json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}),
    }
}

fn options(from: Format, to: Format) -> EncodeOptions {
    let openai = matches!(to, Format::OpenaiChat | Format::OpenaiResponses);
    EncodeOptions {
        max_tokens_field: if openai { MaxTokensField::MaxCompletionTokens } else { MaxTokensField::MaxTokens },
        reasoning: Reasoning::OffByDefault,
        same_model: from == to,
        ..EncodeOptions::new("m")
    }
}

fn sent(from: Format, to: Format, body: &Value) -> Result<(String, Vec<Adaptation>), EncodeError> {
    let body = body.to_string();
    let (_, fields) = outline(from, body.as_bytes()).unwrap();
    let request = decode_request(from, &fields)
        .map_err(|error| EncodeError { field: error.param.unwrap_or_default(), reason: error.message })?;
    let encoded = encode_request(to, &request, &options(from, to))?;
    let body = String::from_utf8(encoded.body).unwrap();
    serde_json::from_str::<Value>(&body).unwrap();
    Ok((body, encoded.adaptations))
}

/// What became of it: the line for the snapshot, and whether it can be found out.
fn fate(from: Format, to: Format, body: &Value) -> (String, bool) {
    let (body_sent, adaptations) = match sent(from, to, body) {
        Err(error) => return (format!("refused, {}: {}", error.field, error.reason), true),
        Ok(sent) => sent,
    };
    let said: Vec<String> =
        adaptations.iter().map(|one| format!("{:?} {} ({})", one.what, one.field, one.note)).collect();
    // What bears no mark makes another request than the plain one, which is shown.
    let there = match body.to_string().contains(MARK) {
        true if body_sent.contains(MARK) => "there",
        false if body_sent != sent(from, to, &plain(from)).unwrap().0 => &body_sent,
        _ => "",
    };
    let line = [there.to_owned()].into_iter().chain(said).filter(|piece| !piece.is_empty());
    let line = line.collect::<Vec<_>>().join("; ");
    let known = !line.is_empty();
    (line, known)
}

#[test]
fn nothing_odd_vanishes_without_a_word() {
    let (mut shown, mut vanished, mut from) = (String::new(), Vec::new(), Format::OpenaiChat);
    for line in include_str!("hostile/requests.txt").lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("## ") {
            from = Format::named(name).unwrap();
            continue;
        }
        let Some((name, fields)) = line.split_once(": ").filter(|_| !line.starts_with("//")) else { continue };
        let mut body = plain(from);
        let fields: Map<String, Value> = serde_json::from_str(fields).unwrap();
        body.as_object_mut().unwrap().extend(fields);
        writeln!(shown, "{} · {name}", from.name()).unwrap();
        for to in Format::ALL.into_iter().filter(|to| *to != from) {
            let (line, known) = fate(from, to, &body);
            writeln!(shown, "  {}: {line}", to.name()).unwrap();
            if !known {
                vanished.push(format!("{name} from {} to {}", from.name(), to.name()));
            }
        }
    }
    assert!(vanished.is_empty(), "{} vanish:\n{}", vanished.len(), vanished.join("\n"));
    expect_file!["hostile/fates.txt"].assert_eq(&shown);
}
