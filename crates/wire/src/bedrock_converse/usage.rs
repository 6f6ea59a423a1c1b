//! `usage`.

use crate::json::Node;
use crate::write::{Arr, Obj};
use crate::{ServiceTier, Usage};

/// Reads a usage object; None when it reports no count. Tokens of the cache come on top of `inputTokens` in this API
/// (Bedrock's guide to prompt caching), so they are added to the total here. Writes without details were kept for five
/// minutes: that is the API's default. Reasoning is inside `outputTokens`, and not told apart.
#[must_use]
pub fn usage(json: &str) -> Option<Usage> {
    let node = Node::parse(json, 3).ok()?;
    node.tokens("inputTokens").or_else(|| node.tokens("outputTokens"))?;
    let count = |name: &str| node.tokens(name).unwrap_or(0);
    let details = node.get("cacheDetails").map_or(&[][..], Node::items);
    let kept = |ttl: &str| -> u64 {
        let of = details.iter().filter(|detail| detail.str("ttl") == Some(ttl));
        of.filter_map(|detail| detail.tokens("inputTokens")).fold(0, u64::saturating_add)
    };
    let long = kept("1h");
    let written = count("cacheWriteInputTokens").max(kept("5m").saturating_add(long));
    let read = count("cacheReadInputTokens");
    Some(Usage {
        input_tokens: count("inputTokens").saturating_add(read).saturating_add(written),
        cached_input_tokens: read,
        cache_write_5m_tokens: written.saturating_sub(long),
        cache_write_1h_tokens: long,
        output_tokens: count("outputTokens"),
        ..Usage::default()
    })
}

/// The same with the terms of service, which stand beside it in an answer and in the last event of a stream.
pub(super) fn usage_beside(node: &Node<'_>) -> Option<Usage> {
    let tier = node.get("serviceTier").and_then(|tier| tier.str("type"));
    Some(usage(node.get("usage")?.raw)?.under(tier.map_or(ServiceTier::Standard, ServiceTier::named)))
}

/// Writes a usage object.
#[must_use]
pub fn encode_usage(usage: &Usage) -> String {
    let written = usage.cache_write_5m_tokens.saturating_add(usage.cache_write_1h_tokens);
    let fresh = usage.input_tokens.saturating_sub(usage.cached_input_tokens).saturating_sub(written);
    let mut object = Obj::new();
    object.num("inputTokens", fresh).num("outputTokens", usage.output_tokens);
    object.num("totalTokens", usage.input_tokens.saturating_add(usage.output_tokens));
    object.num("cacheReadInputTokens", usage.cached_input_tokens).num("cacheWriteInputTokens", written);
    let kept = [("1h", usage.cache_write_1h_tokens), ("5m", usage.cache_write_5m_tokens)];
    let details = kept.into_iter().filter(|(_, tokens)| *tokens > 0);
    let details = Arr::of(details.map(|(ttl, tokens)| Obj::new().str("ttl", ttl).num("inputTokens", tokens).end()));
    object.raw("cacheDetails", &details).end()
}
