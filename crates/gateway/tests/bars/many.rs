//! Two hundred streams at once, all with tools, from all three APIs of clients to all five of providers.

use crate::door::{CLIENTS, Door, PROVIDERS};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tierway_testkit::{Ended, Pace, Seen, Traits};
use tierway_wire::neutral::Content;
use tierway_wire::{Context, Format, decode_stream, grammar};

const STREAMS: usize = 210;

fn body(format: Format, model: &str, question: &str) -> Vec<u8> {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let names = ["get_weather", "get_time"];
    let message = json!([{"role": "user", "content": question}]);
    let request = match format {
        Format::OpenaiChat => json!({
            "model": model, "messages": message, "stream": true,
            "tools": names.map(|name| json!({"type": "function", "function": {"name": name, "parameters": schema}})),
        }),
        Format::OpenaiResponses => json!({
            "model": model, "input": message, "stream": true,
            "tools": names.map(|name| json!({"type": "function", "name": name, "parameters": schema, "strict": false})),
        }),
        _ => json!({
            "model": model, "messages": message, "stream": true, "max_tokens": 500,
            "tools": names.map(|name| json!({"name": name, "input_schema": schema})),
        }),
    };
    request.to_string().into_bytes()
}

/// The calls of a stream as `name {arguments}`.
fn calls(format: Format, stream: &[u8]) -> Vec<String> {
    let answer = decode_stream(format, stream, &Context::default()).unwrap();
    let call = |content: &Content| match content {
        Content::ToolCall { name, arguments, .. } => {
            Some(format!("{name} {}", serde_json::from_str::<Value>(arguments).unwrap()))
        }
        _ => None,
    };
    answer.choices[0].parts.iter().filter_map(|part| call(&part.content)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_gets_its_own_complete_calls() {
    let door = Door::open().await;
    let pace = Pace { first_ms: 3_000, per_token_us: 2_000 };
    PROVIDERS.iter().for_each(|name| door.upstream.traits(&format!("m-{name}"), Traits { pace, ..Traits::default() }));
    let asks = (0..STREAMS).map(|number| {
        let (format, _) = CLIENTS[number % CLIENTS.len()];
        let provider = PROVIDERS[number / CLIENTS.len() % PROVIDERS.len()];
        let question = format!("get_weather and get_time {number}!");
        let body = body(format, &format!("{provider}/m-{provider}"), &question);
        let door = &door;
        async move {
            let got = door.ask(format, body).await;
            let place = format!("{format:?} to {provider}, number {number}");
            let text = String::from_utf8_lossy(&got.body);
            assert_eq!(got.status, 200, "{place}: {text}");
            assert_eq!(grammar::breaches(format, &got.body), Vec::<String>::new(), "{place}: {text}");
            let wanted = ["get_weather", "get_time"].map(|name| format!("{name} {}", json!({"city": question})));
            assert_eq!(calls(format, &got.body), wanted, "{place}: {text}");
        }
    });
    join_all(asks).await;
    let most = at_once(&door.upstream.seen());
    assert!(most >= 200, "they were to run at the same time, and {most} did");
}

/// The most calls that were under way at one moment.
fn at_once(seen: &[Seen]) -> usize {
    let end = |one: &Seen| match one.ended {
        Ended::Sent { at_ms } | Ended::Broken { at_ms } | Ended::ClientGone { at_ms } => at_ms,
        Ended::Open => u64::MAX,
    };
    let under_way = |at_ms: u64| seen.iter().filter(|one| one.at_ms <= at_ms && at_ms < end(one)).count();
    seen.iter().map(|one| under_way(one.at_ms)).max().unwrap_or(0)
}
