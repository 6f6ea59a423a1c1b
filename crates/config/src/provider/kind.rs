//! Kinds of providers: whose API, where it is, and where its key usually is.

use tierway_wire::Format;

/// Whose API a provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of companies and programs")]
pub enum ProviderKind {
    OpenAi,
    Anthropic,
    Gemini,
    OpenRouter,
    Azure,
    /// Google's Vertex AI.
    Vertex,
    /// Amazon's Bedrock.
    Bedrock,
    Mistral,
    DeepSeek,
    Xai,
    Groq,
    Together,
    Fireworks,
    Qwen,
    Cohere,
    Ollama,
    /// Any other server that speaks OpenAI Chat Completions.
    OpenAiCompatible,
}

/// What is known of a kind.
pub(super) struct KindFacts {
    pub(super) kind: ProviderKind,
    pub(super) name: &'static str,
    pub(super) base_url: Option<&'static str>,
    pub(super) format: Format,
    pub(super) key_env: Option<&'static str>,
    pub(super) catalogue: Option<&'static str>,
}

const fn facts(
    kind: ProviderKind,
    name: &'static str,
    base_url: Option<&'static str>,
    key_env: Option<&'static str>,
    catalogue: Option<&'static str>,
) -> KindFacts {
    KindFacts { kind, name, base_url, format: Format::OpenaiChat, key_env, catalogue }
}

/// Addresses and variables as the providers' own documentation gives them (November 2026).
pub(super) static KINDS: [KindFacts; 17] = [
    facts(ProviderKind::OpenAi, "openai", Some("https://api.openai.com/v1"), Some("OPENAI_API_KEY"), Some("openai")),
    KindFacts {
        format: Format::AnthropicMessages,
        ..facts(
            ProviderKind::Anthropic,
            "anthropic",
            Some("https://api.anthropic.com/v1"),
            Some("ANTHROPIC_API_KEY"),
            Some("anthropic"),
        )
    },
    // The native API: Google's endpoint for OpenAI's format (`format = "openai_chat"`) has no place for thought signatures,
    // and tells less of the usage.
    KindFacts {
        format: Format::Gemini,
        ..facts(
            ProviderKind::Gemini,
            "gemini",
            Some("https://generativelanguage.googleapis.com/v1beta"),
            Some("GEMINI_API_KEY"),
            Some("google"),
        )
    },
    facts(
        ProviderKind::OpenRouter,
        "openrouter",
        Some("https://openrouter.ai/api/v1"),
        Some("OPENROUTER_API_KEY"),
        Some("openrouter"),
    ),
    facts(ProviderKind::Azure, "azure", None, Some("AZURE_OPENAI_API_KEY"), Some("azure")),
    // Their addresses hang on `location` and `region`.
    KindFacts { format: Format::Gemini, ..facts(ProviderKind::Vertex, "vertex", None, None, None) },
    KindFacts {
        format: Format::AnthropicMessages,
        ..facts(ProviderKind::Bedrock, "bedrock", None, None, Some("bedrock"))
    },
    facts(
        ProviderKind::Mistral,
        "mistral",
        Some("https://api.mistral.ai/v1"),
        Some("MISTRAL_API_KEY"),
        Some("mistral"),
    ),
    facts(
        ProviderKind::DeepSeek,
        "deepseek",
        Some("https://api.deepseek.com/v1"),
        Some("DEEPSEEK_API_KEY"),
        Some("deepseek"),
    ),
    facts(ProviderKind::Xai, "xai", Some("https://api.x.ai/v1"), Some("XAI_API_KEY"), Some("xai")),
    facts(ProviderKind::Groq, "groq", Some("https://api.groq.com/openai/v1"), Some("GROQ_API_KEY"), Some("groq")),
    facts(
        ProviderKind::Together,
        "together",
        Some("https://api.together.xyz/v1"),
        Some("TOGETHER_API_KEY"),
        Some("together"),
    ),
    facts(
        ProviderKind::Fireworks,
        "fireworks",
        Some("https://api.fireworks.ai/inference/v1"),
        Some("FIREWORKS_API_KEY"),
        Some("fireworks"),
    ),
    facts(
        ProviderKind::Qwen,
        "qwen",
        Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        Some("DASHSCOPE_API_KEY"),
        Some("qwen"),
    ),
    facts(
        ProviderKind::Cohere,
        "cohere",
        Some("https://api.cohere.ai/compatibility/v1"),
        Some("COHERE_API_KEY"),
        Some("cohere"),
    ),
    facts(ProviderKind::Ollama, "ollama", Some("http://127.0.0.1:11434/v1"), None, None),
    facts(ProviderKind::OpenAiCompatible, "openai_compatible", None, None, None),
];

/// The kinds as they are written, for the schema.
pub(crate) static KIND_NAMES: [&str; 17] = {
    let mut names = [""; 17];
    let mut at = 0;
    while at < KINDS.len() {
        names[at] = KINDS[at].name;
        at += 1;
    }
    names
};

impl ProviderKind {
    /// As written in a config.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().map_or("", |facts| facts.name)
    }

    /// The name of its models in the catalogue; none for servers that run whatever their owner likes.
    #[must_use]
    pub fn catalogue(self) -> Option<&'static str> {
        self.facts()?.catalogue
    }

    pub(super) fn named(name: &str) -> Option<&'static KindFacts> {
        KINDS.iter().find(|facts| facts.name == name)
    }

    fn facts(self) -> Option<&'static KindFacts> {
        KINDS.iter().find(|facts| facts.kind == self)
    }
}
