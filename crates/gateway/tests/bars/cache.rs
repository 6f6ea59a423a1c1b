//! Marks for Anthropic's cache: from the second answer of a conversation on, never beside a client's own, and paid for.

use crate::door::Door;
use serde_json::{Value, json};
use tierway_wire::Format;

/// Turn after turn of one conversation; how many marks the provider saw at each, and the answers' last usage.
async fn marks(door: &Door, format: Format, model: &str, own: bool) -> (Vec<usize>, Value) {
    let rules = "You keep to the rules of the house. ".repeat(400);
    let mut turns = Vec::new();
    let (mut counts, mut usage) = (Vec::new(), Value::Null);
    for turn in 0..3 {
        turns.push(json!({"role": "user", "content": format!("question {turn}")}));
        let mut body = json!({"model": model, "max_tokens": 50, "messages": turns});
        match format {
            Format::AnthropicMessages if own => {
                body["system"] = json!([{"type": "text", "text": rules, "cache_control": {"type": "ephemeral"}}]);
            }
            Format::AnthropicMessages => body["system"] = json!(rules),
            _ => body["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": rules})),
        }
        let got = door.ask(format, body.to_string().into_bytes()).await;
        let said: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(got.status, 200, "{said}");
        let seen = door.upstream.seen().pop().unwrap();
        let count = String::from_utf8_lossy(&seen.body).matches("\"cache_control\"").count();
        assert_eq!(got.adapted.contains("cache_control changed (placed"), count > 0 && !own, "{}", got.adapted);
        counts.push(count);
        usage = said["usage"].clone();
        turns.push(json!({"role": "assistant", "content": format!("answer {turn}")}));
    }
    (counts, usage)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_that_goes_on_is_marked() {
    let door = Door::open().await;
    for format in [Format::AnthropicMessages, Format::OpenaiChat] {
        let (counts, usage) = marks(&door, format, "claude", false).await;
        assert_eq!(counts, [0, 2, 2], "{format:?}");
        if format == Format::AnthropicMessages {
            let tokens = |name: &str| usage[name].as_f64().unwrap();
            assert!(tokens("cache_creation_input_tokens") > 1_000.0, "{usage}");
            let paid = tokens("input_tokens") * 2.0
                + tokens("cache_creation_input_tokens") * 2.5
                + tokens("cache_read_input_tokens") * 0.2
                + tokens("output_tokens") * 10.0;
            assert!((usage["cost"].as_f64().unwrap() - paid / 1e6).abs() < 1e-12, "{usage}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_elses_marks_are_touched_and_none_are_placed_unasked() {
    let door = Door::open().await;
    assert_eq!(marks(&door, Format::AnthropicMessages, "claude", true).await.0, [1, 1, 1]);
    // A model that the client names gets what the client says.
    assert_eq!(marks(&door, Format::AnthropicMessages, "anthropic/claude-sonnet-5-5", false).await.0, [0, 0, 0]);
    let off = Door::open_with("cache_marks = false").await;
    assert_eq!(marks(&off, Format::AnthropicMessages, "claude", false).await.0, [0, 0, 0]);
}
