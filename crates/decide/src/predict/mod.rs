//! What a request probably needs: P(answer will do) for each tier, kind of work, and how sure.
//!
//! In: [`Features`]. Out: a [`Prediction`]. What is predicted is the *gain* of a dearer tier, not difficulty: what is
//! hard for the cheap model is often hard for the dear one. Without evidence of the operator's own traffic this is a
//! prior: conservative, marked as not calibrated. It refuses to call a request without signal easy: it abstains.

mod abstain;
mod forecast;
mod prior;

use crate::{Complexity, Features, MAX_TIERS, Prediction};

/// A predictor: pure, shared, without state.
#[derive(Clone, Debug, Default)]
pub struct Predictor {}

/// One feature's part in a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The feature in words.
    pub feature: &'static str,
    /// What it adds to the log-odds that the baseline tier is needed; negative speaks for the cheapest tier.
    pub weight: f32,
}

static EMBEDDED: Predictor = Predictor {};

impl Predictor {
    /// The one in this build.
    #[must_use]
    pub const fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Predicts for a ladder of `tiers` tiers (cheapest first) whose baseline is the tier of index `baseline`.
    #[must_use]
    pub fn predict(&self, features: &Features, tiers: usize, baseline: usize) -> Prediction {
        let tiers = tiers.clamp(1, MAX_TIERS);
        let baseline = baseline.min(tiers - 1);
        let task_type = prior::task_type(features);
        let need = prior::need(features, task_type);
        let novelty = abstain::novelty(features);
        let (strong, above) = (logistic(need.strong), logistic(need.above));
        Prediction {
            p_ok: spread(strong, above, tiers, baseline),
            score_strong: strong,
            complexity: complexity(strong, above),
            task_type,
            novelty,
            abstain: abstain::why(features, novelty),
            output_tokens: forecast::output_tokens(features, task_type, tiers, baseline),
            calibrated: false,
        }
    }

    /// The strongest features behind the need for the baseline tier, strongest first, at most eight.
    #[must_use]
    pub fn explain(&self, features: &Features) -> Vec<Contribution> {
        let task_type = prior::task_type(features);
        let mut parts = prior::parts(features, task_type);
        parts.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        parts.truncate(8);
        parts
    }
}

/// Probabilities of all tiers from the two needs: for the baseline over the cheapest, for more than the baseline.
fn spread(strong: f32, above: f32, tiers: usize, baseline: usize) -> [f32; MAX_TIERS] {
    let best = 0.97;
    let base = best - 0.6 * above;
    let mut p_ok = [0.0; MAX_TIERS];
    for (tier, p) in p_ok.iter_mut().enumerate().take(tiers) {
        *p = if tier >= baseline {
            let height =
                if tiers - 1 == baseline { 0.0 } else { (tier - baseline) as f32 / (tiers - 1 - baseline) as f32 };
            base + (best - base) * height
        } else {
            let depth = (baseline - tier) as f32 / baseline as f32;
            base * (1.0 - strong * depth)
        };
    }
    p_ok
}

fn complexity(strong: f32, above: f32) -> Complexity {
    match () {
        () if above >= 0.5 => Complexity::Reasoning,
        () if strong >= 0.75 => Complexity::Complex,
        () if strong >= 0.5 => Complexity::Medium,
        () => Complexity::Simple,
    }
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
