//! The prior without evidence: kind of work, length and structure, by weights that people can read.

use super::Contribution;
use crate::{Counter, Features, TaskType};
use Counter as C;

/// Log-odds that the baseline tier is needed over the cheapest, and that a tier above the baseline is.
pub(super) struct Need {
    pub(super) strong: f32,
    pub(super) above: f32,
}

/// Weights on what [`Features::value`] gives.
type Weights = &'static [(Counter, f32)];

/// Bias and weights of each kind of work.
const TYPES: &[(TaskType, f32, Weights)] = &[
    (
        TaskType::Qa,
        0.6,
        &[
            (C::LeadFact, 0.8),
            (C::LeadWhat, 0.7),
            (C::LeadHow, 0.5),
            (C::LeadWhy, 0.8),
            (C::EndsAsking, 0.7),
            (C::OpensAsking, 0.6),
            (C::OptionLines, 0.4),
            (C::Opinion, 0.2),
        ],
    ),
    (TaskType::Summarization, -0.4, &[(C::LeadSummarise, 2.4), (C::LeadBrief, 0.2)]),
    (TaskType::Extraction, -0.6, &[(C::LeadExtract, 1.6), (C::LeadFormat, 0.5), (C::Attached, 0.2)]),
    (TaskType::Classification, -0.6, &[(C::LeadClassify, 1.7), (C::LeadBrief, 0.2)]),
    (
        TaskType::Writing,
        -0.3,
        &[(C::LeadCompose, 1.0), (C::LeadProse, 1.0), (C::LeadRework, 1.2), (C::LengthAsked, 0.2)],
    ),
    (
        TaskType::Coding,
        -0.3,
        &[
            (C::LeadCode, 0.8),
            (C::LeadProgLang, 1.3),
            (C::LeadBug, 0.5),
            (C::Fences, 1.2),
            (C::CodeLines, 0.4),
            (C::Identifiers, 0.2),
            (C::Contest, 0.2),
        ],
    ),
    (
        TaskType::Analysis,
        -0.3,
        &[
            (C::LeadMathVerb, 0.8),
            (C::LeadMathNoun, 0.7),
            (C::LeadRigor, 1.3),
            (C::LeadCompare, 0.9),
            (C::LeadPlan, 0.7),
            (C::MathSigns, 0.2),
            (C::Numbers, 0.15),
            (C::Puzzle, 0.3),
            (C::Science, 0.2),
            (C::Variables, 0.2),
        ],
    ),
    (TaskType::Translation, -0.6, &[(C::LeadTranslate, 2.2), (C::LeadNatLang, 0.9)]),
    (TaskType::Other, -0.2, &[(C::LeadGreeting, 1.2), (C::LeadPersona, 1.0), (C::Tools, 1.6), (C::LeadYou, 0.5)]),
];

/// The kind of work with the highest weight.
pub(super) fn task_type(features: &Features) -> TaskType {
    let score =
        |bias: f32, weights: &[(Counter, f32)]| bias + weights.iter().map(|(c, w)| w * features.value(*c)).sum::<f32>();
    let best = TYPES.iter().max_by(|a, b| score(a.1, a.2).total_cmp(&score(b.1, b.2)));
    best.map_or(TaskType::Other, |(task, _, _)| *task)
}

/// What the kind of work says of the need: (baseline over cheapest, above the baseline).
const fn of_type(task: TaskType) -> (f32, f32) {
    match task {
        TaskType::Coding => (0.6, -3.0),
        TaskType::Analysis => (0.8, -1.2),
        TaskType::Writing | TaskType::Summarization | TaskType::Extraction => (-0.6, -6.0),
        TaskType::Qa => (-0.5, -5.0),
        TaskType::Classification | TaskType::Translation => (-1.2, -6.0),
        TaskType::Other => (-1.0, -6.0),
    }
}

const STRONG: &[(Counter, f32)] = &[
    (C::Words, 0.22),
    (C::Depth, 0.5),
    (C::Constraint, 0.2),
    (C::Semicolons, 0.15),
    (C::Bug, 0.3),
    (C::Health, 0.4),
    (C::Law, 0.4),
    (C::Compare, 0.3),
    (C::Plan, 0.2),
    (C::Rigor, 0.8),
    (C::MathNoun, 0.25),
    (C::Contest, 0.3),
    (C::LongWords, 1.2),
    (C::Fences, 0.5),
    (C::FailureRun, 0.8),
    (C::Corrections, 0.4),
    (C::Why, 0.25),
    (C::Brief, -0.5),
    (C::Greeting, -0.6),
];

const ABOVE: &[(Counter, f32)] = &[
    (C::Rigor, 1.3),
    (C::MathVerb, 0.6),
    (C::MathNoun, 0.7),
    (C::MathSigns, 0.25),
    (C::Puzzle, 0.4),
    (C::Logic, 0.3),
    (C::Contest, 0.5),
    (C::Variables, 0.3),
    (C::Numbers, 0.15),
    (C::Science, 0.3),
    (C::Latex, 0.2),
];

fn intercept() -> f32 {
    -1.9
}

fn weigh(features: &Features, weights: &[(Counter, f32)]) -> f32 {
    weights.iter().map(|(counter, weight)| weight * features.value(*counter)).sum()
}

pub(super) fn need(features: &Features, task: TaskType) -> Need {
    let (strong, above) = of_type(task);
    let above = above + weigh(features, ABOVE) - 1.0;
    Need { strong: (intercept() + strong + weigh(features, STRONG)).max(above), above }
}

/// What each feature adds to the need for the baseline.
pub(super) fn parts(features: &Features, task: TaskType) -> Vec<Contribution> {
    let kind = Contribution { feature: "kind of work", weight: of_type(task).0 };
    let counters = STRONG
        .iter()
        .map(|(counter, weight)| Contribution { feature: counter.words(), weight: weight * features.value(*counter) });
    counters.chain([kind]).filter(|part| part.weight != 0.0).collect()
}
