//! The APIs that tierway speaks.

use serde::{Deserialize, Serialize};

/// One API's way of asking and answering. Known by the path of a request, never by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// OpenAI Chat Completions, and every server that is compatible with it.
    OpenaiChat,
    /// OpenAI Responses.
    OpenaiResponses,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Google Gemini `generateContent`.
    Gemini,
    /// Ollama's own `/api/chat`.
    OllamaChat,
    /// Amazon Bedrock's `Converse`.
    BedrockConverse,
}

impl Format {
    /// All formats, for tables and tests.
    pub const ALL: [Self; 6] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::AnthropicMessages,
        Self::Gemini,
        Self::OllamaChat,
        Self::BedrockConverse,
    ];

    /// The name in config, records and headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Gemini => "gemini",
            Self::OllamaChat => "ollama_chat",
            Self::BedrockConverse => "bedrock_converse",
        }
    }

    /// Whether a request can hold sound.
    #[must_use]
    pub const fn carries_sound(self) -> bool {
        matches!(self, Self::OpenaiChat | Self::OpenaiResponses | Self::Gemini | Self::BedrockConverse)
    }

    /// Whether a request can hold documents.
    #[must_use]
    pub const fn carries_documents(self) -> bool {
        !matches!(self, Self::OllamaChat)
    }

    /// The format of this [name](Self::name), if it is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}
