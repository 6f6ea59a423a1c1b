//! The terms under which a provider serves a call: they decide its price.
//!
//! One set of words for what every API calls otherwise. What is not known by name is [`ServiceTier::Other`], never taken
//! for another tier.

use crate::Format;
use crate::splice::Fields;
use serde::{Deserialize, Serialize};

/// A class of service with prices of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// The usual terms; also when nothing was said.
    #[default]
    Standard,
    /// Cheaper, and may wait or be refused.
    Flex,
    /// Dearer, and served first. OpenAI's `fast` comes back as this.
    Priority,
    /// Answered within hours.
    Batch,
    /// A faster model run (Anthropic's `speed`).
    Fast,
    /// Capacity that was paid for in advance (OpenAI's `scale`, Vertex' provisioned throughput).
    Scale,
    /// A word that is not known here.
    Other,
}

impl ServiceTier {
    /// All tiers, for tables.
    pub const ALL: [Self; 7] =
        [Self::Standard, Self::Flex, Self::Priority, Self::Batch, Self::Fast, Self::Scale, Self::Other];

    /// The name in price lists and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
            Self::Fast => "fast",
            Self::Scale => "scale",
            Self::Other => "other",
        }
    }

    /// From a provider's word, in an answer or a request.
    #[must_use]
    pub fn named(word: &str) -> Self {
        match word {
            // Groq's and Vertex' words stand beside OpenAI's, Anthropic's and Gemini's.
            ""
            | "auto"
            | "default"
            | "standard"
            | "standard_only"
            | "unspecified"
            | "on_demand"
            | "ON_DEMAND"
            | "TRAFFIC_TYPE_UNSPECIFIED" => Self::Standard,
            "flex" | "ON_DEMAND_FLEX" => Self::Flex,
            "priority" | "ON_DEMAND_PRIORITY" => Self::Priority,
            "batch" => Self::Batch,
            "fast" => Self::Fast,
            "scale" | "reserved" | "PROVISIONED_THROUGHPUT" => Self::Scale,
            _ => Self::Other,
        }
    }

    /// What a client asks for; standard when it leaves the choice to the provider.
    #[must_use]
    pub fn asked(format: Format, fields: &Fields<'_>) -> Self {
        let word = |name: &str| {
            let word = fields.get(name).and_then(|json| json.strip_prefix('"')?.strip_suffix('"'));
            word.map_or(Self::Standard, Self::named)
        };
        match (format, word("service_tier")) {
            (Format::AnthropicMessages, tier) => word("speed").or(tier),
            (Format::OpenaiChat | Format::OpenaiResponses, Self::Fast) => Self::Priority,
            (_, tier) => tier,
        }
    }

    /// This, unless it is the usual one: then the other.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::Standard => other,
            tier => tier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_asks_in_the_words_of_its_api() {
        for (format, body, want) in [
            (Format::OpenaiChat, r#"{"service_tier":"flex"}"#, ServiceTier::Flex),
            (Format::OpenaiResponses, r#"{"service_tier":"fast"}"#, ServiceTier::Priority),
            (Format::OpenaiChat, r#"{"service_tier":"auto"}"#, ServiceTier::Standard),
            (Format::OpenaiChat, r#"{"service_tier":null}"#, ServiceTier::Standard),
            (Format::OpenaiChat, r#"{"service_tier":7}"#, ServiceTier::Standard),
            (Format::OpenaiChat, r#"{"service_tier":"gold"}"#, ServiceTier::Other),
            (Format::AnthropicMessages, r#"{"service_tier":"standard_only"}"#, ServiceTier::Standard),
            (Format::AnthropicMessages, r#"{"service_tier":"auto","speed":"fast"}"#, ServiceTier::Fast),
            (Format::OpenaiChat, r#"{"speed":"fast"}"#, ServiceTier::Standard),
        ] {
            assert_eq!(ServiceTier::asked(format, &Fields::parse(body.as_bytes()).unwrap()), want, "{body}");
        }
    }

    #[test]
    fn every_tier_is_known_by_its_name() {
        for tier in ServiceTier::ALL {
            assert_eq!(ServiceTier::named(tier.name()), tier);
        }
    }
}
