//! What calibration learned and proved on the operator's own outcomes.
//!
//! In: the JSON that `tierway calibrate` writes. Out: heads that predict each tier's score, and the largest shortfall that
//! the promise was proven for. It refuses evidence for another ladder: scores of other models say nothing of these.

use crate::model::{Bank, BankError};
use crate::quality::JudgeRates;
use crate::{Features, Ladder, MAX_TIERS, TaskType, base64};
use serde::{Deserialize, Serialize};

/// The format that this build writes and reads.
pub const EVIDENCE_VERSION: u32 = 1;

/// What calibration writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`EVIDENCE_VERSION`].
    pub version: u32,
    /// The ladder it was made for, cheapest first.
    pub tiers: Vec<EvidenceTier>,
    /// Name of the baseline tier.
    pub baseline: String,
    /// What was promised and found.
    pub promise: Promise,
    /// Outcomes that the heads learned from.
    pub trained_on: usize,
    /// Other outcomes that the promise was proven on.
    pub proven_on: usize,
    /// Outcomes that the head of the order learned from, those of the proof included; 0 without one.
    #[serde(default)]
    pub ordered_on: usize,
    /// Mean output tokens, reasoning included: a row for each tier, a column for each kind of work.
    pub output_tokens: Vec<Vec<f32>>,
    /// Share of unknown words above which a request is unfamiliar.
    pub unfamiliar: f32,
    /// The heads, as base64 of a model's bytes.
    pub heads: String,
    /// Which n-grams were seen, one bit each, as base64.
    pub seen: String,
}

/// One tier of the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceTier {
    /// Its name.
    pub name: String,
    /// The models whose scores stand for it.
    pub models: Vec<String>,
}

/// The promise and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// Share of the baseline's quality that is kept.
    pub quality: f64,
    /// The chance that the proof holds.
    pub confidence: f64,
    /// The largest shortfall to the best tier that the proof holds for; none when nothing could be proven.
    pub max_shortfall: Option<f32>,
    /// Estimates on the outcomes of the proof: quality kept and share saved, each with its interval.
    pub quality_kept: Option<Estimate>,
    /// Share of the baseline's bill that was saved.
    pub saved: Option<Estimate>,
    /// How it was tested, in words.
    pub test: String,
    /// What was taken out of scores that a judge gave; none where they were taken as they are: then the judge's opinion was
    /// proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
}

/// A judge's errors, taken out of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    /// How often it errs, from how many checks by people.
    pub rates: JudgeRates,
    /// Quality kept by the judge's own word; what is left of it without the errors is [`Promise::quality_kept`].
    pub quality_kept_as_judged: Estimate,
}

/// A figure with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Evidence that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not the JSON that calibration writes.
    #[error("not evidence of `tierway calibrate`: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format.
    #[error("the evidence has version {0}, this build reads {EVIDENCE_VERSION}: run `tierway calibrate` again")]
    Version(u32),
    /// Made for another ladder.
    #[error("the evidence was made for the tiers {made_for}, the config has {have}: run `tierway calibrate` again")]
    Ladder {
        /// Names in the evidence.
        made_for: String,
        /// Names in the config.
        have: String,
    },
    /// Made for other models: their scores say nothing of these.
    #[error(
        "the evidence was made for {made_for} as tier `{tier}`, the config has {have}: run `tierway calibrate` again, or leave `evidence` out"
    )]
    Models {
        /// The tier.
        tier: String,
        /// Models in the evidence.
        made_for: String,
        /// Models in the config.
        have: String,
    },
    /// Its heads are damaged or of another version.
    #[error("the heads of the evidence: {0}")]
    Heads(#[from] BankError),
    /// A part is not what it should be.
    #[error("the evidence is damaged: {0}")]
    Damaged(&'static str),
}

/// Evidence, ready to predict with.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) evidence: Evidence,
    bank: Bank,
    seen: Vec<u8>,
    baseline: usize,
}

impl Evidence {
    /// Reads what calibration wrote.
    ///
    /// # Errors
    /// Not evidence, or of another version.
    pub fn parse(json: &str) -> Result<Self, EvidenceError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_str(json)?;
        if version != EVIDENCE_VERSION {
            return Err(EvidenceError::Version(version));
        }
        Ok(serde_json::from_str(json)?)
    }

    /// Packs heads and seen n-grams into it.
    #[must_use]
    pub fn with_heads(mut self, bank: &Bank, seen: &[u8]) -> Self {
        self.heads = base64::encode(&bank.to_bytes());
        self.seen = base64::encode(seen);
        self
    }

    /// Puts in place of its heads the same ones with one more behind them, for the order of requests
    /// ([`crate::Prediction::score_strong`]), which learned from so many outcomes. It decides nothing, so that those of the
    /// proof may be among them.
    #[must_use]
    pub fn with_order(mut self, bank: &Bank, outcomes: usize) -> Self {
        self.heads = base64::encode(&bank.to_bytes());
        self.ordered_on = outcomes;
        self
    }

    /// Whether it speaks of the models of this ladder: a tier may have got another target beside a known one, but not
    /// others in place of all.
    ///
    /// # Errors
    /// [`EvidenceError::Models`] for the first tier that has none of the models it had.
    pub fn speaks_of(&self, ladder: &Ladder) -> Result<(), EvidenceError> {
        for (own, tier) in self.tiers.iter().zip(ladder.tiers()) {
            if tier.targets.iter().any(|target| own.models.iter().any(|model| *model == target.model)) {
                continue;
            }
            let have: Vec<&str> = tier.targets.iter().map(|target| target.model.as_str()).collect();
            return Err(EvidenceError::Models {
                tier: own.name.clone(),
                made_for: own.models.join(", "),
                have: have.join(", "),
            });
        }
        Ok(())
    }

    /// Figures that decide are numbers, and not negative.
    fn is_sound(&self) -> bool {
        let sound = |value: &f32| value.is_finite() && *value >= 0.0;
        self.promise.max_shortfall.iter().all(sound)
            && sound(&self.unfamiliar)
            && self.output_tokens.iter().flatten().all(sound)
    }

    pub(crate) fn load(self, names: &[&str], baseline: usize) -> Result<Loaded, EvidenceError> {
        let own: Vec<&str> = self.tiers.iter().map(|tier| tier.name.as_str()).collect();
        if own != names || names.get(baseline) != Some(&self.baseline.as_str()) {
            let with_baseline = |names: &[&str], baseline: &str| format!("{} (baseline {baseline})", names.join(", "));
            return Err(EvidenceError::Ladder {
                made_for: with_baseline(&own, &self.baseline),
                have: with_baseline(names, names.get(baseline).unwrap_or(&"none")),
            });
        }
        let bank = Bank::from_bytes(&base64::decode(&self.heads).ok_or(EvidenceError::Damaged("heads"))?)?;
        let seen = base64::decode(&self.seen).ok_or(EvidenceError::Damaged("seen"))?;
        if seen.len() * 8 != crate::GRAM_BUCKETS {
            return Err(EvidenceError::Damaged("seen"));
        }
        let width = self.tiers.len();
        let rows =
            self.output_tokens.len() == width && self.output_tokens.iter().all(|row| row.len() == TaskType::ALL.len());
        if bank.names().len() != width + usize::from(self.ordered_on > 0) || width > MAX_TIERS || !rows {
            return Err(EvidenceError::Damaged("number of tiers"));
        }
        if !self.is_sound() {
            return Err(EvidenceError::Damaged("a figure is negative or no number"));
        }
        Ok(Loaded { bank, seen, baseline, evidence: self })
    }
}

/// Probabilities are shown and compared within these bounds: no tier is ever certain.
const LEAST: f32 = 0.005;

/// Scores of all tiers from the heads: the baseline's own, and the gain of each other tier over it.
#[must_use]
pub fn scores(said: &[f32], baseline: usize, tiers: usize) -> [f32; MAX_TIERS] {
    let mut p_ok = [0.0; MAX_TIERS];
    let own = said[baseline];
    for (tier, p) in p_ok.iter_mut().enumerate().take(tiers.min(said.len())) {
        let score = if tier == baseline { own } else { own + said[tier] };
        // weights that run over say nothing, and nothing is not good enough
        *p = if score.is_nan() { LEAST } else { score.clamp(LEAST, 1.0 - LEAST) };
    }
    p_ok
}

impl Loaded {
    /// The scores of all tiers; and the gain of the baseline over the cheapest tier, before bounds: a total order over
    /// requests.
    pub(crate) fn p_ok_and_need(&self, features: &Features) -> ([f32; MAX_TIERS], f32) {
        let said = self.bank.evaluate(features);
        let tiers = self.evidence.tiers.len();
        let need = match self.baseline {
            _ if self.evidence.ordered_on > 0 => said[tiers],
            0 => 0.0,
            _ => -said[0],
        };
        (scores(&said, self.baseline, tiers), need)
    }

    /// 1 where the request has more unknown words than the outcomes that were learned from.
    pub(crate) fn novelty(&self, features: &Features) -> f32 {
        unknown(features, &self.seen) / self.evidence.unfamiliar.max(0.01)
    }

    pub(crate) fn output_tokens(&self, task: TaskType) -> [f32; MAX_TIERS] {
        let mut tokens = [0.0; MAX_TIERS];
        for (tokens, row) in tokens.iter_mut().zip(&self.evidence.output_tokens) {
            *tokens = row[task as usize];
        }
        tokens
    }

    /// Each counter's part in the gain of the baseline over the cheapest tier, and that of the words.
    pub(crate) fn parts(&self, features: &Features) -> ([f32; crate::COUNTERS], f32) {
        if self.baseline == 0 {
            return ([0.0; crate::COUNTERS], 0.0);
        }
        (self.bank.parts(0, features).map(|part| -part), -self.bank.gram_part(0, features))
    }
}

/// Share of a request's n-grams that are not among the seen ones (a bit each).
#[must_use]
pub fn unknown(features: &Features, seen: &[u8]) -> f32 {
    let new = |id: &&u16| seen.get(usize::from(**id) / 8).is_none_or(|byte| byte >> (**id % 8) & 1 == 0);
    let grams = features.grams();
    grams.iter().filter(new).count() as f32 / grams.len().max(1) as f32
}
