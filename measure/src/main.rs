//! How far the token estimate is off, by family of models: our estimate of each prompt against an exact encoder.
//!
//! Reads prompts as JSONL on stdin (`messages` with text, as the other commands take them), prints one line for each
//! encoder:
//!
//! ```sh
//! zcat prompts*.jsonl.gz | cargo run --manifest-path measure/Cargo.toml
//! ```

use std::io::BufRead;
use tierway_wire::tokens::{at_most, estimate};
use tiktoken_rs::{CoreBPE, cl100k_base, o200k_base, o200k_harmony};

/// Shorter prompts are off by a token or two, which is no share worth stating.
const LEAST_TOKENS: usize = 50;

/// Longer prompts are cut: the estimate samples them, and encoders take minutes.
const MOST_BYTES: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prompts = prompts()?;
    println!("{} prompts of at least {LEAST_TOKENS} tokens; error = estimate / true count - 1", prompts.len());
    let families: [(&str, CoreBPE); 3] = [
        ("o200k_base (gpt-4o and later, o-series)", o200k_base()?),
        ("o200k_harmony (gpt-oss)", o200k_harmony()?),
        ("cl100k_base (gpt-4, gpt-3.5)", cl100k_base()?),
    ];
    for (name, encoder) in families {
        println!("{name}: {}", line(&prompts, &encoder));
    }
    Ok(())
}

fn prompts() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut prompts = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let request: serde_json::Value = serde_json::from_str(&line?)?;
        let messages = request["messages"].as_array().into_iter().flatten();
        let mut text: String = messages.filter_map(|message| message["content"].as_str()).collect();
        if text.len() > MOST_BYTES {
            text.truncate(text.floor_char_boundary(MOST_BYTES));
        }
        if text.len() >= LEAST_TOKENS {
            prompts.push(text);
        }
    }
    Ok(prompts)
}

fn line(prompts: &[String], encoder: &CoreBPE) -> String {
    let (mut errors, mut beyond, mut sums) = (Vec::new(), 0, (0.0, 0.0));
    for prompt in prompts {
        let (guess, true_count) = (estimate(prompt), encoder.encode_ordinary(prompt).len());
        if true_count < LEAST_TOKENS {
            continue;
        }
        errors.push(f64::from(guess) / true_count as f64 - 1.0);
        beyond += usize::from(true_count > at_most(guess) as usize);
        sums = (sums.0 + f64::from(guess), sums.1 + true_count as f64);
    }
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors.get((share * errors.len() as f64) as usize).copied().unwrap_or(f64::NAN) * 100.0;
    let last = errors.last().copied().unwrap_or(f64::NAN) * 100.0;
    format!(
        "{} prompts, sum {:+.1} %, half within {:+.1} .. {:+.1} %, 95 of 100 within {:+.1} .. {:+.1} %, worst {:+.1} and {:+.1} %, {beyond} beyond `at_most`",
        errors.len(),
        (sums.0 / sums.1 - 1.0) * 100.0,
        at(0.25),
        at(0.75),
        at(0.025),
        at(0.975),
        at(0.0),
        last,
    )
}
