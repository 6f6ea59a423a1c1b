//! The prior without evidence: the kind of work, and the tier that people would expect.
//!
//! Twelve heads, learned from prompts that were labelled by hand: nine for the kind of work, three for the tier (the
//! cheapest will do, a general model, a reasoning model). What such labels say of *these* models' scores is unknown; it is
//! the order of requests and a cautious threshold, nothing more.

use super::bank::{Bank, BankError};
use crate::{COUNTERS, Complexity, Counter, Features, MAX_TIERS, TaskType};

/// Number of heads for the kind of work; the three of the tier follow.
pub(crate) const TASKS: usize = TaskType::ALL.len();

/// P(more than the cheapest tier is expected) from which a request is held to need it. As below, too low costs more.
const STRONG_FROM: f32 = 0.36;
/// P(a reasoning tier is expected) from which a request is held to need it. Too low costs more than too high.
const ABOVE_FROM: f32 = 0.36;
/// Between these two a request is medium, above complex.
const COMPLEX_FROM: f32 = 0.75;

/// The prior.
#[derive(Debug)]
pub(super) struct Prior {
    bank: Bank,
}

/// What it says of a request.
pub(super) struct Said {
    pub(super) task_type: TaskType,
    /// P(more than the cheapest tier is expected).
    pub(super) strong: f32,
    /// P(a reasoning tier is expected).
    pub(super) above: f32,
    /// A total order by the need for the baseline.
    pub(super) score: f32,
}

impl Prior {
    /// From a bank of the twelve heads.
    pub(super) fn new(bank: Bank) -> Result<Self, BankError> {
        if bank.names().len() == TASKS + 3 { Ok(Self { bank }) } else { Err(BankError::Damaged) }
    }

    /// Without any opinion; stands in for a model file that does not fit the build.
    pub(super) fn empty() -> Self {
        Self { bank: Bank::new(&vec![super::bank::Head::default(); TASKS + 3]) }
    }

    pub(super) fn says(&self, features: &Features) -> Said {
        let (best, said) = self.bank.highest_and_others(features, TASKS);
        let [nano, standard, reasoning] = softmax([said[TASKS], said[TASKS + 1], said[TASKS + 2]]);
        let strong = standard + reasoning;
        let odds = (strong.max(1e-6) / nano.max(1e-6)).ln().clamp(-1.0, 1.0);
        let size = features.value(Counter::AskSize) + LABELS * odds;
        Said { task_type: TaskType::ALL[best], strong, above: reasoning, score: logistic(size - MIDDLE) }
    }

    /// Each counter's part in the log-odds of more than the cheapest tier, and that of the words.
    pub(super) fn parts(&self, features: &Features) -> ([f32; COUNTERS], f32) {
        let (nano, more) = (self.bank.parts(TASKS, features), self.bank.parts(TASKS + 1, features));
        let words = self.bank.gram_part(TASKS + 1, features) - self.bank.gram_part(TASKS, features);
        (std::array::from_fn(|at| more[at] - nano[at]), words)
    }
}

/// Most doublings of the length that the labels are worth in the order of requests, either way. Length is the one signal
/// that holds on most tables that nothing was learned from, and what people expect of a request says little of which models
/// differ on it: an opinion beyond "rather this than that" adds nothing. `docs/routing-quality.md` has what was measured.
const LABELS: f32 = 0.5;
/// The length, in doublings of bytes, of a request of score one half: some four hundred bytes.
const MIDDLE: f32 = 8.5;

/// Shortfall of a tier that is just not needed: the default quality target of 0.98 gives up this much.
const AT_THRESHOLD: f32 = 0.02;
/// The best tier's chance; nothing is certain.
const BEST: f32 = 0.97;

/// Chances of all tiers. The shortfall of the cheapest to the baseline, and of the baseline to the top, grows with the odds
/// that more is expected, and is that of the default target where the label's threshold lies.
pub(super) fn spread(strong: f32, above: f32, tiers: usize, baseline: usize) -> [f32; MAX_TIERS] {
    let odds = |p: f32| p.clamp(1e-4, 0.9999) / (1.0 - p.clamp(1e-4, 0.9999));
    let to_top = if baseline + 1 < tiers { (AT_THRESHOLD * odds(above) / odds(ABOVE_FROM)).min(0.4) } else { 0.0 };
    let to_baseline = (AT_THRESHOLD * odds(strong) / odds(STRONG_FROM)).min(0.5);
    let mut p_ok = [0.0; MAX_TIERS];
    for (tier, p) in p_ok.iter_mut().enumerate().take(tiers) {
        *p = BEST
            - if tier >= baseline {
                let height = (tier - baseline) as f32 / (tiers - 1 - baseline).max(1) as f32;
                to_top * (1.0 - height)
            } else {
                to_top + to_baseline * (baseline - tier) as f32 / baseline as f32
            };
    }
    p_ok
}

pub(super) fn complexity(strong: f32, above: f32) -> Complexity {
    match () {
        () if above >= ABOVE_FROM => Complexity::Reasoning,
        () if strong >= COMPLEX_FROM => Complexity::Complex,
        () if strong >= STRONG_FROM => Complexity::Medium,
        () => Complexity::Simple,
    }
}

fn softmax(scores: [f32; 3]) -> [f32; 3] {
    let most = scores.into_iter().fold(f32::MIN, f32::max);
    let powers = scores.map(|score| (score - most).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|power| power / sum)
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
