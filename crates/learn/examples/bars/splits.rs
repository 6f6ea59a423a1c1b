//! APGR after training on N random outcomes of the pair, mean over 20 splits.

use crate::data::{self, MMLUPRO, Rung, Sources, ULAB, ZE};
use tierway_decide::model::Bank;
use tierway_decide::{Ladder, Predictor};
use tierway_learn::Outcome;
use tierway_learn::calibrate::{Options, calibrate, items, refit};
use tierway_learn::metrics::Curve;
use tierway_learn::split;
use tierway_learn::table::{Row, Table};

const SPLITS: u64 = 20;

pub(crate) fn run(all: &Sources) {
    println!(
        "\nAPGR after training on N random outcomes, tested on the others; mean of {SPLITS} splits (spread of the splits)"
    );
    println!(
        "{:<10} {:>6} {:>14} {:>14} {:>8} {:>8} {:>14}",
        "table", "N", "learned", "length", "CPT50", "CPT80", "calibrated"
    );
    for (name, starts, rungs) in
        [("ze", &["ze-"][..], ZE), ("ulab", &["ulab-"], ULAB), ("mmlupro", &["mmlupro-"], MMLUPRO)]
    {
        one(all, name, starts, rungs);
    }
}

fn one(all: &Sources, name: &str, starts: &[&str], rungs: &[Rung]) {
    let outcomes = data::of(all, starts);
    let ladder = data::ladder(rungs, rungs[1].0);
    let table = Table::new(&outcomes, &ladder, &[]);
    for n in [200, 1000] {
        let (mut learned, mut length, mut calibrated, mut cpt) = (vec![], vec![], vec![], [0.0; 2]);
        for seed in 0..SPLITS {
            let order = split::shuffled(table.rows.len(), seed);
            let pick = |at: &[usize]| -> Vec<&Row<'_>> { at.iter().map(|at| &table.rows[*at]).collect() };
            let (train, test) = (pick(&order[..n]), pick(&order[n..]));
            let bank = Bank::new(&refit(&table, &train, seed).heads);
            let need: Vec<f64> = test.iter().map(|row| -f64::from(bank.evaluate(&row.outcome.features)[0])).collect();
            let curve = Curve::of(&items(&table, &test, &need));
            learned.extend(curve.apgr());
            for (sum, target) in cpt.iter_mut().zip([0.5, 0.8]) {
                *sum += curve.cpt(target).unwrap_or(100.0) / SPLITS as f64;
            }
            let by_length: Vec<f64> = test.iter().map(|row| row.outcome.length as f64).collect();
            length.extend(Curve::of(&items(&table, &test, &by_length)).apgr());
            let given: Vec<Outcome> = train.iter().map(|row| row.outcome.clone()).collect();
            let by_evidence = ordered(&given, &ladder, &test);
            calibrated.extend(Curve::of(&items(&table, &test, &by_evidence)).apgr());
        }
        let (a, b, c) = (mean(&learned), mean(&length), mean(&calibrated));
        println!(
            "{name:<10} {n:>6} {:>6.3} ({:.3}) {:>6.3} ({:.3}) {:>8.1} {:>8.1} {:>6.3} ({:.3})",
            a.0, a.1, b.0, b.1, cpt[0], cpt[1], c.0, c.1
        );
    }
}

/// The order that `tierway calibrate` writes into evidence after these outcomes, as `route` and `eval` apply it to others.
fn ordered(given: &[Outcome], ladder: &Ladder, test: &[&Row<'_>]) -> Vec<f64> {
    let table = Table::new(given, ladder, &[]);
    let done = calibrate(&table, ladder, &Options::default()).expect("enough outcomes");
    let names: Vec<&str> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
    let predictor = Predictor::embedded().with_evidence(done.evidence, &names, 1).expect("own evidence");
    let score = |row: &&Row<'_>| f64::from(predictor.predict(&row.outcome.features, 2, 1).score_strong);
    test.iter().map(score).collect()
}

/// Mean and standard deviation.
pub(crate) fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
}
