//! How far the token estimate is off, by family of models: our estimate of each prompt against its true count.
//!
//! Reads prompts as JSONL on stdin (`messages` with text, as the other commands take them). Encoders that ship in crates
//! count here; files of counts, one line for each prompt, come from `encoders/count.mjs` and `encoders/count.py`:
//!
//! ```sh
//! zcat prompts*.jsonl.gz | cargo run --manifest-path measure/Cargo.toml -- counts.jsonl..
//! ```
//!
//! Prints for each family the factor that half of the prompts want (by a digest of their text), and the errors on the other
//! half, with that factor and without.

mod errors;

use errors::Errors;
use std::collections::BTreeMap;
use std::io::BufRead;
use tierway_wire::tokens::estimate;
use tiktoken_rs::{cl100k_base, o200k_base, o200k_harmony};

/// Shorter prompts are off by a token or two, which is no share worth stating.
const LEAST_TOKENS: u64 = 50;

/// Longer prompts are cut: the estimate samples them, and encoders take minutes.
const MOST_BYTES: usize = 64 * 1024;

struct Prompt {
    text: String,
    /// What kind it is of, where it says so.
    source: String,
}

/// True counts by family, each as long as the list of prompts.
type Counts = BTreeMap<String, Vec<u64>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prompts = prompts()?;
    let mut counts = Counts::new();
    for path in std::env::args().skip(1) {
        for line in std::fs::read_to_string(&path)?.lines() {
            for (family, count) in serde_json::from_str::<BTreeMap<String, u64>>(line)? {
                counts.entry(family).or_default().push(count);
            }
        }
    }
    if counts.is_empty() {
        for (family, encoder) in [
            ("o200k_base (gpt-4o and later, o-series)", o200k_base()?),
            ("o200k_harmony (gpt-oss)", o200k_harmony()?),
            ("cl100k_base (gpt-4, gpt-3.5)", cl100k_base()?),
        ] {
            let of = |prompt: &Prompt| encoder.encode_ordinary(&prompt.text).len() as u64;
            counts.insert(family.to_owned(), prompts.iter().map(of).collect());
        }
    }
    println!("{} prompts; error = estimate / true count - 1", prompts.len());
    for (family, counts) in counts {
        if counts.len() != prompts.len() {
            return Err(format!("{family}: {} counts for {} prompts", counts.len(), prompts.len()).into());
        }
        report(&family, &prompts, &counts);
    }
    Ok(())
}

fn prompts() -> Result<Vec<Prompt>, Box<dyn std::error::Error>> {
    let mut prompts = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let request: serde_json::Value = serde_json::from_str(&line?)?;
        let messages = request["messages"].as_array().into_iter().flatten();
        let mut text: String = messages.filter_map(|message| message["content"].as_str()).collect();
        text.truncate(text.floor_char_boundary(MOST_BYTES));
        let source = request["source"].as_str().unwrap_or_default().to_owned();
        prompts.push(Prompt { text, source });
    }
    Ok(prompts)
}

/// One of the two halves, the same for a text every time.
fn trains(text: &str) -> bool {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step) >> 63 == 0
}

fn report(family: &str, prompts: &[Prompt], counts: &[u64]) {
    let (mut train, mut test) = (Errors::default(), Errors::default());
    let mut by_source: BTreeMap<&str, Errors> = BTreeMap::new();
    for (prompt, count) in prompts.iter().zip(counts).filter(|(_, count)| **count >= LEAST_TOKENS) {
        let guess = estimate(&prompt.text);
        if trains(&prompt.text) {
            train.push(guess, *count);
        } else {
            test.push(guess, *count);
            by_source.entry(&prompt.source).or_default().push(guess, *count);
        }
    }
    let percent = train.factor_percent();
    println!("\n{family}: wants {percent} % of the estimate");
    println!("  as it is:    {}", test.line(100));
    println!("  with factor: {}", test.line(percent));
    for (source, errors) in by_source.into_iter().filter(|(source, _)| !source.is_empty()) {
        println!("    {source}: {}", errors.short(percent));
    }
}
