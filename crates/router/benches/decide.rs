//! How long a decision takes, everything on: outline, features, default rules, prediction, choice. Prints p50 and p99.
//!
//! `cargo bench -p tierway --bench decide`. The bars: p50 under 25 µs and p99 under 100 µs at 2,000 characters, p99 under 1 ms
//! at 200,000. Times of a busy machine are too long, never too short: look at the smallest of a few runs.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its inputs are its own")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use tierway::decide::Predictor;
use tierway::wire::{Format, outline};
use tierway::{Call, Router, Setup};

const CONFIG: &str = r#"
[providers.openai]
kind = "openai"
[[tiers]]
name = "nano"
price = { input = 0.15, output = 0.60 }
targets = ["openai/gpt-4o-mini"]
[[tiers]]
name = "standard"
price = { input = 5.00, output = 15.00 }
targets = ["openai/gpt-4o"]
[[tiers]]
name = "reasoning"
price = { input = 3.00, output = 12.00 }
targets = ["openai/o1-mini"]
"#;

const PROSE: &str = "The quarterly report shows that revenue in the northern region grew by 12 % while costs stayed flat; \
please compare it with last year, name three reasons, and write a short note to the board. ";
const CODE: &str =
    "fn merge(a: &[u32], b: &[u32]) -> Vec<u32> {\n    let mut out = Vec::new(); // why is this slow?\n    out\n}\n";
const CHINESE: &str = "请把下面的报告总结成三点,并说明主要的风险和下一步的计划。";

fn main() {
    let rules = tierway_config::init::default_rules("nano", "standard", "reasoning");
    let config = tierway_config::parse(&(CONFIG.to_owned() + &rules), "bench.toml", &|_| None).unwrap();
    let router = Router::builder(Arc::new(Setup::new(config.table, Predictor::embedded().clone()))).build();
    println!("{:10} {:>9} {:>8} {:>10} {:>10} {:>10}", "text", "chars", "runs", "p50 µs", "p99 µs", "max µs");
    for (name, text) in [("prose", PROSE), ("code", CODE), ("chinese", CHINESE)] {
        for (characters, runs) in [(200, 20_000), (2_000, 20_000), (20_000, 5_000), (200_000, 1_000)] {
            let prompt: String = text.chars().cycle().take(characters).collect();
            let mut times = timed(&router, &prompt, runs);
            times.sort_by(f64::total_cmp);
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!("{name:10} {characters:>9} {runs:>8} {:>10.1} {:>10.1} {:>10.1}", at(0.5), at(0.99), at(1.0));
        }
    }
}

/// Microseconds of each decision.
fn timed(router: &Router, prompt: &str, runs: usize) -> Vec<f64> {
    let body = serde_json::json!({"model": "auto", "messages": [{"role": "user", "content": prompt}]}).to_string();
    let call = Call::new(Format::OpenaiChat, body.clone());
    let decide = || {
        let began = Instant::now();
        let (outline, _) = outline(Format::OpenaiChat, black_box(body.as_bytes())).unwrap();
        black_box(router.decide(&call, &outline).is_ok());
        began.elapsed().as_secs_f64() * 1e6
    };
    (0..runs / 10).for_each(|_| _ = decide());
    (0..runs).map(|_| decide()).collect()
}
