//! Tokens of one answer, in one meaning for every provider.

use crate::{Format, ServiceTier, anthropic, bedrock_converse, gemini, ollama_chat, openai_chat, openai_responses};
use serde::{Deserialize, Serialize};

/// What a provider reported for one call. Totals include their parts, so nothing may be added up twice:
/// `input_tokens` holds cached reads and cache writes, `output_tokens` holds reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All input, cached and cache-written tokens included.
    pub input_tokens: u64,
    /// Part of the input that was read from the provider's prompt cache.
    pub cached_input_tokens: u64,
    /// Part of the input that was written to a cache kept for minutes (Anthropic: 5 minutes; OpenAI: default).
    pub cache_write_5m_tokens: u64,
    /// Part of the input that was written to a cache kept for an hour.
    pub cache_write_1h_tokens: u64,
    /// All output, reasoning included.
    pub output_tokens: u64,
    /// Part of the output that is reasoning and not shown as text.
    pub reasoning_tokens: u64,
    /// Part of the input that is audio.
    pub audio_input_tokens: u64,
    /// Part of the output that is audio.
    pub audio_output_tokens: u64,
    /// The terms under which the call was served; they decide the price of its tokens.
    pub service_tier: ServiceTier,
}

/// The most tokens of any kind: more than a million million is not a count but a fault of the provider. Sums of some of
/// them stay far from what a `u64` holds.
pub const MOST_TOKENS: u64 = 1 << 40;

impl Usage {
    /// Input that is billed at the full input price: neither cached, nor written to a cache, nor audio.
    #[must_use]
    pub const fn plain_input_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_sub(self.cached_input_tokens)
            .saturating_sub(self.cache_write_5m_tokens)
            .saturating_sub(self.cache_write_1h_tokens)
            .saturating_sub(self.audio_input_tokens)
    }

    /// Output that is billed at the text price: everything but audio.
    #[must_use]
    pub const fn plain_output_tokens(&self) -> u64 {
        self.output_tokens.saturating_sub(self.audio_output_tokens)
    }

    /// True when no token was reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default().under(self.service_tier)
    }

    /// The same tokens under these terms.
    #[must_use]
    pub const fn under(self, service_tier: ServiceTier) -> Self {
        Self { service_tier, ..self }
    }
}

/// Writes the field `usage` of that API's answers; none for APIs that tell it in other fields.
#[must_use]
pub fn encode_usage(format: Format, usage: &Usage) -> Option<String> {
    match format {
        Format::OpenaiChat => Some(openai_chat::encode_usage(usage)),
        Format::OpenaiResponses => Some(openai_responses::encode_usage(usage)),
        Format::AnthropicMessages => Some(anthropic::encode_usage(usage)),
        Format::Gemini | Format::OllamaChat | Format::BedrockConverse => None,
    }
}

/// Reads the usage object of that API's answers. None when it reports no count.
#[must_use]
pub fn usage(format: Format, json: &str) -> Option<Usage> {
    match format {
        Format::OpenaiChat => openai_chat::usage(json),
        Format::OpenaiResponses => openai_responses::usage(json),
        Format::AnthropicMessages => anthropic::usage(json),
        Format::Gemini => gemini::usage(json),
        Format::OllamaChat => ollama_chat::usage(json),
        Format::BedrockConverse => bedrock_converse::usage(json),
    }
}
