//! Without evidence: the built-in prior, prompt length, and heads learned from all *other* sources of the same pair.

use crate::data::{self, MMLUPRO, Rung, Sources, TUTORIAL, ULAB, ZE};
use tierway_decide::Predictor;
use tierway_decide::stats::bootstrap;
use tierway_learn::calibrate::items;
use tierway_learn::metrics::Curve;
use tierway_learn::order::out_of_fold;
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
    println!(
        "{:<20} {:>5} {:>7} {:>21} {:>21} {:>23} {:>21}",
        "source", "n", "gap", "prior", "prompt length", "prior less length", "others"
    );
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
        let part = |drawn: &[usize], need: &[f64]| -> Option<f64> {
            let part: Vec<&Row<'_>> = drawn.iter().map(|at| rows[own[*at]]).collect();
            let need: Vec<f64> = drawn.iter().map(|at| need[own[*at]]).collect();
            Curve::of(&items(&table, &part, &need)).apgr()
        };
        let figure = |of: &dyn Fn(&[usize]) -> Option<f64>| {
            let value = of(&(0..own.len()).collect::<Vec<_>>());
            match (value, bootstrap(own.len(), ROUNDS, 0.95, 1, of)) {
                (Some(value), Some((low, high))) => format!("{value:.3} [{low:.2}, {high:.2}]"),
                _ => "-".to_owned(),
            }
        };
        let gap = |drawn: &[usize]| {
            let gain = |at: &usize| rows[own[*at]].tiers[1].score - rows[own[*at]].tiers[0].score;
            Some(100.0 * drawn.iter().map(gain).sum::<f64>() / drawn.len() as f64)
        };
        let (whole, least) = (gap(&(0..own.len()).collect::<Vec<_>>()), bootstrap(own.len(), ROUNDS, 0.95, 1, gap));
        print!("{name:<20} {:>5} {:>7.1}", own.len(), whole.unwrap_or_default());
        if least.is_none_or(|(low, _)| low <= 0.0) {
            println!("   no gap beyond its noise: a share of it says nothing");
            return;
        }
        let more = |drawn: &[usize]| Some(part(drawn, &by_prior)? - part(drawn, &by_length)?);
        println!(
            " {:>21} {:>21} {:>23} {:>21}",
            figure(&|drawn| part(drawn, &by_prior)),
            figure(&|drawn| part(drawn, &by_length)),
            figure(&more),
            by_others.as_ref().map_or("-".to_owned(), |need| figure(&|drawn| part(drawn, need))),
        );
    };
    for (at, name) in names.iter().enumerate() {
        show(name, &(0..rows.len()).filter(|row| fold_of[*row] == at).collect::<Vec<_>>());
    }
    if names.len() > 1 {
        show(&format!("all of {}", starts.join(", ")), &(0..rows.len()).collect::<Vec<_>>());
    }
}
