//! Without evidence: the built-in prior, prompt length, and heads learned from all *other* sources of the same pair.

use crate::data::{self, MMLUPRO, Rung, Sources, TUTORIAL, ULAB, ZE};
use tierway_decide::Predictor;
use tierway_learn::calibrate::{items, out_of_fold};
use tierway_learn::metrics::Curve;
use tierway_learn::table::{Row, Table};

const BBH: &[Rung] =
    &[("nano", &["code-davinci-002-direct"], 1.0, 1.0), ("standard", &["code-davinci-002-cot"], 4.0, 4.0)];
const ARENA: &[Rung] =
    &[("nano", &["Mixtral-8x7B-Instruct-v0.1"], 0.24, 0.24), ("standard", &["gpt-4-1106-preview"], 10.0, 30.0)];
const LEVAL: &[Rung] =
    &[("nano", &["gpt-3.5-turbo-16k-0613"], 1.0, 1.0), ("standard", &["gpt-4-32k-0613"], 30.0, 60.0)];

const ROUNDS: usize = 200;

pub(crate) fn run(all: &Sources) {
    println!("\nwithout evidence: APGR [95 %] by source; `others` learned from the other sources of the same pair");
    println!("{:<20} {:>5} {:>7} {:>22} {:>22} {:>22}", "source", "n", "gap", "prior", "prompt length", "others");
    for (starts, rungs) in [
        (&["ze-"][..], ZE),
        (&["ulab-"], ULAB),
        (&["mmlupro-"], MMLUPRO),
        (&["bfcl1"], &TUTORIAL[..2]),
        (&["bbh"], BBH),
        (&["arena"], ARENA),
        (&["leval-mc"], LEVAL),
    ] {
        one(all, starts, rungs);
    }
}

fn one(all: &Sources, starts: &[&str], rungs: &[Rung]) {
    let outcomes = data::of(all, starts);
    let ladder = data::ladder(rungs, rungs[1].0);
    let table = Table::new(&outcomes, &ladder, &[]);
    let rows: Vec<&Row<'_>> = table.rows.iter().collect();
    let mut names: Vec<&str> = rows.iter().map(|row| row.outcome.source.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let fold_of: Vec<usize> =
        rows.iter().map(|row| names.binary_search(&row.outcome.source.as_str()).expect("a known source")).collect();
    let prior = |row: &&Row<'_>| f64::from(Predictor::embedded().predict(&row.outcome.features, 2, 1).score_strong);
    let by_prior: Vec<f64> = rows.iter().map(prior).collect();
    let by_length: Vec<f64> = rows.iter().map(|row| row.outcome.length as f64).collect();
    let by_others = (names.len() > 1).then(|| out_of_fold(&table, &rows, &fold_of, names.len(), 1));
    let show = |name: &str, own: &[usize]| {
        let figure = |need: &[f64]| {
            let apgr = |drawn: &[usize]| {
                let part: Vec<&Row<'_>> = drawn.iter().map(|at| rows[own[*at]]).collect();
                let need: Vec<f64> = drawn.iter().map(|at| need[own[*at]]).collect();
                Curve::of(&items(&table, &part, &need)).apgr()
            };
            let value = apgr(&(0..own.len()).collect::<Vec<_>>());
            let interval = tierway_decide::stats::bootstrap(own.len(), ROUNDS, 0.95, 1, apgr);
            match (value, interval) {
                (Some(value), Some((low, high))) => format!("{value:.3} [{low:.2}, {high:.2}]"),
                _ => "no gap".to_owned(),
            }
        };
        let gap = own.iter().map(|at| rows[*at].tiers[1].score - rows[*at].tiers[0].score).sum::<f64>();
        println!(
            "{name:<20} {:>5} {:>7.1} {:>22} {:>22} {:>22}",
            own.len(),
            100.0 * gap / own.len() as f64,
            figure(&by_prior),
            figure(&by_length),
            by_others.as_ref().map_or("-".to_owned(), |need| figure(need)),
        );
    };
    for (at, name) in names.iter().enumerate() {
        show(name, &(0..rows.len()).filter(|row| fold_of[*row] == at).collect::<Vec<_>>());
    }
    if names.len() > 1 {
        show(&format!("all of {}", starts.join(", ")), &(0..rows.len()).collect::<Vec<_>>());
    }
}
