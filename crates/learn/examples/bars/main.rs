//! Measures the predictor's bars on per-query outcome tables: `cargo run --release -p tierway-learn --example bars -- DIR [PART..]`.
//! Parts: tasks, tiers, splits, cold, robust, tutorial, promise, judged, certified. Without one, all. A number among them is that of the random
//! splits of `promise`, `judged` and `certified`; `mix=NAME` plays only one mix of the first two.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program around the pure crate: it reads files and prints"
)]

mod certified;
mod cold;
mod data;
mod judged;
mod promise;
mod robust;
mod splits;
mod tasks;
mod tiers;
mod tutorial;

use std::path::Path;

/// Random splits of `promise`, `judged` and `certified`.
const SPLITS: u64 = 200;

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(dir) = args.next() else {
        eprintln!(
            "usage: bars DIR [tasks|tiers|splits|cold|robust|tutorial|promise|judged|certified].. [SPLITS] [mix=NAME]"
        );
        std::process::exit(2);
    };
    let (numbers, parts): (Vec<String>, Vec<String>) = args.partition(|arg| arg.parse::<u64>().is_ok());
    let (mixes, parts): (Vec<String>, Vec<String>) = parts.into_iter().partition(|arg| arg.starts_with("mix="));
    let mix = mixes.first().and_then(|mix| mix.strip_prefix("mix="));
    let splits = numbers.first().and_then(|number| number.parse().ok()).unwrap_or(SPLITS);
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|own| own == part);
    let dir = Path::new(&dir);
    if wanted("tasks") || wanted("tiers") {
        let prompts = data::prompts(dir);
        if wanted("tasks") {
            tasks::run(&prompts);
        }
        if wanted("tiers") {
            tiers::run(&prompts);
        }
    }
    if wanted("robust") {
        robust::run(tierway_decide::Predictor::embedded());
    }
    let all = data::load(dir);
    println!("{} outcomes of {} sources", all.values().map(Vec::len).sum::<usize>(), all.len());
    if wanted("splits") {
        splits::run(&all);
    }
    if wanted("cold") {
        cold::run(&all);
    }
    if wanted("tutorial") {
        tutorial::run(&all);
    }
    if wanted("promise") {
        promise::run(&all, splits, mix);
    }
    if wanted("judged") {
        judged::run(&all, splits, mix);
    }
    if wanted("certified") {
        certified::run(&all, splits);
    }
}
