//! How many tokens an answer will have.

use crate::{Counter, Features, MAX_TIERS, TaskType};

/// Typical visible output by kind of work, tokens.
const VISIBLE: [(TaskType, f32); 9] = [
    (TaskType::Qa, 220.0),
    (TaskType::Summarization, 200.0),
    (TaskType::Extraction, 160.0),
    (TaskType::Classification, 30.0),
    (TaskType::Writing, 500.0),
    (TaskType::Coding, 550.0),
    (TaskType::Analysis, 600.0),
    (TaskType::Translation, 150.0),
    (TaskType::Other, 120.0),
];

/// Hidden reasoning of the tiers above the baseline, as a multiple of what is visible.
const HIDDEN: f32 = 2.0;

/// Expected output tokens for each tier. Tiers above the baseline are taken to reason.
pub(super) fn output_tokens(features: &Features, task: TaskType, tiers: usize, baseline: usize) -> [f32; MAX_TIERS] {
    let ask = features.value(Counter::AskSize).exp2() / 4.0;
    let by_type = VISIBLE.iter().find(|(kind, _)| *kind == task).map_or(300.0, |(_, tokens)| *tokens);
    let visible = match task {
        TaskType::Translation => ask.clamp(20.0, 4000.0),
        TaskType::Summarization => (ask / 4.0).clamp(60.0, 600.0),
        _ => by_type,
    };
    let limit = match features.value(Counter::MaxOutput).exp2() - 1.0 {
        limit if limit >= 1.0 => limit,
        _ => f32::INFINITY,
    };
    let mut tokens = [0.0; MAX_TIERS];
    for (tier, tokens) in tokens.iter_mut().enumerate().take(tiers) {
        let hidden = if tier > baseline { HIDDEN * visible } else { 0.0 };
        *tokens = (visible + hidden).min(limit);
    }
    tokens
}
