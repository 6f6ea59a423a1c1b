//! Usage objects in the OpenAI shape.

use crate::json::Node;
use crate::{ServiceTier, Usage};

/// Reads a `usage` object. None when it is null, or reports no token count at all.
///
/// Cached tokens are part of `prompt_tokens`, reasoning is part of `completion_tokens`. Also understood: DeepSeek's
/// `prompt_cache_hit_tokens`, Moonshot's `cached_tokens`, and servers (xAI) that put reasoning on top of
/// `completion_tokens`, which shows in `total_tokens`.
#[must_use]
pub fn usage(json: &str) -> Option<Usage> {
    let node = Node::parse(json, 3).ok()?;
    let (input, output) = (node.tokens("prompt_tokens"), node.tokens("completion_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let (input_tokens, mut output_tokens) = (input.unwrap_or(0), output.unwrap_or(0));
    let detail = |of: &str, name: &str| node.get(of).and_then(|details| details.tokens(name));
    let prompt = |name: &str| detail("prompt_tokens_details", name);
    let completion = |name: &str| detail("completion_tokens_details", name);
    let reasoning_tokens = completion("reasoning_tokens").or_else(|| node.tokens("reasoning_tokens")).unwrap_or(0);
    let on_top = input_tokens.saturating_add(output_tokens).saturating_add(reasoning_tokens);
    if reasoning_tokens > 0 && node.tokens("total_tokens") == Some(on_top) {
        output_tokens = output_tokens.saturating_add(reasoning_tokens);
    }
    Some(Usage {
        input_tokens,
        cached_input_tokens: prompt("cached_tokens")
            .or_else(|| node.tokens("prompt_cache_hit_tokens"))
            .or_else(|| node.tokens("cached_tokens"))
            .unwrap_or(0),
        cache_write_5m_tokens: prompt("cache_write_tokens").unwrap_or(0),
        cache_write_1h_tokens: 0,
        output_tokens,
        reasoning_tokens,
        audio_input_tokens: prompt("audio_tokens").unwrap_or(0),
        audio_output_tokens: completion("audio_tokens").unwrap_or(0),
        // Said beside the usage object, not in it.
        service_tier: ServiceTier::Standard,
    })
}
