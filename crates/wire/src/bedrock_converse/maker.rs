//! Whose model an id names: what Converse takes in common is not all that each maker's models take.
//!
//! Where the id says nothing of it (application inference profiles, imported models) only the common words are used, and
//! what would have needed more is reported as left out.

/// The maker of a model, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Anthropic,
    /// Nova.
    Amazon,
    Mistral,
    /// gpt-oss.
    OpenAi,
    /// Meta, Cohere, AI21, Writer: their models cannot be held to a schema.
    Free,
    /// Any other, or nobody knows.
    Other,
}

impl Maker {
    /// By a model's or an inference profile's id, or by the end of its ARN: `eu.anthropic.claude-..`, `mistral.voxtral-..`.
    pub(super) fn of(model: &str) -> Self {
        let id = model.rsplit('/').next().unwrap_or(model);
        let known = |piece: &str| match piece {
            "anthropic" => Some(Self::Anthropic),
            "amazon" => Some(Self::Amazon),
            "mistral" => Some(Self::Mistral),
            "openai" => Some(Self::OpenAi),
            "meta" | "cohere" | "ai21" | "writer" => Some(Self::Free),
            _ => None,
        };
        // A region may stand before the maker, nothing else.
        id.split('.').take(2).find_map(known).unwrap_or(Self::Other)
    }

    /// Some tool can be forced (`any`).
    pub(super) const fn takes_any(self) -> bool {
        matches!(self, Self::Anthropic | Self::Amazon | Self::Mistral)
    }

    /// One tool can be forced by its name.
    pub(super) const fn takes_named_tool(self) -> bool {
        matches!(self, Self::Anthropic | Self::Amazon)
    }

    /// Results of tools may hold pictures and say that they are errors.
    pub(super) const fn takes_rich_results(self) -> bool {
        matches!(self, Self::Anthropic | Self::Amazon)
    }

    /// `outputConfig.textFormat` is taken, where the model can be held to a schema at all.
    pub(super) const fn takes_schema(self) -> bool {
        !matches!(self, Self::Amazon | Self::Free)
    }

    /// Prompts are cached where a mark stands.
    pub(super) const fn takes_marks(self) -> bool {
        matches!(self, Self::Anthropic | Self::Amazon)
    }

    /// Also behind tools, and for an hour.
    pub(super) const fn takes_all_marks(self) -> bool {
        matches!(self, Self::Anthropic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_names_the_maker() {
        for (model, want) in [
            ("amazon.nova-pro-v1:0", Maker::Amazon),
            ("eu.amazon.nova-2-lite-v1:0", Maker::Amazon),
            ("global.anthropic.claude-opus-5", Maker::Anthropic),
            ("arn:aws:bedrock:eu-central-1::foundation-model/mistral.voxtral-mini-3b-2507", Maker::Mistral),
            ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.openai.gpt-oss-120b-1:0", Maker::OpenAi),
            ("meta.llama4-scout-17b-instruct-v1:0", Maker::Free),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", Maker::Other),
            ("qwen.qwen3-32b-v1:0", Maker::Other),
            ("my-company.tuned.anthropic", Maker::Other),
            ("", Maker::Other),
        ] {
            assert_eq!(Maker::of(model), want, "{model}");
        }
    }
}
