//! Odd requests: unknown fields, nulls, empty texts, wrong types, every plane of Unicode, five megabytes.
//!
//! In its own API a request has to end as it does at the provider without tierway: same status, and the provider sees
//! the same body but for the model's name. Towards other APIs what happens is written down, for review, in `odd.txt`.

use crate::door::{CLIENTS, Door, Got, PROVIDERS};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use tierway_testkit::{Seen, Traits};
use tierway_wire::{Format, grammar};

/// A case: its name, and fields that replace or (by `"$gone"`) remove those of a plain request of that API.
struct Case {
    format: Format,
    name: String,
    fields: Map<String, Value>,
}

const PLAIN: [(Format, &str); 3] = [
    (Format::OpenaiChat, r#"{"model":"","messages":[{"role":"user","content":"hi"}]}"#),
    (Format::OpenaiResponses, r#"{"model":"","input":"hi"}"#),
    (Format::AnthropicMessages, r#"{"model":"","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#),
];

/// `## API` starts a section, each other line is `name: fields as JSON`.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut format = Format::OpenaiChat;
    for line in include_str!("odd_requests.txt").lines().filter(|line| !line.is_empty() && !line.starts_with("//")) {
        if let Some(name) = line.strip_prefix("## ") {
            format = CLIENTS.iter().find(|(format, _)| format.name() == name).expect(name).0;
            continue;
        }
        let (name, json) = line.split_once(": ").expect(line);
        let fields = serde_json::from_str(json).unwrap_or_else(|error| panic!("{line}: {error}"));
        cases.push(Case { format, name: name.to_owned(), fields });
    }
    cases
}

impl Case {
    fn body(&self, model: &str, stream: bool) -> Vec<u8> {
        let plain = PLAIN.iter().find(|(format, _)| *format == self.format).unwrap().1;
        let mut body: Map<String, Value> = serde_json::from_str(plain).unwrap();
        body.insert("model".to_owned(), model.into());
        if stream {
            body.insert("stream".to_owned(), true.into());
        }
        for (name, value) in &self.fields {
            match value.as_str() {
                Some("$gone") => drop(body.remove(name)),
                _ => drop(body.insert(name.clone(), value.clone())),
            }
        }
        serde_json::to_vec(&body).unwrap()
    }
}

/// What has to differ: usage of streams is always asked for, because it is what the bill says, and servers that are
/// compatible with OpenAI's know the older name of the limit.
fn comparable(body: &Value) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    fields.remove("stream_options");
    if let Some(limit) = fields.remove("max_completion_tokens").filter(|limit| !limit.is_null()) {
        fields.insert("max_tokens".to_owned(), limit);
    }
    fields.retain(|name, value| name != "reasoning_effort" || !value.is_null());
    body
}

/// Status, the field that an error blames, what was adapted.
fn outcome(got: &Got) -> String {
    let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
    let mut said = got.status.to_string();
    if got.status != 200 {
        let message = body["error"]["message"].as_str().unwrap_or("no message").lines().next().unwrap_or_default();
        let _ = write!(said, " {message}");
    }
    if !got.adapted.is_empty() {
        let _ = write!(said, " [{}]", got.adapted);
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_requests_end_as_they_do_at_the_provider() {
    let door = Door::open().await;
    let mut failures = String::new();
    for (number, case) in cases().iter().enumerate() {
        let provider = CLIENTS.iter().find(|(format, _)| *format == case.format).unwrap().1;
        let model = format!("m{number}");
        for stream in [false, true] {
            let through = door.ask(case.format, case.body(&format!("{provider}/{model}"), stream)).await;
            let direct = door.ask_provider(case.format, case.body(&model, stream)).await;
            let place = format!("{:?}, {}, stream {stream}", case.format, case.name);
            if through.status != direct.status {
                let _ = writeln!(failures, "{place}: `{}`, at the provider `{}`", outcome(&through), outcome(&direct));
            }
            if stream && through.status == 200 {
                let breaches = grammar::breaches(case.format, &through.body);
                if !breaches.is_empty() {
                    let _ = writeln!(failures, "{place}: {breaches:?}");
                }
            }
            let mut seen: Vec<Value> = door.upstream.calls_of(&model).iter().map(Seen::json).collect();
            let (direct_saw, saw) = (seen.pop(), seen.pop());
            if through.status == 200 && saw.as_ref().map(comparable) != direct_saw.as_ref().map(comparable) {
                let _ = writeln!(failures, "{place}: the provider saw {saw:?} instead of {direct_saw:?}");
            }
            door.upstream.forget();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_requests_are_translated_or_refused_by_name() {
    let door = Door::open().await;
    let mut table = String::new();
    for case in &cases() {
        let _ = writeln!(table, "{} · {}", case.format.name(), case.name);
        let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
        for provider in PROVIDERS.iter().filter(|name| !CLIENTS.contains(&(case.format, name))) {
            let got = door.ask(case.format, case.body(&format!("{provider}/m"), false)).await;
            match outcomes.iter_mut().find(|(known, _)| *known == outcome(&got)) {
                Some((_, providers)) => providers.push(provider),
                None => outcomes.push((outcome(&got), vec![provider])),
            }
            assert_ne!(got.status / 100, 5, "{} to {provider}: {}", case.name, outcome(&got));
            let streamed = door.ask(case.format, case.body(&format!("{provider}/m"), true)).await;
            assert_eq!((got.status, got.adapted), (streamed.status, streamed.adapted), "{} to {provider}", case.name);
            if streamed.status == 200 {
                let breaches = grammar::breaches(case.format, &streamed.body);
                assert_eq!(breaches, Vec::<String>::new(), "{} to {provider}", case.name);
            }
        }
        for (said, providers) in outcomes {
            let _ = writeln!(table, "  {}: {said}", providers.join(", "));
        }
    }
    expect_test::expect_file!["odd.txt"].assert_eq(&table);
}

/// One text that is hard on somebody, as the last thing that a user says, has to reach every provider whole.
async fn arrives_whole(text: &str) {
    let door = Door::open().await;
    for provider in PROVIDERS {
        door.upstream.traits("m", Traits { window: 10_000_000, ..Traits::default() });
        for (format, field) in [
            (Format::OpenaiChat, "messages"),
            (Format::OpenaiResponses, "input"),
            (Format::AnthropicMessages, "messages"),
        ] {
            let said = serde_json::json!([{"role": "user", "content": text}]);
            let fields = Map::from_iter([(field.to_owned(), said)]);
            let got =
                door.ask(format, Case { format, name: String::new(), fields }.body(&format!("{provider}/m"), true));
            let got = got.await;
            assert_eq!(got.status, 200, "{format:?} to {provider}: {}", outcome(&got));
            assert_eq!(grammar::breaches(format, &got.body), Vec::<String>::new(), "{format:?} to {provider}");
            let seen = door.upstream.seen().pop().unwrap().json();
            assert!(holds(&seen, text), "{format:?} to {provider}");
            door.upstream.forget();
        }
    }
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found == text,
        Value::Array(items) => items.iter().any(|item| holds(item, text)),
        Value::Object(fields) => fields.values().any(|field| holds(field, text)),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plane_of_unicode_arrives() {
    let points = (0..=0x10_u32).flat_map(|plane| {
        [0, 9, 0x7f, 0x85, 0x200d, 0x2028, 0xd7ff, 0xf600, 0xfeff, 0xfffd].map(|low| plane << 16 | low)
    });
    arrives_whole(&points.filter_map(char::from_u32).chain("\"\\\u{8}\u{c}\r\t</script>".chars()).collect::<String>())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_megabytes_arrive() {
    arrives_whole(&("word ".repeat(1 << 20) + "the end")).await;
}
