//! A reply with status 200 that is no answer is none for any client, and the provider's reason reaches each of them.

use crate::door::{CLIENTS, Door};
use serde_json::Value;
use tierway_testkit::{Fault, Plan};
use tierway_wire::Format;

/// Every client gets an error whose message holds this.
async fn check(door: &Door, provider: &str, said: &str, want: &str) {
    door.upstream.plan("m", Plan::always(Fault::Says { body: said.to_owned() }));
    for (format, _) in CLIENTS {
        let model = format!("{provider}/m");
        let body = match format {
            Format::OpenaiChat => format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#),
            Format::OpenaiResponses => format!(r#"{{"model":"{model}","input":"hi"}}"#),
            _ => format!(r#"{{"model":"{model}","max_tokens":50,"messages":[{{"role":"user","content":"hi"}}]}}"#),
        };
        let got = door.ask(format, body.into_bytes()).await;
        let place = format!("{format:?} to {provider}: {said}: {}", String::from_utf8_lossy(&got.body));
        assert_eq!(got.status, 502, "{place}");
        let error: Value = serde_json::from_slice(&got.body).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains(want), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_no_answer_is_none_for_any_client() {
    let door = Door::open().await;
    let garbled = "not";
    check(&door, "chat", r#"{"id":"c","object":"chat.completion","choices":[]}"#, garbled).await;
    check(&door, "chat", r#"{"object":"chat.completion"}"#, garbled).await;
    check(&door, "anthropic", r#"{"type":"message","content":5}"#, garbled).await;
    let reason = "The moon is full.";
    for provider in ["chat", "resp", "anthropic"] {
        for said in [r#"{"error":{"message":"REASON"}}"#, r#"{"error":"REASON"}"#, r#"{"message":"REASON"}"#] {
            check(&door, provider, &said.replace("REASON", reason), reason).await;
        }
    }
    check(&door, "chat", &format!(r#"{{"choices":[],"error":{{"message":"{reason}"}}}}"#), reason).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_target_answers_in_its_place() {
    let door = Door::open().await;
    door.upstream.plan("middle", Plan::always(Fault::Says { body: r#"{"choices":[]}"#.to_owned() }));
    let body = r#"{"model":"standard","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
    let got = door.ask(Format::AnthropicMessages, body.into()).await;
    let answer: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!((got.status, &answer["model"]), (200, &Value::from("claude-sonnet-5")), "{answer}");
}
