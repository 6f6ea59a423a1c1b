//! Names of the GenAI semantic conventions. They are still being changed: both sets are here, in one place. The published one
//! (v1.41) is sent by default, the coming one where `OTEL_SEMCONV_STABILITY_OPT_IN` holds `gen_ai_latest_experimental`.

use std::collections::BTreeMap;
use tierway_config::{Config, ProviderKind};

/// Names of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// Seconds of one upstream call.
    pub(super) duration: &'static str,
    /// Tokens of one upstream call: in, and out. The same name twice: one metric with an attribute.
    pub(super) tokens: [&'static str; 2],
}

const PUBLISHED: Names =
    Names { duration: "gen_ai.client.operation.duration", tokens: ["gen_ai.client.token.usage"; 2] };

const COMING: Names = Names {
    duration: "gen_ai.client.inference.duration",
    tokens: ["gen_ai.client.inference.operation.input_tokens", "gen_ai.client.inference.operation.output_tokens"],
};

impl Names {
    pub(super) fn from_env(opt_in: Option<&str>) -> Self {
        let wanted = |text: &str| text.split(',').any(|one| one.trim() == "gen_ai_latest_experimental");
        if opt_in.is_some_and(wanted) { COMING } else { PUBLISHED }
    }
}

/// What the conventions call the providers of a config; one that they do not know keeps its own name.
pub(super) fn providers(config: &Config) -> BTreeMap<String, &'static str> {
    let known =
        config.providers.iter().filter_map(|provider| Some((provider.name.clone(), conventional(provider.kind)?)));
    known.collect()
}

const fn conventional(kind: ProviderKind) -> Option<&'static str> {
    Some(match kind {
        ProviderKind::OpenAi => "openai",
        ProviderKind::Anthropic => "anthropic",
        ProviderKind::Gemini => "gcp.gemini",
        ProviderKind::Azure => "azure.ai.openai",
        ProviderKind::Mistral => "mistral_ai",
        ProviderKind::DeepSeek => "deepseek",
        ProviderKind::Xai => "x_ai",
        ProviderKind::Groq => "groq",
        ProviderKind::Cohere => "cohere",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coming_names_are_sent_where_they_are_asked_for() {
        assert_eq!(Names::from_env(None), PUBLISHED);
        assert_eq!(Names::from_env(Some("http")), PUBLISHED);
        assert_eq!(Names::from_env(Some("http, gen_ai_latest_experimental")), COMING);
    }
}
