//! Ten thousand requests, two hundred at once: a row for each, and every cost as anybody can work it out from the tokens
//! that the provider reported.

use crate::client::{Client, Received};
use crate::common::good;
use crate::process::Process;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tierway_testkit::{Traits, Upstream};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 200;

/// Dollars per million tokens of input, cached input and output; in millionths of a dollar, to stay with whole numbers.
const PRICES: [(&str, [u64; 3]); 3] = [
    ("nano", [150_000, 75_000, 600_000]),
    ("standard", [5_000_000, 2_500_000, 15_000_000]),
    ("reasoning", [3_000_000, 300_000, 12_000_000]),
];

fn config(dir: &Path, url: &str) -> std::path::PathBuf {
    let dollars = |micro: u64| format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    let tier = |(name, [input, cached, output]): &(&str, [u64; 3])| {
        format!(
            "[[tiers]]\nname = \"{name}\"\ntargets = [{{ provider = \"p\", model = \"{name}-1\", context_window = 1000000, price = {{ input = {}, cached_input = {}, output = {} }} }}]\n",
            dollars(*input),
            dollars(*cached),
            dollars(*output)
        )
    };
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nkind = \"openai_compatible\"\nbase_url = \"{url}/v1\"\n{}[ledger]\npath = \"costs.db\"\n",
        PRICES.iter().map(tier).collect::<String>()
    );
    let path = dir.join("tierway.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// All kinds: short and long, with a shared beginning that a provider caches, whole and streamed, of every tier.
fn request(number: usize) -> String {
    let tier = PRICES[number % 3].0;
    let mut messages = Vec::new();
    if number.is_multiple_of(4) {
        messages.push(json!({"role": "system", "content": "All answers are short. ".repeat(300)}));
    }
    messages.push(json!({"role": "user", "content": format!("Question {number}{}", "?".repeat(number % 97))}));
    let mut body = json!({"model": tier, "messages": messages, "max_tokens": 1 + number % 50});
    if number.is_multiple_of(2) {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string()
}

/// What the provider reported, in its own words.
fn reported(reply: &Received) -> Value {
    let usage =
        reply.events().into_iter().rev().find_map(|event| event.get("usage").filter(|u| u.is_object()).cloned());
    usage.unwrap_or_else(|| panic!("no usage: {} {}", reply.status, reply.body))
}

/// Millionths of millionths of a dollar.
fn cost(prices: [u64; 3], usage: &Value) -> u64 {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap();
    let cached = number("/prompt_tokens_details/cached_tokens");
    let [input, cached_input, output] = prices;
    (number("/prompt_tokens") - cached) * input + cached * cached_input + number("/completion_tokens") * output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_are_ten_thousand_rows_with_their_costs() {
    let upstream = Upstream::start().await.unwrap();
    for (name, _) in PRICES {
        upstream.traits(&format!("{name}-1"), Traits::default());
    }
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(&config(dir.path(), &upstream.url()));
    let (client, next) = (Arc::new(Client::of(process.address)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (client, next) = (client.clone(), next.clone());
            tokio::spawn(async move {
                let mut paid = Vec::new();
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= REQUESTS {
                        return paid;
                    }
                    let reply = client.ask(request(number)).await;
                    let usage = reported(&reply);
                    let [own, baseline] = [PRICES[number % 3].1, PRICES[1].1].map(|prices| cost(prices, &usage));
                    paid.push((reply.header("x-tierway-request-id").to_owned(), (own, baseline)));
                }
            })
        })
        .collect();
    let mut wanted = BTreeMap::new();
    for client in clients {
        wanted.extend(client.await.unwrap());
    }
    process.stop();
    assert_eq!(wanted.len(), REQUESTS);
    let rows = rows(dir.path());
    assert_eq!(rows.len(), REQUESTS);
    for (id, want) in &wanted {
        assert_eq!(rows.get(id), Some(want), "{id}");
    }
    let cents = |picos: u64| picos as f64 / 1e12;
    let total = |of: fn(&(u64, u64)) -> u64| cents(wanted.values().map(of).sum());
    let totals = report(dir.path());
    for (name, want) in [("paid_usd", total(|row| row.0)), ("baseline_usd", total(|row| row.1))] {
        let shown = totals
            .pointer(&format!("/totals/money/{name}"))
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("{totals}"));
        assert!((shown - want).abs() < 0.005, "{name}: the report says {shown}, the tokens {want}");
    }
}

/// What was paid and what the baseline would have cost, by request.
pub(crate) fn rows(dir: &Path) -> BTreeMap<String, (u64, u64)> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("{name}: {row}"));
        (row["request_id"].as_str().unwrap().to_owned(), (number("paid"), number("baseline")))
    };
    good(dir, &["export", "--format", "jsonl", "--db", "costs.db"]).lines().map(row).collect()
}

fn report(dir: &Path) -> Value {
    serde_json::from_str(&good(dir, &["report", "--format", "json", "--config", "tierway.toml"])).unwrap()
}
