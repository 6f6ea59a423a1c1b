//! What a start pays for its config: reading, looking models up, compiling rules.

use tierway_config::catalogue::Prices;
use tierway_config::init::{Found, Maker, write};
use tierway_config::parse;

fn main() {
    divan::main();
}

/// The config that `init` writes with all keys: twelve targets, six rules, 31 tests.
#[divan::bench]
fn init_config(bencher: divan::Bencher) {
    let keys = Maker::ALL.iter().map(|maker| (*maker, "KEY".to_owned())).collect();
    let text = write(&Found { keys, ollama: Vec::new(), ollama_at: None });
    bencher.bench(|| parse(&text, "tierway.toml", &|_| None).is_ok());
}

#[divan::bench]
fn smallest_config(bencher: divan::Bencher) {
    let text = "[providers.p]\nkind = \"openai\"\n[[tiers]]\nname = \"t\"\ntargets = [\"p/gpt-6-luna\"]\n";
    bencher.bench(|| parse(text, "tierway.toml", &|_| None).is_ok());
}

#[divan::bench(args = ["openai:gpt-6-luna", "openai:gpt-6-luna-2026-09-22", "openrouter:no/such-model"])]
fn lookup(id: &str) -> bool {
    let (provider, model) = id.split_once(':').unwrap_or_default();
    Prices::default().lookup(Some(provider), model).is_some()
}
