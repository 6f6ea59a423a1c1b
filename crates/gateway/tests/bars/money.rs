//! A stream says at its end what the whole answer says: what it cost.

use crate::door::{CLIENTS, Door};
use serde_json::{Value, json};
use tierway_wire::sse::Events;
use tierway_wire::{Format, grammar};

fn body(format: Format, tier: &str, stream: bool) -> Vec<u8> {
    let question = "How many moons has Mars?";
    let mut body = match format {
        Format::OpenaiResponses => json!({"model": tier, "input": question, "stream": stream}),
        _ => json!({"model": tier, "messages": [{"role": "user", "content": question}], "stream": stream}),
    };
    match format {
        Format::AnthropicMessages => body["max_tokens"] = 500.into(),
        Format::OpenaiChat if stream => body["stream_options"] = json!({"include_usage": true}),
        _ => {}
    }
    body.to_string().into_bytes()
}

/// The usage objects of a stream that name a cost.
fn costs(stream: &[u8]) -> Vec<Value> {
    let mut found = Vec::new();
    let each = |event: tierway_wire::sse::Event<'_>| {
        let event: Value = serde_json::from_slice(&event.data()).unwrap_or_default();
        let usage = [&event["usage"], &event["response"]["usage"], &event["message"]["usage"]];
        found.extend(usage.into_iter().filter(|usage| usage.get("cost").is_some()).cloned());
    };
    Events::default().push(stream, each).unwrap();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_cost() {
    let door = Door::open().await;
    for (format, _) in CLIENTS {
        for tier in ["standard", "claude", "responses"] {
            let place = format!("{format:?} to {tier}");
            let whole: Value = serde_json::from_slice(&door.ask(format, body(format, tier, false)).await.body).unwrap();
            let stream = door.ask(format, body(format, tier, true)).await.body;
            let text = String::from_utf8_lossy(&stream);
            assert_eq!(grammar::breaches(format, &stream), Vec::<String>::new(), "{place}: {text}");
            let costs = costs(&stream);
            assert_eq!(costs.len(), 1, "{place}: {text}");
            assert!(costs[0]["cost"].as_f64().unwrap() > 0.0, "{place}: {text}");
            for field in ["cost", "cost_details"] {
                assert_eq!(costs[0][field], whole["usage"][field], "{place}: {text}");
            }
        }
    }
}
