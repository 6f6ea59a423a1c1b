//! How far the token estimate is off, by family of models: what tierway reckons for each prompt against its true count.
//!
//! Reads prompts as JSONL on stdin (`messages` with text, as the other commands take them). OpenAI's encoders count here, as
//! they ship in a crate; files of counts, one line for each prompt, come from `encoders/count.mjs` and `encoders/count.py`:
//!
//! ```sh
//! zcat prompts*.jsonl.gz | cargo run --manifest-path measure/Cargo.toml -- counts.jsonl..
//! ```
//!
//! Prints for each family the factor that half of the prompts want (by a digest of their text), and the errors on the other
//! half, with the factors that `tierway_wire` has for the family and without. Of prompts in the languages of
//! `encoders/languages.mjs`, ends with the table by script.

mod errors;
mod family;
mod scripts;

use errors::Errors;
use family::{FAMILIES, Family};
use std::collections::BTreeMap;
use std::io::BufRead;
use tierway_wire::tokens::estimate_outline;
use tierway_wire::{Estimate, Format};
use tiktoken_rs::{CoreBPE, cl100k_base, o200k_base};

/// Shorter prompts are off by a token or two, which is no share worth stating.
const LEAST_TOKENS: u64 = 50;

/// Longer prompts are cut: the estimate samples them, and encoders take minutes.
const MOST_BYTES: usize = 64 * 1024;

struct Prompt {
    text: String,
    /// What a request with this text is reckoned at, without the frame of its message.
    estimate: Estimate,
    /// What kind it is of, where it says so.
    source: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prompts = prompts()?;
    let count = |encoder: CoreBPE| -> Vec<u64> {
        prompts.iter().map(|prompt| encoder.encode_ordinary(&prompt.text).len() as u64).collect()
    };
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::from([
        ("gpt-4o and later".to_owned(), count(o200k_base()?)),
        ("gpt-4, gpt-3.5".to_owned(), count(cl100k_base()?)),
    ]);
    for path in std::env::args().skip(1) {
        for line in std::fs::read_to_string(&path)?.lines() {
            for (family, count) in serde_json::from_str::<BTreeMap<String, u64>>(line)? {
                counts.entry(family).or_default().push(count);
            }
        }
    }
    let families = FAMILIES.iter().filter_map(|family| Some((family, counts.remove(family.name)?)));
    let families: Vec<(&Family, Vec<u64>)> = families.collect();
    if let Some(name) = counts.keys().next() {
        return Err(format!("no family is named {name:?} in measure/src/family.rs").into());
    }
    println!("{} prompts; error = estimate / true count - 1", prompts.len());
    for (family, counts) in &families {
        if counts.len() != prompts.len() {
            return Err(format!("{}: {} counts for {} prompts", family.name, counts.len(), prompts.len()).into());
        }
        report(family, &prompts, counts);
    }
    scripts::table(&prompts, &families);
    Ok(())
}

fn prompts() -> Result<Vec<Prompt>, Box<dyn std::error::Error>> {
    let frame = reckoned("")?.tokens;
    let mut prompts = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let request: serde_json::Value = serde_json::from_str(&line?)?;
        let messages = request["messages"].as_array().into_iter().flatten();
        let mut text: String = messages.filter_map(|message| message["content"].as_str()).collect();
        text.truncate(text.floor_char_boundary(MOST_BYTES));
        let mut estimate = reckoned(&text)?;
        estimate.tokens -= frame;
        let source = request["source"].as_str().unwrap_or_default().to_owned();
        prompts.push(Prompt { text, estimate, source });
    }
    Ok(prompts)
}

/// A request with this text, reckoned as the router does it.
fn reckoned(text: &str) -> Result<Estimate, Box<dyn std::error::Error>> {
    let body = serde_json::json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] }).to_string();
    let (outline, _) = tierway_wire::outline(Format::OpenaiChat, body.as_bytes())?;
    Ok(estimate_outline(&outline))
}

/// One of the two halves, the same for a text every time.
fn trains(text: &str) -> bool {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step) >> 63 == 0
}

fn report(family: &Family, prompts: &[Prompt], counts: &[u64]) {
    let (mut train, mut bare, mut test) = (Errors::default(), Errors::default(), Errors::default());
    let mut by_source: BTreeMap<&str, Errors> = BTreeMap::new();
    for (prompt, count) in prompts.iter().zip(counts).filter(|(_, count)| **count >= LEAST_TOKENS) {
        let guess = family.vocabulary.tokens(prompt.estimate);
        if trains(&prompt.text) {
            train.push(prompt.estimate.tokens, *count);
        } else {
            bare.push(prompt.estimate.tokens, *count);
            test.push(guess, *count);
            by_source.entry(&prompt.source).or_default().push(guess, *count);
        }
    }
    println!("\n{}: wants {} % of the estimate", family.name, train.factor_percent());
    println!("  without factors: {}", bare.line());
    println!("  as reckoned:     {}", test.line());
    for (source, errors) in by_source.into_iter().filter(|(source, _)| !source.is_empty()) {
        println!("    {source}: {}", errors.short());
    }
}
