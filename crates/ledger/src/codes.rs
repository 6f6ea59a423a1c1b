//! Numbers that stand for closed sets in the store. They are written to disk: never reuse or renumber one.

use tierway_decide::quality::{Kind, Preference};
use tierway_decide::{Abstain, CallStatus, Complexity, Reason, TaskType};

/// A closed set with one number for each of its members.
pub(crate) trait Code: Sized + Copy {
    /// The number on disk.
    fn code(self) -> i64;
    /// The member of that number; none when a newer version wrote it.
    fn from_code(code: i64) -> Option<Self>;
}

impl Code for CallStatus {
    fn code(self) -> i64 {
        match self {
            Self::Answered => 0,
            Self::Failed => 1,
            Self::Cancelled => 2,
            Self::Refused => 3,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        [Self::Answered, Self::Failed, Self::Cancelled, Self::Refused].into_iter().find(|status| status.code() == code)
    }
}

impl Code for Complexity {
    fn code(self) -> i64 {
        match self {
            Self::Simple => 0,
            Self::Medium => 1,
            Self::Complex => 2,
            Self::Reasoning => 3,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|complexity| complexity.code() == code)
    }
}

impl Code for TaskType {
    fn code(self) -> i64 {
        match self {
            Self::Qa => 0,
            Self::Summarization => 1,
            Self::Extraction => 2,
            Self::Classification => 3,
            Self::Writing => 4,
            Self::Coding => 5,
            Self::Analysis => 6,
            Self::Translation => 7,
            Self::Other => 8,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.code() == code)
    }
}

/// Absence is a member here: most requests are not abstained from.
impl Code for Option<Abstain> {
    fn code(self) -> i64 {
        match self {
            None => 0,
            Some(Abstain::NoSignal) => 1,
            Some(Abstain::Unfamiliar) => 2,
            Some(Abstain::NoAsk) => 3,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        [None, Some(Abstain::NoSignal), Some(Abstain::Unfamiliar), Some(Abstain::NoAsk)]
            .into_iter()
            .find(|abstain| abstain.code() == code)
    }
}

/// A [`Reason`] without its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// [`Reason::LockedRule`].
    LockedRule,
    /// [`Reason::RequestedModel`].
    RequestedModel,
    /// [`Reason::RequestedTier`].
    RequestedTier,
    /// [`Reason::CallerTier`].
    CallerTier,
    /// [`Reason::Rule`].
    Rule,
    /// [`Reason::Predicted`].
    Predicted,
    /// [`Reason::ModelAsked`].
    ModelAsked,
    /// [`Reason::Abstained`].
    Abstained,
    /// [`Reason::SessionHeld`].
    SessionHeld,
    /// [`Reason::Default`].
    Default,
    /// [`Reason::QualityHeld`].
    QualityHeld,
    /// [`Reason::Shadow`].
    Shadow,
    /// [`Reason::Judge`].
    Judge,
}

impl ReasonKind {
    /// All; the router's own calls last.
    pub const ALL: [Self; 13] = [
        Self::LockedRule,
        Self::RequestedModel,
        Self::RequestedTier,
        Self::CallerTier,
        Self::Rule,
        Self::Predicted,
        Self::ModelAsked,
        Self::Abstained,
        Self::SessionHeld,
        Self::QualityHeld,
        Self::Default,
        Self::Shadow,
        Self::Judge,
    ];

    /// Of a call that the router itself makes.
    #[must_use]
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Shadow | Self::Judge)
    }

    /// The kind of a reason.
    #[must_use]
    pub const fn of(reason: &Reason) -> Self {
        match reason {
            Reason::LockedRule { .. } => Self::LockedRule,
            Reason::RequestedModel => Self::RequestedModel,
            Reason::RequestedTier => Self::RequestedTier,
            Reason::CallerTier => Self::CallerTier,
            Reason::Rule { .. } => Self::Rule,
            Reason::Predicted => Self::Predicted,
            Reason::ModelAsked => Self::ModelAsked,
            Reason::Abstained => Self::Abstained,
            Reason::SessionHeld => Self::SessionHeld,
            Reason::Default => Self::Default,
            Reason::QualityHeld => Self::QualityHeld,
            Reason::Shadow => Self::Shadow,
            Reason::Judge => Self::Judge,
        }
    }

    /// The name in reports and exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LockedRule => "locked_rule",
            Self::RequestedModel => "requested_model",
            Self::RequestedTier => "requested_tier",
            Self::CallerTier => "caller_tier",
            Self::Rule => "rule",
            Self::Predicted => "predicted",
            Self::ModelAsked => "model_asked",
            Self::Abstained => "abstained",
            Self::SessionHeld => "session_held",
            Self::Default => "default",
            Self::QualityHeld => "quality_held",
            Self::Shadow => "shadow",
            Self::Judge => "judge",
        }
    }

    /// The reason of this kind with its texts.
    pub(crate) fn with(self, rule: String, why: String) -> Reason {
        match self {
            Self::LockedRule => Reason::LockedRule { rule, why },
            Self::RequestedModel => Reason::RequestedModel,
            Self::RequestedTier => Reason::RequestedTier,
            Self::CallerTier => Reason::CallerTier,
            Self::Rule => Reason::Rule { rule, why },
            Self::Predicted => Reason::Predicted,
            Self::ModelAsked => Reason::ModelAsked,
            Self::Abstained => Reason::Abstained,
            Self::SessionHeld => Reason::SessionHeld,
            Self::Default => Reason::Default,
            Self::QualityHeld => Reason::QualityHeld,
            Self::Shadow => Reason::Shadow,
            Self::Judge => Reason::Judge,
        }
    }
}

impl Code for ReasonKind {
    fn code(self) -> i64 {
        match self {
            Self::LockedRule => 0,
            Self::RequestedModel => 1,
            Self::RequestedTier => 2,
            Self::CallerTier => 3,
            Self::Rule => 4,
            Self::Predicted => 5,
            Self::ModelAsked => 6,
            Self::Abstained => 7,
            Self::SessionHeld => 8,
            Self::Default => 9,
            Self::QualityHeld => 10,
            Self::Shadow => 11,
            Self::Judge => 12,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl Code for Kind {
    fn code(self) -> i64 {
        match self {
            Self::Down => 0,
            Self::Held => 1,
            Self::Up => 2,
            Self::Rule => 3,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl Code for Preference {
    fn code(self) -> i64 {
        match self {
            Self::Cheap => 0,
            Self::Tie => 1,
            Self::Baseline => 2,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.code() == code)
    }
}

/// The rule and the operator's words of a reason; empty where it has none.
pub(crate) fn rule_of(reason: &Reason) -> (&str, &str) {
    match reason {
        Reason::LockedRule { rule, why } | Reason::Rule { rule, why } => (rule, why),
        _ => ("", ""),
    }
}
