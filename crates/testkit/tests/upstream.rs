//! The fake upstream, asked over a real socket as a client would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::time::Duration;
use tierway_testkit::{Ended, Fault, Plan, Prefill, StandIn, Traits, Upstream, UpstreamConfig};

/// What a client got: status, header lookup by name, body as far as it came, and whether it came whole.
struct Got {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
    whole: bool,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// All `data:` payloads that are JSON.
    fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
    }
}

async fn ask_with(upstream: &Upstream, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Got, String> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::post(format!("{}{path}", upstream.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body.to_string())).unwrap();
    let (head, mut body) = client.request(request).await.map_err(|error| error.to_string())?.into_parts();
    let (mut bytes, mut whole) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Got { status: head.status, headers: head.headers, text, whole })
}

async fn ask(upstream: &Upstream, path: &str, body: &Value) -> Got {
    ask_with(upstream, path, &[("anthropic-version", "2023-06-01")], body).await.unwrap()
}

const CHAT: &str = "/v1/chat/completions";

fn chat(model: &str, question: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": question}]})
}

/// A body with some fields set.
fn with(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn answers_are_the_same_whole_and_streamed() {
    let upstream = Upstream::start().await.unwrap();
    let messages = json!([{"role": "user", "content": "say red"}]);
    let whole = ask(&upstream, CHAT, &chat("m", "say red")).await.json();
    let stream = with(chat("m", "say red"), &json!({"stream": true, "stream_options": {"include_usage": true}}));
    let streamed = ask(&upstream, CHAT, &stream).await;
    let text: String = streamed
        .events()
        .iter()
        .filter_map(|event| event.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned))
        .collect();
    assert_eq!(whole.pointer("/choices/0/message/content"), Some(&json!(text)));
    assert!(text.starts_with("m answers: say red w4"), "{text}");
    assert_eq!(streamed.events().last().unwrap()["usage"], whole["usage"]);
    assert!(streamed.text.ends_with("data: [DONE]\n\n"));

    let body = json!({"model": "m", "max_tokens": 100, "messages": messages});
    let whole = ask(&upstream, "/v1/messages", &body).await.json();
    assert_eq!(whole.pointer("/content/0/text"), Some(&json!(text)));
    let streamed = ask(&upstream, "/v1/messages", &with(body, &json!({"stream": true}))).await;
    let parts: String = streamed
        .events()
        .iter()
        .filter_map(|event| event.pointer("/delta/text")?.as_str().map(str::to_owned))
        .collect();
    assert_eq!(parts, text);
    assert!(streamed.text.contains("event: message_stop"));

    let body = json!({"contents": [{"role": "user", "parts": [{"text": "say red"}]}]});
    let whole = ask(&upstream, "/v1beta/models/m:generateContent", &body).await.json();
    assert_eq!(whole.pointer("/candidates/0/content/parts/0/text"), Some(&json!(text)));
    let listed = ask(&upstream, "/v1/models/m:streamGenerateContent", &body).await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(41));

    let whole = ask(&upstream, "/v1/responses", &json!({"model": "m", "input": "say red"})).await.json();
    assert_eq!(whole.pointer("/output/0/content/0/text"), Some(&json!(text)));
    let streamed = ask(&upstream, "/v1/responses", &json!({"model": "m", "input": "say red", "stream": true})).await;
    let events = streamed.events();
    assert_eq!(events.last().unwrap().pointer("/response/output/0/content/0/text"), Some(&json!(text)));
    assert!(events.iter().enumerate().all(|(at, event)| event["sequence_number"] == json!(at)));

    let lines = ask(&upstream, "/api/chat", &json!({"model": "m", "messages": messages})).await;
    let parts: String = lines
        .text
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line).ok()?.pointer("/message/content")?.as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(parts, text);
    assert!(upstream.seen().iter().all(|seen| seen.refused.is_none()));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
async fn it_refuses_what_the_providers_refuse() {
    let upstream = Upstream::start().await.unwrap();
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
    let call = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let user = json!({"role": "user", "content": "x"});
    let claude = |more: Value| with(json!({"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [user]}), &more);
    let gemini = |more: Value| with(json!({"contents": [{"parts": [{"text": "x"}]}]}), &more);
    let chat = |model: &str, more: Value| with(chat(model, "x"), &more);
    let cases: Vec<(&str, Value, &str)> = vec![
        (CHAT, json!({"model": "m", "messages": []}), "empty array"),
        (CHAT, chat("m", json!({"messages": [{"role": "robot", "content": "x"}]})), "'robot'"),
        (CHAT, chat("m", json!({"surprise": 1})), "Unrecognized request argument supplied: surprise"),
        (CHAT, chat("o3", json!({"max_tokens": 5})), "Use 'max_completion_tokens' instead"),
        (CHAT, chat("gpt-5", json!({"temperature": 0.2})), "'temperature' is not supported"),
        (CHAT, chat("gpt-5.5", json!({"top_p": 0.2})), "'top_p' is not supported"),
        (CHAT, chat("gpt-4o", json!({"reasoning_effort": "low"})), "'reasoning_effort' is not supported"),
        (
            CHAT,
            chat("o1-mini", json!({"messages": [{"role": "system", "content": "s"}, user]})),
            "does not support 'system'",
        ),
        (CHAT, chat("m", json!({"max_tokens": 5, "max_completion_tokens": 5})), "at the same time"),
        (CHAT, chat("m", json!({"stream_options": {"include_usage": true}})), "only allowed when 'stream'"),
        (CHAT, chat("m", json!({"tool_choice": "auto"})), "only allowed when 'tools'"),
        (CHAT, chat("m", json!({"messages": [user, call]})), "must be followed by tool messages"),
        (
            CHAT,
            chat("m", json!({"messages": [user, {"role": "tool", "tool_call_id": "1", "content": "r"}]})),
            "preceding message",
        ),
        (CHAT, chat("m", json!({"response_format": {"type": "json_object"}})), "the word 'json'"),
        (
            CHAT,
            chat(
                "m",
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": {"type": "object"}}}}),
            ),
            "additionalProperties",
        ),
        (
            CHAT,
            chat("m", json!({"tools": [tool], "tool_choice": {"type": "function", "function": {"name": "g"}}})),
            "not found in 'tools'",
        ),
        ("/v1/messages", json!({"model": "m", "messages": [user]}), "max_tokens: Field required"),
        (
            "/v1/messages",
            claude(json!({"messages": [{"role": "system", "content": "s"}]})),
            "Input should be 'user' or 'assistant'",
        ),
        (
            "/v1/messages",
            claude(json!({"messages": [{"role": "assistant", "content": "s"}]})),
            "first message must use",
        ),
        ("/v1/messages", claude(json!({"temperature": 1.5})), "range: 0..1"),
        ("/v1/messages", claude(json!({"temperature": 0.5, "top_p": 0.5})), "cannot both"),
        ("/v1/messages", claude(json!({"model": "claude-opus-5-5", "temperature": 1})), "not supported"),
        (
            "/v1/messages",
            claude(json!({"model": "claude-sonnet-5-5", "messages": [user, {"role": "assistant", "content": "The"}]})),
            "prefill",
        ),
        ("/v1/messages", claude(json!({"stop_sequences": [" \n"]})), "non-whitespace"),
        ("/v1/messages", claude(json!({"n": 2})), "n: Extra inputs are not permitted"),
        (
            "/v1/messages",
            claude(
                json!({"model": "claude-opus-5-5", "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}),
            ),
            "forced tool use",
        ),
        (
            "/v1/messages",
            claude(
                json!({"messages": [user, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}, user]}),
            ),
            "without `tool_result`",
        ),
        ("/v1beta/models/m:generateContent", json!({"contents": []}), "contents is not specified"),
        ("/v1beta/models/m:generateContent", gemini(json!({"max_tokens": 5})), "Unknown name \\\"max_tokens\\\""),
        (
            "/v1beta/models/m:generateContent",
            gemini(json!({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]})),
            "valid role",
        ),
        (
            "/v1beta/models/m:generateContent",
            gemini(
                json!({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object", "additionalProperties": false}}]}]}),
            ),
            "additionalProperties",
        ),
        ("/v1/responses", json!({"model": "m", "messages": [user]}), "Unknown parameter: 'messages'"),
        (
            "/v1/responses",
            json!({"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": "r"}]}),
            "No tool call found",
        ),
        (
            "/api/chat",
            json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
            "cannot unmarshal array",
        ),
    ];
    for (path, body, want) in cases {
        let got = ask(&upstream, path, &body).await;
        assert_eq!(got.status, 400, "{path} {body} gave {}", got.text);
        assert!(got.text.contains(want), "{path} {body} gave {}", got.text);
        assert!(got.json().get("error").is_some());
    }
    let got = ask_with(&upstream, "/v1/messages", &[], &claude(json!({}))).await.unwrap();
    assert!(got.text.contains("anthropic-version"), "{}", got.text);
    let newest = [("anthropic-version", "2026-10-21")];
    let got = ask_with(&upstream, "/v1/messages", &newest, &claude(json!({"temperature": 1}))).await.unwrap();
    assert_eq!(got.status, 400);
    let seen = upstream.seen();
    assert!(seen.iter().all(|seen| seen.refused.is_some()));
}

#[tokio::test]
async fn tools_schemas_and_options_show_in_the_answer() {
    let upstream = Upstream::start().await.unwrap();
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}});
    let tools = json!({"tools": [tool("get_weather"), tool("get_time")]});
    let body = with(chat("m", "get_weather and get_time in Rome"), &tools);
    let got = ask(&upstream, CHAT, &body).await.json();
    let calls = got.pointer("/choices/0/message/tool_calls").unwrap().as_array().unwrap();
    assert_eq!((calls.len(), &got["choices"][0]["finish_reason"]), (2, &json!("tool_calls")));
    assert_eq!(calls[0]["function"]["arguments"], json!("{\"city\":\"get_weather and get_time in Rome\"}"));
    let one = ask(&upstream, CHAT, &with(body.clone(), &json!({"parallel_tool_calls": false}))).await.json();
    assert_eq!(one.pointer("/choices/0/message/tool_calls").unwrap().as_array().unwrap().len(), 1);
    let streamed = ask(&upstream, CHAT, &with(body, &json!({"stream": true}))).await;
    let arguments: String = streamed
        .events()
        .iter()
        .filter_map(|event| event.pointer("/choices/0/delta/tool_calls/0"))
        .filter(|call| call["index"] == json!(1))
        .filter_map(|call| call.pointer("/function/arguments")?.as_str().map(str::to_owned))
        .collect();
    assert_eq!(arguments, "{\"city\":\"get_weather and get_time in Rome\"}");

    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "additionalProperties": false});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}}});
    let got = ask(&upstream, CHAT, &with(chat("m", "x"), &format)).await.json();
    assert_eq!(got["choices"][0]["message"]["content"], json!("{\"ok\":true}"));
    let got =
        ask(&upstream, CHAT, &with(chat("m", "x"), &json!({"n": 2, "logprobs": true, "top_logprobs": 1}))).await.json();
    assert_eq!(got["choices"].as_array().unwrap().len(), 2);
    assert_eq!(got["choices"][1]["logprobs"]["content"][0]["top_logprobs"].as_array().unwrap().len(), 1);
    let got = ask(&upstream, CHAT, &with(chat("o3", "x"), &json!({"max_completion_tokens": 70}))).await.json();
    assert_eq!(got["usage"]["completion_tokens"], json!(70));
    assert_eq!(got["usage"]["completion_tokens_details"]["reasoning_tokens"], json!(64));
    assert_eq!(got["choices"][0]["finish_reason"], json!("length"));
    let got = ask(&upstream, "/v1/embeddings", &json!({"model": "e", "input": ["a", "b"]})).await.json();
    assert_eq!(got["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_prompt_that_comes_again_is_cached() {
    let upstream = Upstream::start().await.unwrap();
    let body = json!({"model": "m", "messages": [{"role": "system", "content": "s".repeat(8_000)}, {"role": "user", "content": "x"}]});
    let cached = |got: Got| got.json()["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64();
    assert_eq!(cached(ask(&upstream, CHAT, &body).await), Some(0));
    assert_eq!(cached(ask(&upstream, CHAT, &body).await), Some(1_920));
}

#[tokio::test]
async fn a_partial_answer_is_continued_to_the_same_whole() {
    let upstream = Upstream::start().await.unwrap();
    upstream.traits("m", Traits { prefill: Prefill::Continues, ..Traits::default() });
    let whole = ask(&upstream, CHAT, &chat("m", "x")).await.json();
    let partial = "m answers: x w3";
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": partial}]});
    let rest = ask(&upstream, CHAT, &body).await.json();
    let text = |value: &Value| value["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert_eq!(format!("{partial}{}", text(&rest)), text(&whole));
}

/// One streamed call under a fault, as a client sees it.
async fn failing(fault: Fault) -> Result<Got, String> {
    let upstream = Upstream::start().await.unwrap();
    upstream.plan("m", Plan::always(fault));
    let body = with(chat("m", "x"), &json!({"stream": true}));
    let call = ask_with(&upstream, CHAT, &[], &body);
    tokio::time::timeout(Duration::from_millis(300), call).await.unwrap_or_else(|_| Err("silence".to_owned()))
}

#[tokio::test]
async fn it_fails_as_it_was_told_to() {
    let limited = failing(Fault::RateLimit { retry_after: Some("2".into()) }).await.unwrap();
    assert_eq!((limited.status.as_u16(), limited.headers["retry-after"].to_str().unwrap()), (429, "2"));
    assert_eq!(limited.json()["error"]["code"], json!("rate_limit_exceeded"));
    assert_eq!(failing(Fault::Status { status: 503 }).await.unwrap().status, 503);
    assert_eq!(failing(Fault::Redirect { to: "http://example.invalid/".into() }).await.unwrap().status, 302);
    for broken in [Fault::ResetBeforeHeaders, Fault::CloseBeforeHeaders, Fault::Garbage] {
        assert!(failing(broken.clone()).await.is_err(), "{broken:?}");
    }
    for silent in
        [Fault::Silent, Fault::SilentAfterHeaders, Fault::Stall { after: 2 }, Fault::SlowFirstToken { ms: 900 }]
    {
        assert_eq!(failing(silent).await.err().as_deref(), Some("silence"));
    }
    let cut = failing(Fault::Cut { after: 3 }).await.unwrap();
    assert!(!cut.whole && cut.text.contains("x") && !cut.text.contains("DONE"));
    assert_eq!(cut.events().len(), 4, "the opening and three tokens: {}", cut.text);
    let ended = failing(Fault::MissingEnd).await.unwrap();
    assert!(
        ended.whole && ended.text.contains("w39") && !ended.text.contains("\"stop\"") && !ended.text.contains("DONE")
    );
    let told = failing(Fault::InBand { after: 1 }).await.unwrap();
    assert!(told.events().last().unwrap().get("error").is_some());
    let broken = failing(Fault::Malformed { after: 1 }).await.unwrap();
    assert!(broken.text.contains("bro\n\n") && broken.text.contains("DONE"));
    assert_eq!(
        failing(Fault::ContentFilterFinish { after: 2 }).await.unwrap().events().last().unwrap()["choices"][0]["finish_reason"],
        json!("content_filter")
    );
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let upstream = Upstream::start().await.unwrap();
    upstream.plan("*", Plan::always(Fault::ResetBeforeHeaders));
    let mut stream = tokio::net::TcpStream::connect(upstream.address()).await.unwrap();
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let error = stream.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn it_notes_when_a_client_leaves() {
    for fault in [Fault::Silent, Fault::SilentAfterHeaders, Fault::Stall { after: 1 }, Fault::SlowChunks { ms: 50 }] {
        let upstream = Upstream::start().await.unwrap();
        upstream.plan("m", Plan::always(fault.clone()));
        let body = with(chat("m", "x"), &json!({"stream": true}));
        let call = ask_with(&upstream, CHAT, &[], &body);
        let left = tokio::select! {
            _ = call => panic!("it should not answer"),
            seen = upstream.until(|seen| !seen.is_empty()) => seen[0].at_ms,
        };
        let seen = upstream.until(|seen| seen[0].ended != Ended::Open).await;
        let Ended::ClientGone { at_ms } = seen[0].ended else { panic!("{fault:?}: {:?}", seen[0].ended) };
        assert!(at_ms < left + 100, "noticed after {} ms", at_ms - left);
    }
}

#[tokio::test]
async fn plans_count_the_calls_of_their_model() {
    let upstream = Upstream::start().await.unwrap();
    upstream.plan("a", Plan::first([Fault::Status { status: 500 }, Fault::None, Fault::Status { status: 502 }]));
    let mut statuses = Vec::new();
    for model in ["a", "b", "a", "a", "a"] {
        statuses.push(ask(&upstream, CHAT, &chat(model, "x")).await.status.as_u16());
    }
    assert_eq!(statuses, [500, 200, 200, 502, 200]);
    assert_eq!(upstream.calls_of("a").iter().map(|seen| seen.call).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn two_hundred_streams_at_once_get_their_own_answers() {
    let upstream = std::sync::Arc::new(Upstream::start().await.unwrap());
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let upstream = std::sync::Arc::clone(&upstream);
        calls.spawn(async move {
            let body = with(chat("m", &format!("question-{number}-end")), &json!({"stream": true}));
            assert!(ask(&upstream, CHAT, &body).await.text.contains(&format!(" question-{number}-end")));
        });
    }
    calls.join_all().await;
}

#[tokio::test]
async fn keys_are_checked_and_never_written_down() {
    let config = UpstreamConfig { key: Some("sk-secret".into()), ..UpstreamConfig::default() };
    let upstream = Upstream::start_with(config).await.unwrap();
    assert_eq!(ask(&upstream, CHAT, &chat("m", "x")).await.status, 401);
    let right = [("authorization", "Bearer sk-secret")];
    assert_eq!(ask_with(&upstream, CHAT, &right, &chat("m", "x")).await.unwrap().status, 200);
    assert!(!serde_json::to_string(&upstream.seen()).unwrap().contains("sk-secret"));
}

#[tokio::test]
async fn plans_can_be_set_over_http() {
    let upstream = Upstream::start().await.unwrap();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let plan = r#"{"first": [{"kind": "rate_limit", "retry_after": "1"}]}"#;
    let put = Request::put(format!("{}/_fake/plan/m", upstream.url())).body(Full::from(plan)).unwrap();
    assert_eq!(client.request(put).await.unwrap().status(), 200);
    assert_eq!(ask(&upstream, CHAT, &chat("m", "x")).await.status, 429);
    assert_eq!(ask(&upstream, CHAT, &chat("m", "x")).await.status, 200);
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_stopped_upstream_refuses_connections_and_can_come_back() {
    let upstream = Upstream::start().await.unwrap();
    assert_eq!(ask(&upstream, CHAT, &chat("m", "x")).await.status, 200);
    let address = upstream.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let back =
        Upstream::start_with(UpstreamConfig { port: address.port(), ..UpstreamConfig::default() }).await.unwrap();
    assert_eq!(ask(&back, CHAT, &chat("m", "x")).await.status, 200);
}

#[tokio::test]
async fn the_stand_in_says_what_it_is() {
    let stand_in = StandIn::start().await.unwrap();
    let got = ask(stand_in.upstream(), CHAT, &chat("stand-in-nano", "What is the capital of Peru?")).await.json();
    let text = got["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("stand-in, not a model") && text.contains("capital of Peru"), "{text}");
    assert!(got["usage"]["completion_tokens"].as_u64().unwrap() > 20);
}
