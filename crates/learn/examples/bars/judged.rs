//! How often a promise is broken in truth that was proven on the word of a judge who errs, with and without its errors taken
//! out.
//!
//! Of the tables' scores only which of two answers is better is kept: that is the truth, as the log of a router has it. As in
//! `promise`, the rows of the proof are drawn with replacement from all that did not teach, and these are the truth. A judge
//! looks twice at each row that teaches or proves, as often as it was drawn, and each look says, with a chance of one in ten,
//! one of the two other words. A second judge errs like the first, and calls four losses in ten a tie in both looks besides: that errors
//! are as frequent either way is taken for granted nowhere. People check some of the same rows in the order in which the review
//! page shows them: split ones first.

use crate::data::{self, MMLUPRO, Rung, Sources, ULAB, ZE};
use crate::promise::share;
use std::collections::BTreeMap;
use tierway_decide::quality::{CellKey, Comparison, JudgeRates, Judged, Kind, Preference};
use tierway_decide::stats::each_of_two;
use tierway_decide::{Chance, Ladder, Prediction, Predictor, TaskType, Usd};
use tierway_learn::calibrate::{Learned, Options, choices, learn, prove};
use tierway_learn::split;
use tierway_learn::table::{Row, Table};
use tierway_learn::{Answer, Outcome};

const TEACH: usize = 400;
const PROVE: usize = 800;
const CHECKS: usize = 400;
const WRONG: f64 = 0.1;
/// Share of losses that the second judge does not see, however often it looks.
const BLIND: f64 = 0.4;
const QUALITIES: [f64; 3] = [0.95, 0.90, 0.85];

pub(crate) fn run(all: &Sources, splits: u64, mix: Option<&str>) {
    println!(
        "\npromise about the truth at 95 %, a judge wrong in {} % of its looks, or that is and blind to some losses: {splits} random splits, {TEACH} rows teach, {PROVE} prove, people check {CHECKS}",
        100.0 * WRONG
    );
    println!(
        "{:<10} {:>6} {:>7} {:<13} {:>7} {:>22} {:>10} {:>8} {:>12}",
        "mix", "blind", "quality", "errors", "proven", "broken", "kept", "below", "rates hold"
    );
    for (name, starts, rungs, baseline) in [
        ("ze", &["ze-"][..], ZE, "reasoning"),
        ("ulab", &["ulab-"], ULAB, "standard"),
        ("mmlupro", &["mmlupro-"], MMLUPRO, "standard"),
    ] {
        if mix.is_some_and(|mix| mix != name) {
            continue;
        }
        for blind in [0.0, BLIND] {
            one(all, (name, starts), (rungs, baseline), blind, splits);
        }
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

fn one(all: &Sources, (name, starts): (&str, &[&str]), (rungs, baseline): (&[Rung], &str), blind: f64, splits: u64) {
    let models = [rungs[0].1[0], rungs[1].1[0]];
    let truth = worded(&data::of(all, starts), models);
    let ladder = data::ladder(rungs, baseline);
    let names: Vec<&str> = rungs.iter().map(|rung| rung.0).collect();
    let words: Vec<Preference> = truth.iter().filter_map(|outcome| word(outcome, models)).collect();
    let true_table = Table::new(&truth, &ladder, &[]);
    let mut tallies = [[Tally::default(); QUALITIES.len()]; 2];
    let mut rates_hold = 0;
    for seed in 0..splits {
        let order = split::shuffled(truth.len(), seed + 1000);
        let (teach, pool) = order.split_at(TEACH);
        let mut chance = Chance::new(seed + 77_000);
        let proof = (0..PROVE).map(|_| pool[chance.up_to(pool.len() as u64 - 1) as usize]);
        let rows: Vec<usize> = teach.iter().copied().chain(proof).collect();
        let looks: Vec<[Preference; 2]> = rows.iter().map(|row| looks(words[*row], blind, &mut chance)).collect();
        let judged: Vec<Outcome> = (0..rows.len()).map(|at| said(&truth[rows[at]], at, models, &looks[at])).collect();
        let table = Table::new(&judged, &ladder, &[]);
        let learned = learn(&table, (0..TEACH).collect(), seed);
        let rates = checked(rows.iter().map(|row| words[*row]).zip(looks).collect());
        rates_hold += u32::from(within(&rates, blind));
        for (tallies, judge) in tallies.iter_mut().zip([None, Some(rates)]) {
            let table = Table { judge, ..table.clone() };
            for (tally, quality) in tallies.iter_mut().zip(QUALITIES) {
                let options = Options { quality, seed, ..Options::default() };
                let (proven, kept, below) = play((&table, &true_table), &ladder, &names, &learned, &options, pool);
                tally.proven += u32::from(proven);
                tally.broken += u32::from(kept < quality - 1e-9);
                tally.kept += kept / splits as f64;
                tally.below += below / splits as f64;
            }
        }
    }
    for (errors, tallies) in ["left in", "taken out"].into_iter().zip(tallies) {
        for (quality, tally) in QUALITIES.into_iter().zip(tallies) {
            println!(
                "{name:<10} {blind:>6} {quality:>7} {errors:<13} {:>7} {:>22} {:>8.2} % {:>6.1} % {:>10.1} %",
                tally.proven,
                share(tally.broken, splits),
                100.0 * tally.kept,
                100.0 * tally.below,
                100.0 * f64::from(rates_hold) / splits as f64
            );
        }
    }
}

/// Outcomes with the scores that a truthful look would give both answers.
fn worded(outcomes: &[Outcome], models: [&str; 2]) -> Vec<Outcome> {
    let scored = |outcome: &Outcome| {
        let word = word(outcome, models)?;
        Some(with_scores(outcome, models, scores(&[word, word])))
    };
    outcomes.iter().filter_map(scored).collect()
}

/// Which of both answers is better.
fn word(outcome: &Outcome, models: [&str; 2]) -> Option<Preference> {
    let [cheap, baseline] = [outcome.answers.get(models[0])?.score, outcome.answers.get(models[1])?.score];
    Some(match cheap.total_cmp(&baseline) {
        std::cmp::Ordering::Less => Preference::Baseline,
        std::cmp::Ordering::Equal => Preference::Tie,
        std::cmp::Ordering::Greater => Preference::Cheap,
    })
}

/// Scores of both answers by these looks, as `calibrate --from-log` has them.
fn scores(looks: &[Preference; 2]) -> [f32; 2] {
    let without = |word: Preference| looks.iter().filter(|look| **look != word).count() as f32 / 2.0;
    [without(Preference::Baseline), without(Preference::Cheap)]
}

fn with_scores(outcome: &Outcome, models: [&str; 2], scores: [f32; 2]) -> Outcome {
    let answer = |(model, score): (&str, f32)| (model.to_owned(), Answer { score, ..outcome.answers[model] });
    let answers: BTreeMap<String, Answer> = models.into_iter().zip(scores).map(answer).collect();
    Outcome { answers, ..outcome.clone() }
}

/// Both looks of a judge who takes a share of the losses for ties.
fn looks(truth: Preference, blind: f64, chance: &mut Chance) -> [Preference; 2] {
    let unseen = blind > 0.0 && truth == Preference::Baseline && chance.share() <= blind;
    [(); 2].map(|()| look(if unseen { Preference::Tie } else { truth }, chance))
}

/// One look.
fn look(truth: Preference, chance: &mut Chance) -> Preference {
    let others: Vec<Preference> = Preference::ALL.into_iter().filter(|word| *word != truth).collect();
    if chance.share() <= WRONG { others[chance.up_to(1) as usize] } else { truth }
}

/// An outcome as the judge scores it, under a name of its own.
fn said(outcome: &Outcome, at: usize, models: [&str; 2], looks: &[Preference; 2]) -> Outcome {
    Outcome { id: format!("{at} {}", outcome.id), by_judge: true, ..with_scores(outcome, models, scores(looks)) }
}

/// What people tell who look at some of these pairs of truth and looks, split ones first.
fn checked(mut pairs: Vec<(Preference, [Preference; 2])>) -> JudgeRates {
    let step = |word: Preference| Preference::ALL.iter().position(|own| *own == word).unwrap_or(0);
    pairs.sort_by_key(|(_, [one, other])| std::cmp::Reverse(step(*one).abs_diff(step(*other))));
    let verdict = |(at, (truth, [one, other])): (usize, (Preference, [Preference; 2]))| Judged {
        at_ms: 0,
        kind: Kind::Down,
        cell: CellKey { task_type: TaskType::Qa, tier: "nano".into() },
        comparison: Comparison { one, other },
        certain: false,
        person: (at < CHECKS).then_some(truth),
        weight: 1.0,
        cost: Usd::ZERO,
    };
    let verdicts: Vec<Judged> = pairs.into_iter().enumerate().map(verdict).collect();
    JudgeRates::learn(&verdicts, each_of_two(0.95)).expect("enough checks")
}

/// Whether the rates with which the looks were drawn lie in the intervals.
fn within(rates: &JudgeRates, blind: f64) -> bool {
    let found = (1.0 - blind) * (1.0 - WRONG) + blind * WRONG / 2.0;
    [(rates.found_losses, found), (rates.false_losses, WRONG / 2.0), (rates.false_wins, WRONG / 2.0)]
        .iter()
        .all(|(interval, rate)| interval.low <= *rate && *rate <= interval.high)
}

/// Whether it was proven, and what it then kept in truth and sent below the baseline.
fn play(
    (table, truth): (&Table<'_>, &Table<'_>),
    ladder: &Ladder,
    names: &[&str],
    learned: &Learned,
    options: &Options,
    pool: &[usize],
) -> (bool, f64, f64) {
    let proof = (TEACH..TEACH + PROVE).collect();
    let done = prove(table, ladder, options, learned, proof).expect("own evidence");
    let proven = done.evidence.promise.max_shortfall.is_some();
    let base = table.baseline;
    let predictor = Predictor::embedded().with_evidence(done.evidence, names, base).expect("own evidence");
    let rows: Vec<&Row<'_>> = pool.iter().map(|at| &truth.rows[*at]).collect();
    let predict = |row: &&Row<'_>| predictor.predict(&row.outcome.features, table.tiers, base);
    let predictions: Vec<Prediction> = rows.iter().map(predict).collect();
    let tiers = choices(ladder, &rows, &predictions, predictor.proven_shortfall().unwrap_or(-1.0));
    let score = |of: &dyn Fn(usize) -> usize| -> f64 { (0..rows.len()).map(|at| rows[at].tiers[of(at)].score).sum() };
    let below = tiers.iter().filter(|tier| **tier < base).count() as f64 / rows.len() as f64;
    (proven, score(&|at| tiers[at]) / score(&|_| base), below)
}
