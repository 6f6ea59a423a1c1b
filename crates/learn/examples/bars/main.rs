//! Measures the predictor's bars on per-query outcome tables: `cargo run --release -p tierway-learn --example bars -- DIR [PART..]`.
//! Parts: splits, cold, robust, tutorial, promise, certified. Without one, all.

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
mod promise;
mod robust;
mod splits;
mod tutorial;

use std::path::Path;

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(dir) = args.next() else {
        eprintln!("usage: bars DIR [splits|cold|robust|tutorial|promise|certified]..");
        std::process::exit(2);
    };
    let parts: Vec<String> = args.collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|own| own == part);
    let all = data::load(Path::new(&dir));
    println!("{} outcomes of {} sources", all.values().map(Vec::len).sum::<usize>(), all.len());
    if wanted("splits") {
        splits::run(&all);
    }
    if wanted("cold") {
        cold::run(&all);
    }
    if wanted("robust") {
        robust::run();
    }
    if wanted("tutorial") {
        tutorial::run(&all);
    }
    if wanted("promise") {
        promise::run(&all);
    }
    if wanted("certified") {
        certified::run(&all);
    }
}
