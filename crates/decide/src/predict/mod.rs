//! What a request probably needs: P(answer will do) for each tier, kind of work, and how sure.
//!
//! In: [`Features`]. Out: a [`Prediction`]. With [evidence](crate::evidence) of the operator's own traffic the scores of the
//! routed models are predicted: their *gain*, not difficulty, because what is hard for the cheap model is often hard for
//! the dear one. Without it there is only a prior, learned from labels by hand: marked as not calibrated.
//! It refuses to call a request without signal easy: it abstains.

mod abstain;
pub mod bank;
mod forecast;
mod prior;

use crate::evidence::{Evidence, EvidenceError, Loaded};
use crate::{Complexity, Counter, Features, MAX_TIERS, Prediction};
use bank::{Bank, BankError};
use prior::Prior;
use std::sync::{Arc, LazyLock};

/// A predictor: pure and shared; cheap to clone.
#[derive(Clone, Debug)]
pub struct Predictor {
    prior: Arc<Prior>,
    evidence: Option<Arc<Loaded>>,
}

/// One feature's part in a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The feature in words.
    pub feature: &'static str,
    /// What it adds to the need for the baseline tier over the cheapest: log-odds without evidence, score with it.
    /// Negative speaks for the cheapest tier.
    pub weight: f32,
}

static MODEL: &[u8] = include_bytes!("../../model/prior.bin");

static EMBEDDED: LazyLock<Predictor> = LazyLock::new(|| {
    let prior = Bank::from_static(MODEL).and_then(Prior::new).unwrap_or_else(|_| Prior::empty());
    Predictor { prior: Arc::new(prior), evidence: None }
});

impl Predictor {
    /// The one in this build.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// One from the bytes of a model file.
    ///
    /// # Errors
    /// Not a model, damaged, or made by another version.
    pub fn from_model(bytes: &[u8]) -> Result<Self, BankError> {
        let prior = Prior::new(Bank::from_bytes(bytes)?)?;
        Ok(Self { prior: Arc::new(prior), evidence: None })
    }

    /// This one with evidence, for a ladder of tiers with these names whose baseline has this index.
    ///
    /// # Errors
    /// Evidence for another ladder, or damaged.
    pub fn with_evidence(&self, evidence: Evidence, names: &[&str], baseline: usize) -> Result<Self, EvidenceError> {
        let loaded = evidence.load(names, baseline)?;
        Ok(Self { prior: Arc::clone(&self.prior), evidence: Some(Arc::new(loaded)) })
    }

    /// The evidence it predicts with.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_deref().map(|loaded| &loaded.evidence)
    }

    /// The largest shortfall to the best tier that was proven to keep the promise. With evidence that proves nothing it is
    /// below 0: no tier is good enough, everything goes to the baseline. None without evidence.
    #[must_use]
    pub fn proven_shortfall(&self) -> Option<f32> {
        self.evidence().map(|evidence| evidence.promise.max_shortfall.unwrap_or(-1.0))
    }

    /// Predicts for a ladder of `tiers` tiers (cheapest first) whose baseline is the tier of index `baseline`.
    #[must_use]
    pub fn predict(&self, features: &Features, tiers: usize, baseline: usize) -> Prediction {
        let tiers = tiers.clamp(1, MAX_TIERS);
        let baseline = baseline.min(tiers - 1);
        let said = self.prior.says(features);
        let novelty = abstain::novelty(features);
        let cold = Prediction {
            p_ok: prior::spread(said.strong, said.above, tiers, baseline),
            score_strong: said.score,
            complexity: prior::complexity(said.strong, said.above),
            task_type: said.task_type,
            novelty,
            abstain: abstain::why(features, novelty),
            output_tokens: forecast::output_tokens(features, said.task_type, tiers, baseline),
            calibrated: false,
        };
        match &self.evidence {
            Some(loaded) if loaded.evidence.tiers.len() == tiers => calibrated(loaded, features, baseline, cold),
            _ => cold,
        }
    }

    /// The strongest features behind the need for the baseline tier, strongest first, at most eight.
    #[must_use]
    pub fn explain(&self, features: &Features) -> Vec<Contribution> {
        let (counters, words) = match &self.evidence {
            Some(loaded) => loaded.parts(features),
            None => self.prior.parts(features),
        };
        let named = Counter::ALL.iter().zip(counters);
        let mut parts: Vec<_> = named.map(|(c, weight)| Contribution { feature: c.words(), weight }).collect();
        parts.push(Contribution { feature: "its words", weight: words });
        parts.retain(|part| part.weight != 0.0);
        parts.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        parts.truncate(8);
        parts
    }
}

/// From the gain of the baseline over the cheapest tier to a score from 0 to 1. Weights that run over say nothing: doubt goes
/// to the baseline.
fn score_strong(need: f32) -> f32 {
    if need.is_nan() { 1.0 } else { (0.5 + 0.5 * need).clamp(0.0, 1.0) }
}

/// The prediction by evidence. Complexity stays derived from the chances: of the cheapest tier, and of more than the
/// baseline.
fn calibrated(loaded: &Loaded, features: &Features, baseline: usize, cold: Prediction) -> Prediction {
    let (p_ok, need) = loaded.p_ok_and_need(features);
    let novelty = loaded.novelty(features);
    let bearable = loaded.evidence.promise.max_shortfall.unwrap_or(0.0).max(0.02);
    let best = p_ok.iter().copied().fold(0.0, f32::max);
    let complexity = match () {
        () if best - p_ok[baseline] > bearable => Complexity::Reasoning,
        () if p_ok[baseline] - p_ok[0] > 3.0 * bearable => Complexity::Complex,
        () if p_ok[baseline] - p_ok[0] > bearable => Complexity::Medium,
        () => Complexity::Simple,
    };
    let unfamiliar = (novelty > 1.0).then_some(crate::Abstain::Unfamiliar);
    Prediction {
        p_ok,
        score_strong: score_strong(need),
        complexity,
        novelty,
        abstain: cold.abstain.filter(|why| *why == crate::Abstain::NoAsk).or(unfamiliar),
        output_tokens: loaded.output_tokens(cold.task_type),
        calibrated: true,
        ..cold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_between_0_and_1_whatever_the_weights() {
        for (need, want) in [
            (-3.0, 0.0),
            (-0.5, 0.25),
            (0.0, 0.5),
            (3.0, 1.0),
            (f32::INFINITY, 1.0),
            (f32::NEG_INFINITY, 0.0),
            (f32::NAN, 1.0),
        ] {
            assert_eq!(score_strong(need), want, "{need}");
        }
    }
}
