//! What one fake model takes and how it behaves.
//!
//! Models are known by name: real names behave as their providers document them (November 2026), any other name is a plain
//! chat model that takes everything. Tests set traits of their own where they need others.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whether a model reasons before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinks {
    /// It cannot.
    #[default]
    Never,
    /// Only when asked to.
    WhenAsked,
    /// Unless told not to.
    UnlessTold,
    /// Always.
    Always,
}

/// What happens with a partial assistant turn at the end of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefill {
    /// It goes on where the partial answer ends.
    Continues,
    /// It answers anew.
    #[default]
    Ignores,
    /// It refuses with 400.
    Rejects,
}

/// Speed of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Until the first token.
    pub first_ms: u64,
    /// Between tokens.
    pub per_token_us: u64,
}

impl Pace {
    pub(crate) const fn first(self) -> Duration {
        Duration::from_millis(self.first_ms)
    }

    pub(crate) const fn tokens(self, count: u64) -> Duration {
        Duration::from_micros(self.per_token_us.saturating_mul(count))
    }
}

/// One fake model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each named")]
pub struct Traits {
    /// Reasoning.
    pub thinks: Thinks,
    /// `temperature` and its like are refused even when it does not reason.
    pub no_sampling: bool,
    /// System and developer messages are refused.
    pub no_system: bool,
    /// A forced tool choice is refused.
    pub no_forced_tool: bool,
    /// Pictures are refused.
    pub no_vision: bool,
    /// It reports no usage, as many compatible servers do not: in whole answers, and in streams of Chat.
    pub no_usage: bool,
    /// What happens with a partial answer.
    pub prefill: Prefill,
    /// Input and output tokens together.
    pub window: u64,
    /// Length of a free answer in tokens, when the request sets no lower limit.
    pub answer_tokens: u64,
    /// Speed.
    pub pace: Pace,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            thinks: Thinks::Never,
            no_sampling: false,
            no_system: false,
            no_forced_tool: false,
            no_vision: false,
            no_usage: false,
            prefill: Prefill::Ignores,
            window: 128_000,
            answer_tokens: 40,
            pace: Pace::default(),
        }
    }
}

impl Traits {
    /// A model of that name, as documented by its provider.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let plain = Self::default();
        if name.starts_with("claude") {
            return Self::of_claude(name);
        }
        if name.starts_with("gemini") {
            let dead = ["3.5-flash-lite", "3.6", "3.7", "3.8"].iter().any(|version| name.contains(version));
            return Self { prefill: Prefill::Continues, no_sampling: dead, window: 1_000_000, ..plain };
        }
        let thinks = match name {
            _ if ["o1", "o3", "o4", "gpt-6-astra", "gpt-6.1-sol"].iter().any(|start| name.starts_with(start)) => {
                Thinks::Always
            }
            _ if ["gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4"].iter().any(|start| name.starts_with(start)) => {
                Thinks::WhenAsked
            }
            _ if ["gpt-5.5", "gpt-5.6", "gpt-6"].iter().any(|start| name.starts_with(start)) => Thinks::UnlessTold,
            _ if name.starts_with("gpt-5") => Thinks::Always,
            _ => Thinks::Never,
        };
        let no_system = name.starts_with("o1-mini") || name.starts_with("o1-preview");
        Self { thinks, no_system, ..plain }
    }

    fn of_claude(name: &str) -> Self {
        let since = |versions: &[&str]| versions.iter().any(|version| name.contains(version));
        let newest = since(&["sonnet-5-5", "opus-5-5", "fable-5"]);
        let five = newest || since(&["haiku-5", "sonnet-5", "opus-5"]);
        Self {
            thinks: Thinks::WhenAsked,
            no_sampling: five || since(&["opus-4-7", "opus-4-8"]),
            no_forced_tool: newest,
            prefill: if five || since(&["-4-6", "-4-7", "-4-8"]) { Prefill::Rejects } else { Prefill::Continues },
            window: 200_000,
            ..Self::default()
        }
    }

    /// Whether it reasons when this effort is asked for.
    #[must_use]
    pub fn reasons(&self, effort: Option<&str>) -> bool {
        match self.thinks {
            Thinks::Never => false,
            Thinks::WhenAsked => effort.is_some_and(|effort| effort != "none"),
            Thinks::UnlessTold => effort != Some("none"),
            Thinks::Always => true,
        }
    }
}
