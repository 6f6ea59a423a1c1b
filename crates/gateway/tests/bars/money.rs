//! A stream says at its end what the whole answer says: what it cost. Where the provider tells no usage, both say what we
//! estimate, and that it is an estimate.

use crate::door::{CLIENTS, Door};
use serde_json::{Value, json};
use tierway_testkit::Traits;
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

/// Output tokens of a usage object of any API.
fn output_tokens(usage: &Value) -> Option<u64> {
    usage.get("completion_tokens").or_else(|| usage.get("output_tokens"))?.as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_that_no_provider_told_is_estimated_alike_for_every_client() {
    let door = Door::open().await;
    for model in ["middle", "claude-sonnet-5", "other"] {
        door.upstream.traits(model, Traits { no_usage: true, answer_tokens: 7, ..Traits::default() });
    }
    for (format, _) in CLIENTS {
        // "middle answers: How many moons has Mars?": nine words and signs. In a stream most pieces are taken for one token.
        let mut cases = vec![("standard", false, 9), ("standard", true, 8)];
        cases.push(if format == Format::OpenaiResponses { ("responses", false, 9) } else { ("claude", false, 13) });
        for (tier, stream, expected) in cases {
            let place = format!("{format:?} to {tier}, stream {stream}");
            let got = door.ask(format, body(format, tier, stream)).await;
            let text = String::from_utf8_lossy(&got.body);
            let usage = if stream {
                assert_eq!(grammar::breaches(format, &got.body), Vec::<String>::new(), "{place}: {text}");
                let costs = costs(&got.body);
                assert_eq!(costs.len(), 1, "{place}: {text}");
                costs[0].clone()
            } else {
                let usage = serde_json::from_slice::<Value>(&got.body).unwrap()["usage"].clone();
                assert_eq!(usage["cost"].to_string(), got.cost, "{place}: {text}");
                usage
            };
            assert_eq!(output_tokens(&usage), Some(expected), "{place}: {text}");
            assert!(usage["cost"].as_f64().unwrap() > 0.0, "{place}: {text}");
            assert_eq!(usage["cost_details"]["estimated"], true, "{place}: {text}");
        }
    }
}
