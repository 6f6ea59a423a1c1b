//! Trains the prior that is built into the binary: kind of work and expected tier, from labels by hand.
//!
//! Deterministic: the same labels and texts give the same bytes. Labels marked for testing are never trained on.

use crate::labels::{self, Labelled, Prompt, TierLabel};
use crate::logistic::{self, Softmax};
use std::collections::HashMap;
use tierway_decide::model::{Bank, Head};
use tierway_decide::{Features, TaskType};

/// Labels that come with the program: kind of work (some of texts that are not ours, by id), tiers, and our own prompts.
pub const TASK_TYPES: &str = include_str!("../labels/task_types.jsonl");
/// Our own prompts with kind of work and tier.
pub const PROMPTS: &str = include_str!("../labels/prompts.jsonl");
/// Tiers of the prompts in [`TASK_TYPES`].
pub const TIERS: &str = include_str!("../labels/tiers.jsonl");

/// Sources whose every request has one tier by what it is: contest programming, proofs and grids; facts and sentences.
const TIER_OF_SOURCE: &[(&str, u8)] = &[
    ("ze-math", 2),
    ("ze-zebra", 2),
    ("lcb-codegen", 2),
    ("ulab-math", 2),
    ("ulab-logicgrid", 2),
    ("mmlupro-theoremqa", 2),
    ("mmlupro-scibench", 2),
    ("ulab-triviaqa", 0),
    ("ulab-naturalqa", 0),
    ("ulab-commonsenseqa", 0),
    ("ulab-openbookqa", 0),
    ("ulab-arcchallenge", 0),
    ("wmt", 0),
];
/// One in so many of a source's requests is used, so that no source outweighs the labels by hand.
const ONE_IN: u64 = 20;

/// What came out.
#[derive(Debug)]
pub struct Trained {
    /// The model.
    pub bank: Bank,
    /// Prompts with a kind of work that it learned from.
    pub task_labels: usize,
    /// Prompts with a tier.
    pub tier_labels: usize,
    /// Share of the held-out labels that the kind of work was right for, with their number.
    pub task_accuracy: (f64, usize),
}

/// Trains from the labels that come with the program and the prompts of outcomes by id.
///
/// # Errors
/// A label file that cannot be read.
pub fn prior(outcomes: &HashMap<String, Prompt>) -> Result<Trained, serde_json::Error> {
    let labelled = labels::task_types(&format!("{TASK_TYPES}{PROMPTS}"), outcomes)?;
    let (train, test): (Vec<_>, Vec<_>) =
        labelled.iter().filter(|label| !label.doubtful).partition(|label| !label.test);
    let mut learned = task_heads(&train);
    let tiers = tier_rows(&labelled, outcomes)?;
    learned.extend(tier_heads(&tiers));
    let bank = Bank::new(&learned);
    let right = test.iter().filter(|label| task_of(&bank, &label.prompt.features) == label.task).count();
    Ok(Trained {
        bank,
        task_labels: train.len(),
        tier_labels: tiers.len(),
        task_accuracy: (right as f64 / test.len().max(1) as f64, test.len()),
    })
}

/// The kind of work that a bank of the prior names.
#[must_use]
pub fn task_of(bank: &Bank, features: &Features) -> TaskType {
    let said = bank.evaluate(features);
    let best = (0..TaskType::ALL.len()).max_by(|a, b| said[*a].total_cmp(&said[*b]));
    best.map_or(TaskType::Other, |best| TaskType::ALL[best])
}

/// How much of a prompt's weight its other manners have together. Heads that see every prompt in all of them learn that a
/// manner says nothing. It takes those of others, too: our own are easier, and politeness would stand for them.
const IN_OTHER_MANNERS: f32 = 0.5;

/// How the heads of the kind of work are fitted, as five folds of the labels that teach want it (`bars -- DATA tasks`).
const TASK_FIT: Softmax = Softmax { counters: 0.005, grams: 0.001, gram_size: 8.0, steps: 300 };

/// The heads of the kind of work, one for each of [`TaskType::ALL`].
#[must_use]
pub fn task_heads(train: &[&Labelled]) -> Vec<Head> {
    let rows: Vec<(&Prompt, usize)> = train.iter().map(|label| (&label.prompt, label.task as usize)).collect();
    let names = TaskType::ALL.map(|task| task.name().to_owned());
    fit(&rows, &names, &TASK_FIT)
}

/// One head for each class. A prompt as it came and in its other manners count as one.
fn fit(rows: &[(&Prompt, usize)], names: &[String], how: &Softmax) -> Vec<Head> {
    let (mut features, mut class, mut weight) = (Vec::new(), Vec::new(), Vec::new());
    for (prompt, own) in rows {
        let others = prompt.otherwise.len();
        let share = if others == 0 { 0.0 } else { IN_OTHER_MANNERS };
        features.push(&prompt.features);
        weight.push(1.0 - share);
        features.extend(&prompt.otherwise);
        weight.extend(vec![share / others.max(1) as f32; others]);
        class.extend(vec![*own; 1 + others]);
    }
    logistic::fit(&features, &class, &weight, names, how)
}

/// A prompt with the tier that is expected of it.
#[derive(Clone, Copy, Debug)]
pub struct TierRow<'a> {
    /// Its name.
    pub id: &'a str,
    /// The prompt as numbers.
    pub prompt: &'a Prompt,
    /// 0 the cheapest, 1 a general model, 2 a reasoning model.
    pub level: usize,
}

/// Prompts with a tier: by hand, or by what their source is.
///
/// # Errors
/// A label that cannot be read.
pub fn tier_rows<'a>(
    labelled: &'a [Labelled],
    outcomes: &'a HashMap<String, Prompt>,
) -> Result<Vec<TierRow<'a>>, serde_json::Error> {
    let by_id: HashMap<&str, &Labelled> =
        labelled.iter().filter(|label| !label.test).map(|label| (label.id.as_str(), label)).collect();
    let mut rows = Vec::new();
    for line in TIERS.lines().chain(PROMPTS.lines()) {
        let own: TierLabel = serde_json::from_str(line)?;
        rows.extend(by_id.get(own.id.as_str()).map(|label| TierRow {
            id: &label.id,
            prompt: &label.prompt,
            level: usize::from(own.level()),
        }));
    }
    let mut ids: Vec<&String> = outcomes.keys().collect();
    ids.sort();
    for id in ids {
        let source = TIER_OF_SOURCE.iter().find(|(source, _)| id.starts_with(source));
        if let Some((_, level)) = source
            && crate::split::hash(id).is_multiple_of(ONE_IN)
        {
            rows.push(TierRow { id, prompt: &outcomes[id], level: usize::from(*level) });
        }
    }
    Ok(rows)
}

/// The heads of the tier, one for each level.
#[must_use]
pub fn tier_heads(rows: &[TierRow<'_>]) -> Vec<Head> {
    let rows: Vec<(&Prompt, usize)> = rows.iter().map(|row| (row.prompt, row.level)).collect();
    let names = ["tier:cheapest", "tier:general", "tier:reasoning"].map(str::to_owned);
    fit(&rows, &names, &Softmax::default())
}
