//! How often the promise is broken: random splits into rows that teach, rows that prove, and the truth.
//!
//! The proof speaks of the traffic that its rows were drawn from, independently. So the first count draws them with
//! replacement from all rows that did not teach, and these are the truth: known exactly. The second count reads the truth
//! off the rows that neither taught nor proved, as somebody would who has one file. It is harsher than the promise: what
//! the proof was lucky with is missing from the others, and they have chance of their own.

use crate::data::{self, MMLUPRO, Rung, Sources, TUTORIAL, ULAB, ZE};
use tierway_decide::stats::upper_bound;
use tierway_decide::{Chance, Ladder, Prediction, Predictor};
use tierway_learn::calibrate::{Learned, Options, choices, learn, prove};
use tierway_learn::misrouted::Misrouted;
use tierway_learn::split;
use tierway_learn::table::{Row, Table};

const TEACH: usize = 400;
const PROVE: usize = 400;
const QUALITIES: [f64; 3] = [0.98, 0.95, 0.90];

pub(crate) fn run(all: &Sources, splits: u64, mix: Option<&str>) {
    println!(
        "\npromise at 95 %: {splits} random splits, {TEACH} rows teach, {PROVE} prove; broken [95 %] of all splits"
    );
    println!(
        "{:<10} {:>7} {:>7} {:>22} {:>22} {:>10} {:>8} {:>10}",
        "mix", "quality", "proven", "broken", "on unseen rows", "kept", "below", "bound"
    );
    for (name, starts, rungs, baseline) in [
        ("ze", &["ze-"][..], ZE, "reasoning"),
        ("ulab", &["ulab-"], ULAB, "standard"),
        ("mmlupro", &["mmlupro-"], MMLUPRO, "standard"),
        ("tutorial", &["ze-", "bfcl1"], TUTORIAL, "standard"),
    ] {
        if mix.is_some_and(|mix| mix != name) {
            continue;
        }
        one(all, name, starts, (rungs, baseline), splits);
    }
}

/// What happened under one budget.
#[derive(Clone, Copy, Default)]
struct Tally {
    proven: u32,
    broken: u32,
    broken_unseen: u32,
    /// The printed bound on requests that needed the baseline and went below it was too low.
    bound_broken: u32,
    kept: f64,
    below: f64,
}

/// One mix with its ladder.
struct Mix<'a> {
    table: &'a Table<'a>,
    ladder: &'a Ladder,
    names: Vec<&'a str>,
}

/// What a proof led to on rows that count as the truth.
struct Played {
    proven: bool,
    kept: f64,
    below: f64,
    /// The share that was missed is within the bound that was printed.
    bound_holds: bool,
}

fn one(all: &Sources, name: &str, starts: &[&str], (rungs, baseline): (&[Rung], &str), splits: u64) {
    let outcomes = data::of(all, starts);
    let ladder = data::ladder(rungs, baseline);
    let table = Table::new(&outcomes, &ladder, &[("o1-mini-2024-09-12".to_owned(), 1000.0)]);
    let mix = Mix { table: &table, ladder: &ladder, names: rungs.iter().map(|rung| rung.0).collect() };
    let mut tallies = [Tally::default(); QUALITIES.len()];
    for seed in 0..splits {
        let order = split::shuffled(table.rows.len(), seed + 1000);
        let (teach, pool) = order.split_at(TEACH);
        let learned = learn(&table, teach.to_vec(), seed);
        let mut chance = Chance::new(seed + 77_000);
        let drawn: Vec<usize> = (0..PROVE).map(|_| pool[chance.up_to(pool.len() as u64 - 1) as usize]).collect();
        for (tally, quality) in tallies.iter_mut().zip(QUALITIES) {
            let options = Options { quality, seed, ..Options::default() };
            let known = mix.play(&learned, &options, &drawn, pool);
            tally.proven += u32::from(known.proven);
            tally.broken += u32::from(known.kept < quality - 1e-9);
            tally.bound_broken += u32::from(!known.bound_holds);
            tally.kept += known.kept / splits as f64;
            tally.below += known.below / splits as f64;
            let unseen = mix.play(&learned, &options, &pool[..PROVE], &pool[PROVE..]);
            tally.broken_unseen += u32::from(unseen.kept < quality - 1e-9);
        }
    }
    for (quality, tally) in QUALITIES.into_iter().zip(tallies) {
        println!(
            "{name:<10} {quality:>7} {:>7} {:>22} {:>22} {:>8.2} % {:>6.1} % {:>8.1} %",
            tally.proven,
            share(tally.broken, splits),
            share(tally.broken_unseen, splits),
            100.0 * tally.kept,
            100.0 * tally.below,
            100.0 * f64::from(tally.bound_broken) / splits as f64,
        );
    }
}

/// A count as a share with its exact 95 % interval (Clopper and Pearson, 1934).
pub(crate) fn share(count: u32, of: u64) -> String {
    let (count, whole) = (u64::from(count), of as f64);
    let high = upper_bound(count, of, 0.975);
    let low = if count == 0 { 0.0 } else { 1.0 - upper_bound(of - count, of, 0.975) };
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * count as f64 / whole, 100.0 * low, 100.0 * high)
}

impl Mix<'_> {
    fn play(&self, learned: &Learned, options: &Options, proof: &[usize], truth: &[usize]) -> Played {
        let done = prove(self.table, self.ladder, options, learned, proof.to_vec()).expect("own evidence");
        let rows = |at: &[usize]| -> Vec<&Row<'_>> { at.iter().map(|at| &self.table.rows[*at]).collect() };
        let printed =
            Misrouted::count(self.table, &rows(proof), &done.proof.iter().map(|own| own.1).collect::<Vec<_>>());
        let proven = done.evidence.promise.max_shortfall.is_some();
        let base = self.table.baseline;
        let predictor = Predictor::embedded().with_evidence(done.evidence, &self.names, base).expect("own evidence");
        let truth = rows(truth);
        let predict = |row: &&Row<'_>| predictor.predict(&row.outcome.features, self.table.tiers, base);
        let predictions: Vec<Prediction> = truth.iter().map(predict).collect();
        let tiers = choices(self.ladder, &truth, &predictions, predictor.proven_shortfall().unwrap_or(-1.0));
        let score =
            |of: &dyn Fn(usize) -> usize| -> f64 { (0..truth.len()).map(|at| truth[at].tiers[of(at)].score).sum() };
        let errors = Misrouted::count(self.table, &truth, &tiers);
        Played {
            proven,
            kept: score(&|at| tiers[at]) / score(&|_| base),
            below: tiers.iter().filter(|tier| **tier < base).count() as f64 / truth.len() as f64,
            bound_holds: errors.missed_share() <= printed.missed_at_most() + 1e-9,
        }
    }
}
