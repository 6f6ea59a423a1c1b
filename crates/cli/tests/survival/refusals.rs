//! Requests that cannot be: refused in the shape of their API, with a message that helps, before any provider is asked.

use crate::client::{Client, rest};
use crate::process::Process;
use serde_json::Value;
use tierway_testkit::Upstream;
use tierway_wire::Format::{self, AnthropicMessages as Messages, OpenaiChat as Chat, OpenaiResponses as Responses};

type Headers = &'static [(&'static str, &'static str)];

/// API, headers, body, status, words of the message.
const CASES: &[(Format, Headers, &str, u16, &str)] = &[
    (Chat, &[], "", 400, "JSON"),
    (Chat, &[], "{", 400, "JSON"),
    (Chat, &[], "[]", 400, "object"),
    (Chat, &[], "null", 400, "object"),
    (Chat, &[], r#"{"model":"auto"}"#, 400, "messages"),
    (Chat, &[], r#"{"model":"auto","messages":[]}"#, 400, "messages"),
    (Chat, &[], r#"{"model":"auto","messages":"hi"}"#, 400, "messages"),
    (Chat, &[], r#"{"model":"auto","messages":[{"content":"hi"}]}"#, 400, "messages[0].role"),
    (Chat, &[], r#"{"model":"auto","messages":[{"role":"wizard","content":"hi"}]}"#, 400, "messages[0].role"),
    (Chat, &[], r#"{"model":"auto","messages":[{"role":"user","content":7}]}"#, 400, "messages[0].content"),
    (Chat, &[], r#"{"model":"auto","stream":"yes","messages":[{"role":"user","content":"hi"}]}"#, 400, "stream"),
    (Chat, &[], r#"{"model":7,"messages":[{"role":"user","content":"hi"}]}"#, 400, "model"),
    (Chat, &[], r#"{"messages":[{"role":"user","content":"hi"}]}"#, 400, "model"),
    (Chat, &[], r#"{"model":"gpt-99","messages":[{"role":"user","content":"hi"}]}"#, 404, "auto"),
    (
        Chat,
        &[],
        r#"{"model":"blind","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#,
        400,
        "vision",
    ),
    (
        Chat,
        &[],
        r#"{"model":"only","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#,
        400,
        "vision",
    ),
    (
        Chat,
        &[("x-tierway-tier", "giga")],
        r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#,
        400,
        "only",
    ),
    (Messages, &[], "{", 400, "JSON"),
    (Messages, &[], r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#, 400, "max_tokens"),
    (Messages, &[], r#"{"model":"auto","max_tokens":9,"messages":[]}"#, 400, "messages"),
    (Messages, &[], r#"{"model":"x","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#, 404, "auto"),
    (
        Messages,
        &[],
        r#"{"model":"auto","max_tokens":9,"thread":{"type":"create"},"messages":[{"role":"user","content":"hi"}]}"#,
        400,
        "thread",
    ),
    (
        Messages,
        &[],
        r#"{"model":"auto","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"http://x"}}]}]}"#,
        400,
        "vision",
    ),
    (Responses, &[], "{", 400, "JSON"),
    (Responses, &[], r#"{"model":"auto"}"#, 400, "input"),
    (Responses, &[], r#"{"model":"auto","input":[]}"#, 400, "input"),
    (Responses, &[], r#"{"model":"x","input":"hi"}"#, 404, "auto"),
    (Responses, &[], r#"{"model":"auto","input":"hi","previous_response_id":"resp_1"}"#, 400, "previous_response_id"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_refused_and_reach_no_provider() {
    let upstream = Upstream::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tierway.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nkind = \"openai_compatible\"\nbase_url = \"{}/v1\"\n[[tiers]]\nname = \"only\"\ntargets = [{{ provider = \"p\", model = \"blind\", context_window = 1000, price = {{ input = 1, output = 1 }}, capabilities = {{ vision = false }} }}]\n",
        upstream.url()
    );
    std::fs::write(&path, text).unwrap();
    let process = Process::start(&path);
    let client = Client::of(process.address);
    for (format, headers, body, status, words) in CASES {
        check(&client, *format, headers, (*body).to_owned(), *status, words).await;
    }
    let prompt = |size: usize| {
        format!(
            "{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}",
            "word ".repeat(size / 5)
        )
    };
    check(&client, Chat, &[], prompt(20_000_000), 413, "max_body_mb").await;
    check(&client, Chat, &[], prompt(100_000), 400, "1000 tokens").await;
    assert_eq!(upstream.seen().len(), 0, "{:?}", upstream.seen());
    process.stop();
}

async fn check(client: &Client, format: Format, headers: Headers, body: String, status: u16, words: &str) {
    let what: String = body.chars().take(120).collect();
    let reply = rest(client.begin(format, headers, body).await, String::new()).await;
    assert_eq!(reply.status, status, "{format:?} {what}: {}", reply.body);
    let said: Value = serde_json::from_str(&reply.body).unwrap();
    let message = said.pointer("/error/message").and_then(Value::as_str).unwrap();
    assert!(message.contains(words), "{format:?} {what}: `{message}` does not say `{words}`");
    let mut keys: Vec<_> = said["error"].as_object().unwrap().keys().map(String::as_str).collect();
    keys.retain(|key| *key != "details");
    match format {
        Messages => assert_eq!((said["type"].as_str(), keys), (Some("error"), vec!["type", "message"])),
        _ => assert_eq!(keys, ["message", "type", "param", "code"]),
    }
}
