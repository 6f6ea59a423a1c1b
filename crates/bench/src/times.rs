//! How long decisions take by the clock, and loading what they are made with.
//!
//! Requests are made of the demo's prompts, each from another one on, so that no two are alike and no branch is learned by
//! heart. Percentiles are of single decisions; beside other work the upper ones say more of the machine than of the code.

use crate::{Failed, print, traffic};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tierway::{Call, Router};
use tierway_decide::evidence::{EVIDENCE_VERSION, Evidence, EvidenceTier, Promise};
use tierway_decide::model::{Bank, Head, TreeNode};
use tierway_decide::{COUNTERS, GRAM_BUCKETS, Predictor, TaskType};
use tierway_wire::Format;

/// Sizes of the asks, characters.
const SIZES: [usize; 3] = [1_000, 2_000, 200_000];

/// Decides `count` requests of each size and prints median, 99th percentile and least, in microseconds.
///
/// # Errors
/// A request that is refused: a bug.
pub fn decisions(router: &Router, count: usize) -> Result<(), Failed> {
    for chars in SIZES {
        let mut took = Vec::with_capacity(count);
        for at in 0..count {
            let call = Call::new(Format::OpenaiChat, traffic::varied(at, chars)?);
            let (outline, _) = tierway_wire::outline(call.format, &call.body)?;
            let began = Instant::now();
            black_box(router.decide(black_box(&call), &outline).map_err(|refusal| refusal.error.message)?);
            took.push(began.elapsed());
        }
        tell(&format!("decide, {chars} characters"), took);
    }
    Ok(())
}

/// Loads the embedded model once, which is all that a process ever does, and evidence `count` times.
///
/// # Errors
/// Evidence that does not load: a bug.
pub fn loading(count: usize) -> Result<(), Failed> {
    let began = Instant::now();
    black_box(Predictor::embedded());
    tell("load the embedded model", vec![began.elapsed()]);
    let json = serde_json::to_string(&evidence())?;
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        let evidence = Evidence::parse(black_box(&json))?;
        black_box(Predictor::embedded().with_evidence(evidence, &TIERS, 1)?);
        took.push(began.elapsed());
    }
    tell(&format!("load evidence of {} kB", json.len() / 1000), took);
    Ok(())
}

fn tell(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |share: usize| took.get(took.len() * share / 100).map(|time| time.as_nanos() as f64 / 1e3);
    print(&serde_json::json!({ "what": what, "p50_us": at(50), "p99_us": at(99), "least_us": at(0) }));
}

const TIERS: [&str; 3] = ["nano", "standard", "reasoning"];
/// Trees of each head, as many as training makes at most, and their depth.
const TREES: usize = 150;
const DEPTH: u32 = 4;

/// Evidence of the size that calibration writes for three tiers: every n-gram has a weight, every tree is full.
fn evidence() -> Evidence {
    let inner = (1 << DEPTH) - 1;
    let node =
        |at: u16| TreeNode { counter: at as u8, limit: 9, left: if at < inner { 2 * at + 1 } else { 0 }, value: 0.1 };
    let head = |name: &str| Head {
        name: name.to_owned(),
        counters: vec![0.001; COUNTERS],
        grams: vec![0.01; GRAM_BUCKETS],
        trees: vec![(0..2 * inner + 1).map(node).collect(); TREES],
        ..Head::default()
    };
    let tier = |name: &str| EvidenceTier { name: name.to_owned(), models: Vec::new() };
    let promise = Promise {
        quality: 0.99,
        confidence: 0.95,
        max_shortfall: Some(0.02),
        quality_kept: None,
        saved: None,
        test: String::new(),
        judge: None,
    };
    Evidence {
        version: EVIDENCE_VERSION,
        tiers: TIERS.map(tier).to_vec(),
        baseline: TIERS[1].to_owned(),
        promise,
        trained_on: 0,
        proven_on: 0,
        ordered_on: 1,
        output_tokens: vec![vec![100.0; TaskType::ALL.len()]; TIERS.len()],
        unfamiliar: 0.5,
        heads: String::new(),
        seen: String::new(),
    }
    .with_heads(&Bank::new(&[&TIERS.map(head)[..], &[head("order")]].concat()), &[0xff; GRAM_BUCKETS / 8])
}
