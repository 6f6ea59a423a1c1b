//! `usageMetadata`.

use crate::json::Node;
use crate::write::{Arr, Obj};
use crate::{ServiceTier, Usage};

/// Reads a usage object; None when it reports no count. Cached tokens are inside `promptTokenCount`; thoughts come on top
/// of `candidatesTokenCount`, tool results of the provider's own tools on top of the prompt.
#[must_use]
pub fn usage(json: &str) -> Option<Usage> {
    let node = Node::parse(json, 3).ok()?;
    let count = |name: &str| node.tokens(name).unwrap_or(0);
    node.tokens("promptTokenCount").or_else(|| node.tokens("candidatesTokenCount"))?;
    let audio = |name: &str| {
        let details = node.get(name).map_or(&[][..], Node::items).iter();
        details.filter(|one| one.str("modality") == Some("AUDIO")).filter_map(|one| one.tokens("tokenCount")).sum()
    };
    Some(Usage {
        input_tokens: count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        cached_input_tokens: count("cachedContentTokenCount"),
        cache_write_5m_tokens: 0,
        cache_write_1h_tokens: 0,
        output_tokens: count("candidatesTokenCount").saturating_add(count("thoughtsTokenCount")),
        reasoning_tokens: count("thoughtsTokenCount"),
        audio_input_tokens: audio("promptTokensDetails"),
        audio_output_tokens: audio("candidatesTokensDetails"),
        service_tier: node
            .str("serviceTier")
            .or_else(|| node.str("trafficType"))
            .map_or(ServiceTier::Standard, ServiceTier::named),
    })
}

/// Writes a usage object.
#[must_use]
pub fn encode_usage(usage: &Usage) -> String {
    let mut object = Obj::new();
    object.num("promptTokenCount", usage.input_tokens);
    object.num("candidatesTokenCount", usage.output_tokens.saturating_sub(usage.reasoning_tokens));
    object.num("totalTokenCount", usage.input_tokens.saturating_add(usage.output_tokens));
    if usage.cached_input_tokens > 0 {
        object.num("cachedContentTokenCount", usage.cached_input_tokens);
    }
    if usage.reasoning_tokens > 0 {
        object.num("thoughtsTokenCount", usage.reasoning_tokens);
    }
    for (name, tokens) in
        [("promptTokensDetails", usage.audio_input_tokens), ("candidatesTokensDetails", usage.audio_output_tokens)]
    {
        if tokens > 0 {
            object.raw(name, &Arr::of([Obj::new().str("modality", "AUDIO").num("tokenCount", tokens).end()]));
        }
    }
    object.end()
}
