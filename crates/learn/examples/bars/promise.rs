//! How often the promise is broken: random splits into rows that teach, rows that prove, and the truth.

use crate::data::{self, MMLUPRO, Rung, Sources, TUTORIAL, ULAB, ZE};
use tierway_decide::Predictor;
use tierway_learn::calibrate::{Options, choices, learn, prove};
use tierway_learn::split;
use tierway_learn::table::{Row, Table};

const SPLITS: u64 = 200;
const TEACH: usize = 400;
const PROVE: usize = 400;
const QUALITIES: [f64; 3] = [0.98, 0.95, 0.90];

pub(crate) fn run(all: &Sources) {
    println!("\npromise at 95 %: {SPLITS} random splits, {TEACH} rows teach, {PROVE} prove, the others are the truth");
    println!(
        "{:<10} {:>8} {:>8} {:>16} {:>12} {:>12}",
        "mix", "quality", "proven", "broken of all", "kept", "below base"
    );
    for (name, starts, rungs, baseline) in [
        ("ze", &["ze-"][..], ZE, "reasoning"),
        ("ulab", &["ulab-"], ULAB, "standard"),
        ("mmlupro", &["mmlupro-"], MMLUPRO, "standard"),
        ("tutorial", &["ze-", "bfcl1"], TUTORIAL, "standard"),
    ] {
        one(all, name, starts, (rungs, baseline));
    }
}

/// What happened under one budget.
#[derive(Clone, Copy, Default)]
struct Tally {
    proven: u32,
    broken: u32,
    kept: f64,
    below: f64,
}

fn one(all: &Sources, name: &str, starts: &[&str], (rungs, baseline): (&[Rung], &str)) {
    let outcomes = data::of(all, starts);
    let ladder = data::ladder(rungs, baseline);
    let table = Table::new(&outcomes, &ladder, &[("o1-mini-2024-09-12".to_owned(), 1000.0)]);
    let names: Vec<&str> = rungs.iter().map(|rung| rung.0).collect();
    let mut tallies = [Tally::default(); QUALITIES.len()];
    for seed in 0..SPLITS {
        let order = split::shuffled(table.rows.len(), seed + 1000);
        let (teach, rest) = order.split_at(TEACH);
        let (proof, truth) = rest.split_at(PROVE);
        let learned = learn(&table, teach.to_vec(), seed);
        let rows: Vec<&Row<'_>> = truth.iter().map(|at| &table.rows[*at]).collect();
        let score =
            |of: &dyn Fn(usize) -> usize| -> f64 { (0..rows.len()).map(|at| rows[at].tiers[of(at)].score).sum() };
        let whole = score(&|_| table.baseline);
        for (tally, quality) in tallies.iter_mut().zip(QUALITIES) {
            let options = Options { quality, seed, ..Options::default() };
            let done = prove(&table, &ladder, &options, &learned, proof.to_vec()).expect("own evidence");
            tally.proven += u32::from(done.evidence.promise.max_shortfall.is_some());
            let predictor =
                Predictor::embedded().with_evidence(done.evidence, &names, table.baseline).expect("own evidence");
            let predict = |row: &&Row<'_>| predictor.predict(&row.outcome.features, table.tiers, table.baseline);
            let predictions: Vec<_> = rows.iter().map(predict).collect();
            let tiers = choices(&ladder, &rows, &predictions, predictor.proven_shortfall().unwrap_or(-1.0));
            let share = score(&|at| tiers[at]) / whole;
            tally.broken += u32::from(share < quality - 1e-9);
            tally.kept += share / SPLITS as f64;
            let below = tiers.iter().filter(|tier| **tier < table.baseline).count() as f64;
            tally.below += below / (rows.len() as f64 * SPLITS as f64);
        }
    }
    for (quality, Tally { proven, broken, kept, below }) in QUALITIES.into_iter().zip(tallies) {
        println!(
            "{name:<10} {quality:>8} {proven:>8} {:>14.1} % {:>10.2} % {:>10.1} %",
            100.0 * f64::from(broken) / SPLITS as f64,
            100.0 * kept,
            100.0 * below
        );
    }
}
