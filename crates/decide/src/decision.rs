//! A decision: the chosen tier, the reason, and everyone who was passed over.

use crate::equals::Duel;
use crate::{Name, Prediction, TargetId, TierId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Who asks, as far as routing is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Name of the key, for records; empty without authentication.
    pub key: Name,
    /// Team of the key.
    pub team: Name,
    /// What the key and the user may have.
    pub pins: Pins,
    /// What a request may name as its model; empty: anything.
    pub models: Vec<String>,
}

impl Caller {
    /// Whether a request may name this: `auto`, a tier, a model.
    #[must_use]
    pub fn may_name(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|allowed| allowed == model)
    }
}

/// Tiers that a caller or one request asks for. An exact tier wins over floor and ceiling of the same source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Exactly this tier.
    pub exact: Option<TierId>,
    /// This tier or a dearer one.
    pub floor: Option<TierId>,
    /// This tier or a cheaper one.
    pub ceiling: Option<TierId>,
}

impl Pins {
    /// Both together: the higher floor, the lower ceiling, its own exact tier before the other's.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            exact: self.exact.or(other.exact),
            floor: self.floor.max(other.floor),
            ceiling: [self.ceiling, other.ceiling].into_iter().flatten().min(),
        }
    }
}

/// Why a tier was chosen. The first that applies, in the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// A locked rule: nothing overrides it.
    LockedRule {
        /// The rule's name.
        rule: String,
        /// Its reason, in the operator's words.
        why: String,
    },
    /// The request names a model; it is passed through.
    RequestedModel,
    /// The request names a tier.
    RequestedTier,
    /// The caller's key or user is pinned to a tier.
    CallerTier,
    /// A rule.
    Rule {
        /// The rule's name.
        rule: String,
        /// Its reason, in the operator's words.
        why: String,
    },
    /// The predictor, by the policy in force.
    Predicted,
    /// A model was asked.
    ModelAsked,
    /// The predictor abstained: baseline.
    Abstained,
    /// The session stays where it is.
    SessionHeld,
    /// A cheaper tier was predicted, but its answers to this kind of work fell below the operator's target: baseline.
    QualityHeld,
    /// No policy is in force: baseline.
    Default,
    /// The router's own call: another tier's answer to a sampled request, to compare with the one that was served.
    Shadow,
    /// The router's own call: a model compares two answers.
    Judge,
}

impl Reason {
    /// In a word or two, for headers and tables: `predicted`, `rule:health`.
    #[must_use]
    pub fn summary(&self) -> Cow<'static, str> {
        match self {
            Self::LockedRule { rule, .. } => format!("locked_rule:{rule}").into(),
            Self::Rule { rule, .. } => format!("rule:{rule}").into(),
            Self::RequestedModel => "requested_model".into(),
            Self::RequestedTier => "requested_tier".into(),
            Self::CallerTier => "caller_tier".into(),
            Self::Predicted => "predicted".into(),
            Self::ModelAsked => "model_asked".into(),
            Self::Abstained => "abstained".into(),
            Self::SessionHeld => "session_held".into(),
            Self::QualityHeld => "quality_held".into(),
            Self::Default => "default".into(),
            Self::Shadow => "shadow".into(),
            Self::Judge => "judge".into(),
        }
    }
}

/// Why a tier or target was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RejectWhy {
    /// Its answer is not expected to do: probability (per mille) against the one needed.
    NotGoodEnough {
        /// P(ok) in thousandths.
        p_ok_mille: u16,
        /// Needed, in thousandths.
        needed_mille: u16,
    },
    /// Expected to do, but dearer than the chosen one.
    Dearer,
    /// Below the floor of the request or caller.
    BelowFloor,
    /// Above the ceiling of the request or caller.
    AboveCeiling,
    /// Lacks a capability.
    Lacks {
        /// Which.
        capability: String,
    },
    /// The request does not fit.
    TooLong {
        /// Estimated input tokens plus wanted output.
        tokens: u32,
        /// The context window.
        window: u32,
    },
    /// The history is bound to the model that made it.
    BoundToModel,
    /// Its answers to this kind of work fell below the operator's target.
    QualityHeld,
    /// Above what the caller's budget still allows: most of it is spent.
    SteppedDown,
    /// The caller's budget does not allow the worst case of this request.
    OverBudget,
    /// The caller is over its requests or tokens a minute.
    OverRate,
    /// Another target of its tier was better at this kind of work, or drew better (`balance = "learned"`).
    Outscored(Duel),
}

/// A candidate that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The tier.
    pub tier: TierId,
    /// One of its targets, when the reason is not about the whole tier.
    pub target: Option<TargetId>,
    /// Why.
    pub why: RejectWhy,
}

/// The chosen tier and everything that led there.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The tier that answers first.
    pub tier: TierId,
    /// Targets that can serve the request, in the order of preference before health and load are looked at:
    /// all of the chosen tier, then of the tiers above it.
    pub targets: Vec<TargetId>,
    /// Why this tier.
    pub reason: Reason,
    /// Constraints (vision, context window, floor) raised the tier above the one that the reason names.
    pub raised_from: Option<TierId>,
    /// The predictor's view; also present when something else decided.
    pub prediction: Prediction,
    /// Everyone passed over.
    pub rejected: Vec<Rejected>,
}
