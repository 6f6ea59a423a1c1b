//! The ladder: tiers from cheap to capable, and the targets that serve them.

use crate::Name;
use crate::pricing::PriceHistory;
use serde::{Deserialize, Serialize};
use tierway_wire::{Format, MaxTokensField, Needs, Reasoning, Sampling, Vocabulary};

/// The most tiers that a ladder may have; predictions hold one probability for each in place.
pub const MAX_TIERS: usize = 8;

/// A tier by its place on the ladder: 0 is the cheapest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TierId(pub u8);

/// A target by its place in its tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId {
    /// The tier it serves.
    pub tier: TierId,
    /// Its place among the tier's targets.
    pub index: u8,
}

/// How hard a request looks. Derived from the prediction; shown to people and used by `policy = "tiers"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complexity {
    /// The cheapest tier will do.
    Simple,
    /// A general model is wanted.
    Medium,
    /// A general model at its best.
    Complex,
    /// Several steps of exact thought.
    Reasoning,
}

impl Complexity {
    /// From easy to hard.
    pub const ALL: [Self; 4] = [Self::Simple, Self::Medium, Self::Complex, Self::Reasoning];

    /// The name in config, records and headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Medium => "medium",
            Self::Complex => "complex",
            Self::Reasoning => "reasoning",
        }
    }
}

/// A named rung of the ladder.
#[derive(Clone, Debug)]
pub struct Tier {
    /// Its name: what callers pin and reports show.
    pub name: Name,
    /// Who can serve it; at least one.
    pub targets: Vec<Target>,
    /// What it is good at, for `explain` and the model-asked classifier.
    pub strengths: String,
    /// What it is bad at.
    pub weaknesses: String,
}

/// One model of one provider, asked in one way.
#[derive(Clone, Debug)]
pub struct Target {
    /// The provider's name in the config.
    pub provider: Name,
    /// The model as the provider knows it.
    pub model: Name,
    /// The API that this provider is spoken to in.
    pub format: Format,
    /// Reasoning effort to ask for; `gpt-x@low` and `gpt-x@high` are two targets.
    pub effort: Option<String>,
    /// Share of the tier's traffic relative to its siblings; 0 only as a fallback.
    pub weight: u32,
    /// What it costs, by date. None: the cost of its calls is unknown, never zero.
    pub prices: Option<PriceHistory>,
    /// How much fits.
    pub limits: Limits,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Which parameters it takes.
    pub parameters: ParameterRules,
    /// Last day on which the provider serves it (`YYYY-MM-DD`), where announced.
    pub shutdown: Option<String>,
}

/// How many tokens fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Input and output together.
    pub context_window: Option<u32>,
    /// Output, reasoning included.
    pub max_output: Option<u32>,
    /// Input, where it may not fill the whole window.
    pub max_input: Option<u32>,
    /// Whose tokens these are: estimates of a prompt are put into them.
    pub vocabulary: Vocabulary,
}

/// What a model can do. What is unknown is taken for possible, as a refusal by the provider is clearer than one by guess; but
/// no sound or document goes to a model on a guess where another one of the ladder is known to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent capabilities, each named")]
pub struct Capabilities {
    /// Sees pictures.
    pub vision: bool,
    /// Calls tools.
    pub tools: bool,
    /// Follows a JSON schema natively.
    pub json_schema: bool,
    /// Streams.
    pub streaming: bool,
    /// Hears or speaks.
    pub audio: bool,
    /// Reads documents (PDF).
    pub files: bool,
    /// Which of these nobody said.
    #[serde(skip)]
    pub guessed: Needs,
}

/// How a model is told to think, in the APIs that have several ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// Not known, or by reasoning effort alone.
    #[default]
    Effort,
    /// Anthropic `thinking: adaptive`.
    Adaptive,
    /// Anthropic `thinking: enabled` with a budget of tokens; Gemini `thinkingBudget`.
    Budget,
    /// Either of the two.
    AdaptiveOrBudget,
    /// Always, between tool calls.
    BetweenTools,
    /// Gemini `thinkingLevel`.
    Level,
    /// On or off.
    Toggle,
}

/// Which request parameters a model takes. A table, because names do not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each named")]
pub struct ParameterRules {
    /// The catalogue or the config says so; else all that follows is a guess, which is no reason to change what a client
    /// says to a model in that model's own API.
    pub known: bool,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// Reasoning.
    pub reasoning: Reasoning,
    /// Reasoning efforts it knows, weakest first; empty when unknown.
    pub efforts: Vec<String>,
    /// It takes system (or developer) messages.
    pub system_role: bool,
    /// Where the output limit goes.
    pub max_tokens_field: MaxTokensField,
    /// It takes stop sequences.
    pub stop: bool,
    /// It can be forced to call a tool.
    pub forced_tool_choice: bool,
    /// It continues a partial assistant turn at the end.
    pub prefill: bool,
    /// It takes presence and frequency penalties where it takes sampling parameters.
    pub penalties: bool,
    /// How it is told to think.
    pub thinking: Thinking,
    /// It answers on OpenAI's Responses API only.
    pub responses_only: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        let all = Needs { vision: true, tools: true, json_schema: true, audio: true, files: true, streaming: true };
        Self { vision: true, tools: true, json_schema: true, streaming: true, audio: true, files: true, guessed: all }
    }
}

impl Default for ParameterRules {
    fn default() -> Self {
        Self {
            known: false,
            sampling: Sampling::Always,
            reasoning: Reasoning::None,
            efforts: Vec::new(),
            system_role: true,
            max_tokens_field: MaxTokensField::MaxTokens,
            stop: true,
            forced_tool_choice: true,
            prefill: false,
            penalties: true,
            thinking: Thinking::Effort,
            responses_only: false,
        }
    }
}

impl Capabilities {
    /// The needs of a request for which this model is tried on a guess, among those that few models meet: as words.
    pub fn guessed_of(self, needs: Needs) -> impl Iterator<Item = &'static str> {
        let words = [("audio", needs.audio && self.guessed.audio), ("files", needs.files && self.guessed.files)];
        words.into_iter().filter(|(_, guessed)| *guessed).map(|(word, _)| word)
    }

    /// The first need that is not met, as a word for messages.
    #[must_use]
    pub const fn lacking(self, needs: Needs) -> Option<&'static str> {
        if needs.vision && !self.vision {
            Some("vision")
        } else if needs.tools && !self.tools {
            Some("tools")
        } else if needs.json_schema && !self.json_schema {
            Some("json_schema")
        } else if needs.audio && !self.audio {
            Some("audio")
        } else if needs.files && !self.files {
            Some("files")
        } else if needs.streaming && !self.streaming {
            Some("streaming")
        } else {
            None
        }
    }
}

/// Tiers from cheap to capable, one of them the baseline.
#[derive(Clone, Debug)]
pub struct Ladder {
    tiers: Vec<Tier>,
    baseline: TierId,
}

/// A ladder that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// Too few or too many tiers.
    #[error("a ladder has 1 to {MAX_TIERS} tiers, not {0}")]
    TierCount(usize),
    /// A tier that nobody serves.
    #[error("tier `{0}` has no target; name at least one provider and model")]
    NoTarget(String),
    /// Two tiers of one name.
    #[error("two tiers are named `{0}`")]
    SameName(String),
    /// The baseline is none of the tiers.
    #[error("no tier `{0}` for the baseline")]
    NoBaseline(String),
}

impl Ladder {
    /// Checks and builds a ladder. `baseline` is the name of the tier that everything would go to without a router.
    ///
    /// # Errors
    /// See [`LadderError`].
    pub fn new(tiers: Vec<Tier>, baseline: &str) -> Result<Self, LadderError> {
        if !(1..=MAX_TIERS).contains(&tiers.len()) {
            return Err(LadderError::TierCount(tiers.len()));
        }
        for (at, tier) in tiers.iter().enumerate() {
            if tier.targets.is_empty() {
                return Err(LadderError::NoTarget(tier.name.to_string()));
            }
            if tiers[..at].iter().any(|earlier| earlier.name == tier.name) {
                return Err(LadderError::SameName(tier.name.to_string()));
            }
        }
        let at = tiers.iter().position(|tier| tier.name == baseline);
        let baseline =
            at.and_then(|at| u8::try_from(at).ok()).ok_or_else(|| LadderError::NoBaseline(baseline.into()))?;
        Ok(Self { tiers, baseline: TierId(baseline) })
    }

    /// All tiers, cheapest first.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// One tier. Ids come from this ladder, so they are always in range.
    #[must_use]
    pub fn tier(&self, id: TierId) -> &Tier {
        &self.tiers[usize::from(id.0)]
    }

    /// One target.
    #[must_use]
    pub fn target(&self, id: TargetId) -> &Target {
        &self.tier(id.tier).targets[usize::from(id.index)]
    }

    /// The tier that savings are measured against and that doubt goes to.
    #[must_use]
    pub const fn baseline(&self) -> TierId {
        self.baseline
    }

    /// All ids, cheapest first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = TierId> + use<> {
        (0..u8::try_from(self.tiers.len()).unwrap_or(0)).map(TierId)
    }

    /// The tier of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TierId> {
        self.ids().find(|id| self.tier(*id).name == name)
    }

    /// All targets of a tier.
    pub fn targets_of(&self, tier: TierId) -> impl Iterator<Item = (TargetId, &Target)> + Clone {
        (0u8..).zip(&self.tier(tier).targets).map(move |(index, target)| (TargetId { tier, index }, target))
    }
}
