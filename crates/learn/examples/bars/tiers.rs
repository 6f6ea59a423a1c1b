//! The tier that people expect, cross-validated over the labels that teach: what its recipe is chosen by, so that the bundled
//! prompts and the manners of `robust` need not be.

use crate::robust::look;
use std::collections::HashMap;
use tierway_decide::Predictor;
use tierway_decide::model::{Bank, Head};
use tierway_decide::{Features, TaskType};
use tierway_learn::labels::{self, Prompt};
use tierway_learn::split;
use tierway_learn::train::{self, TierRow};

const FOLDS: usize = 5;

/// What was said of a prompt by heads that did not learn from it: of it as it came, and of its other manners.
struct Said {
    level: usize,
    own: usize,
    others: Vec<usize>,
}

pub(crate) fn run(prompts: &HashMap<String, Prompt>) {
    let labelled = labels::task_types(&format!("{}{}", train::TASK_TYPES, train::PROMPTS), prompts).expect("labels");
    let rows = train::tier_rows(&labelled, prompts).expect("labels");
    println!("\ntier: {FOLDS} folds of the {} labels that teach", rows.len());
    println!(
        "{:<24} {:>8} {:>8} {:>8} {:>8} {:>18} {:>18}",
        "", "prompts", "right", "too low", "too high", "politeness moves", "a claim moves"
    );
    let said = out_of_fold(&rows);
    let all: Vec<&Said> = said.iter().collect();
    show("all", &all);
    let mine = |own: bool| {
        rows.iter().zip(&said).filter(|(row, _)| is_own(row.id) == own).map(|(_, said)| said).collect::<Vec<_>>()
    };
    show("our own", &mine(true));
    show("others", &mine(false));
}

fn is_own(id: &str) -> bool {
    id.len() == 5 && id[1..].bytes().all(|byte| byte.is_ascii_digit())
}

fn out_of_fold(rows: &[TierRow<'_>]) -> Vec<Said> {
    let fold = |row: &TierRow<'_>| (split::hash(row.id) >> 7) as usize % FOLDS;
    let mut said: Vec<Said> = rows.iter().map(|row| Said { level: row.level, own: 0, others: Vec::new() }).collect();
    for held in 0..FOLDS {
        let teach: Vec<TierRow<'_>> = rows.iter().filter(|row| fold(row) != held).copied().collect();
        let mut heads = vec![Head::default(); TaskType::ALL.len()];
        heads.extend(train::tier_heads(&teach));
        let predictor = Predictor::from_model(&Bank::new(&heads).to_bytes()).expect("own model");
        let tier = |features: &Features| look(&predictor, features).0;
        for (said, row) in said.iter_mut().zip(rows).filter(|(_, row)| fold(row) == held) {
            said.own = tier(&row.prompt.features);
            said.others = row.prompt.otherwise.iter().map(tier).collect();
        }
    }
    said
}

fn show(name: &str, said: &[&Said]) {
    let share = |of: &dyn Fn(&Said) -> bool| {
        100.0 * said.iter().filter(|said| of(said)).count() as f64 / said.len().max(1) as f64
    };
    let moves = |manner: usize| {
        let heard: Vec<(usize, usize)> =
            said.iter().filter_map(|said| Some((said.own, *said.others.get(manner)?))).collect();
        let share = |of: &dyn Fn(&(usize, usize)) -> bool| {
            100.0 * heard.iter().filter(|said| of(said)).count() as f64 / heard.len().max(1) as f64
        };
        format!("{:.1} ({:.1} down)", share(&|(own, other)| own != other), share(&|(own, other)| other < own))
    };
    println!(
        "{name:<24} {:>8} {:>8.1} {:>8.1} {:>8.1} {:>18} {:>18}",
        said.len(),
        share(&|said| said.own == said.level),
        share(&|said| said.own < said.level),
        share(&|said| said.own > said.level),
        moves(0),
        moves(1),
    );
}
