//! One decision looked at again: what today's predictor and table say about the features of a stored request.

use serde_json::{Value, json};
use tierway::Setup;
use tierway_decide::replay::{Looked, Under};
use tierway_decide::{
    CallRecord, Features, Ladder, MAX_TIERS, Pins, Policy, Prediction, Reason, RejectWhy, Rejected, TargetId, TierId,
    UnpackError,
};
use tierway_report::reject_words;

/// What today's predictor and table say about the same features.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// None without a config, or without features in the row.
    pub prediction: Option<Prediction>,
    /// The chance that a tier had to reach, where that decided.
    pub needed: Option<f32>,
    /// The strongest features behind it, with their weights.
    pub because: Vec<(&'static str, f32)>,
    /// The tier that would be chosen, where the row holds all that the choice hangs on.
    pub tier: Option<String>,
    /// The row was decided under this very config.
    pub same_table: bool,
}

impl Again {
    /// Decides about a stored request again. `key_pins`: what the key of a name may have; none for a key that is not known.
    ///
    /// # Errors
    /// When its features cannot be read.
    pub fn of(call: &CallRecord, setup: &Setup, key_pins: &dyn Fn(&str) -> Option<Pins>) -> Result<Self, UnpackError> {
        let same_table = call.table_version == setup.table.version();
        let needed = needed(setup, &call.rejected, &call.prediction.p_ok, &call.reason);
        if call.features.is_empty() {
            return Ok(Self { needed, same_table, ..Self::default() });
        }
        let features = Features::unpack(&call.features)?;
        let ladder = setup.table.ladder();
        let prediction = setup.predictor.predict(&features, ladder.tiers().len(), usize::from(ladder.baseline().0));
        let because = setup.predictor.explain(&features).iter().map(|part| (part.feature, part.weight)).collect();
        let tier = chosen_again(call, setup, key_pins);
        Ok(Self { prediction: Some(prediction), needed, because, tier, same_table })
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "prediction": self.prediction,
            "needed": self.needed,
            "because": because(&self.because),
            "tier": self.tier,
            "same_config": self.same_table,
        })
    }
}

/// Decides again, as a replay would. Nothing where that hangs on what is not kept: the place of the conversation, which cells
/// were held, how far a budget was spent, or what a key that is not known here may have.
fn chosen_again(call: &CallRecord, setup: &Setup, key_pins: &dyn Fn(&str) -> Option<Pins>) -> Option<String> {
    let unknown = !call.key.is_empty() && key_pins(&call.key).is_none();
    let of_then = |rejected: &Rejected| matches!(rejected.why, RejectWhy::BoundToModel | RejectWhy::SteppedDown);
    if unknown || matches!(call.reason, Reason::SessionHeld | Reason::QualityHeld) || call.rejected.iter().any(of_then)
    {
        return None;
    }
    let under = Under { table: &setup.table, predictor: &setup.predictor, key_pins };
    let outcome = Looked::decision(call, under, None).ok()?.decide(&setup.table, &setup.choosing, call).ok()?;
    Some(setup.table.ladder().tier(outcome.tier).name.to_string())
}

/// Features and their weights as JSON.
pub(crate) fn because(parts: &[(&'static str, f32)]) -> Vec<Value> {
    parts.iter().map(|(feature, weight)| json!({"feature": feature, "weight": weight})).collect()
}

/// Names of tiers and targets, of which a record holds the places: as a config tells them, else numbered from the cheapest.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(Option<&'a Ladder>);

impl<'a> Names<'a> {
    /// The names of a ladder that decided.
    #[must_use]
    pub const fn of(ladder: &'a Ladder) -> Self {
        Self(Some(ladder))
    }

    /// For a record, by the ladder at hand. `same`: that one decided. Another may lend its names when it could have, as far as
    /// the record tells: as many tiers, and all those that it names.
    #[must_use]
    pub fn for_record(ladder: Option<&'a Ladder>, same: bool, call: &CallRecord) -> Self {
        Self(ladder.filter(|ladder| same || could_have_decided(ladder, call)))
    }

    /// Whether they are more than numbers.
    #[must_use]
    pub const fn are_known(&self) -> bool {
        self.0.is_some()
    }

    /// A tier's name.
    #[must_use]
    pub fn tier(&self, id: TierId) -> String {
        let tier = self.0.and_then(|ladder| ladder.tiers().get(usize::from(id.0)));
        tier.map_or_else(|| format!("tier {}", id.0 + 1), |tier| tier.name.to_string())
    }

    /// What the config says the tier is good and bad at; empty where it says nothing.
    #[must_use]
    pub fn traits(&self, tier: &str) -> [&'a str; 2] {
        let tier = self.0.and_then(|ladder| ladder.find(tier).map(|id| ladder.tier(id)));
        tier.map_or([""; 2], |tier| [&tier.strengths, &tier.weaknesses])
    }

    /// What another prediction would have changed, as half sentences: by how much a cheaper tier fell short, and how much the
    /// chosen one has to spare. `needed`: see [`Again`].
    #[must_use]
    pub fn would_change(&self, chosen: &str, p_ok: &[f32; MAX_TIERS], needed: f32) -> Vec<String> {
        let tiers = (0..).map(TierId).zip(p_ok).take(tiers_asked(p_ok));
        let tiers: Vec<_> = tiers.map(|(id, p)| (self.tier(id), *p)).collect();
        let Some(at) = tiers.iter().position(|(name, _)| name == chosen) else { return Vec::new() };
        let points = |p: f32| format!("{:.1} points", 100.0 * p);
        let cheaper = tiers[..at].iter().filter(|(_, p)| *p < needed).max_by(|(_, a), (_, b)| a.total_cmp(b));
        let mut told: Vec<_> =
            cheaper.map(|(name, p)| format!("{name}, with {} more", points(needed - p))).into_iter().collect();
        // The best tier is its own measure: less for it is less that is needed.
        let best = tiers.iter().map(|(_, p)| *p).fold(0.0, f32::max);
        if tiers[at].1 < best {
            told.push(format!("not {chosen}, with {} less", points(tiers[at].1 - needed)));
        }
        told
    }

    /// `provider/model`, where that is known.
    fn target(&self, id: TargetId) -> Option<String> {
        let tier = self.0?.tiers().get(usize::from(id.tier.0))?;
        let target = tier.targets.get(usize::from(id.index))?;
        Some(format!("{}/{}", target.provider, target.model))
    }
}

fn could_have_decided(ladder: &Ladder, call: &CallRecord) -> bool {
    let of_attempts = call.attempts.iter().map(|attempt| &attempt.tier);
    let mut named = [&call.tier, &call.served_tier, &call.raised_from].into_iter().chain(of_attempts);
    let tiers = tiers_asked(&call.prediction.p_ok);
    (tiers == 0 || tiers == ladder.tiers().len()) && named.all(|name| name.is_empty() || ladder.find(name).is_some())
}

/// Tiers of which there is a prediction.
#[must_use]
pub fn tiers_asked(p_ok: &[f32; MAX_TIERS]) -> usize {
    p_ok.iter().rposition(|p| *p > 0.0).map_or(0, |last| last + 1)
}

/// The chance of each tier that its answer will do, by name.
pub(crate) fn chances(names: Names<'_>, p_ok: &[f32; MAX_TIERS]) -> Vec<Value> {
    let baseline = names.0.map(Ladder::baseline);
    let tiers = names.0.map_or_else(|| tiers_asked(p_ok), |ladder| ladder.tiers().len());
    let tiers = (0..).map(TierId).zip(p_ok).take(tiers);
    tiers.map(|(id, p)| json!({"tier": names.tier(id), "p_ok": p, "baseline": Some(id) == baseline})).collect()
}

/// The chance that a tier had to reach: as the decision says, else as the setup would ask for. None where nobody asked.
pub(crate) fn needed(setup: &Setup, rejected: &[Rejected], p_ok: &[f32; MAX_TIERS], reason: &Reason) -> Option<f32> {
    let said = rejected.iter().find_map(|one| match one.why {
        RejectWhy::NotGoodEnough { needed_mille, .. } => Some(f32::from(needed_mille) / 1e3),
        _ => None,
    });
    let asked = matches!(reason, Reason::Predicted) && setup.choosing.policy == Policy::Target;
    let best = p_ok.iter().copied().fold(0.0, f32::max);
    said.or_else(|| (asked && best > 0.0).then(|| (best - setup.choosing.max_shortfall).max(0.0)))
}

/// Candidates that were passed over, by name and in words.
pub(crate) fn passed_over(names: Names<'_>, rejected: &[Rejected]) -> Vec<Value> {
    let one = |one: &Rejected| {
        json!({
            "tier": names.tier(one.tier), "target": one.target.and_then(|id| names.target(id)),
            "why": one.why, "words": reject_words(&one.why),
        })
    };
    rejected.iter().map(one).collect()
}
