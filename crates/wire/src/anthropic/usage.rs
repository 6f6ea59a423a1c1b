//! Usage objects of the Messages API.

use crate::json::Node;
use crate::write::Obj;
use crate::{ServiceTier, Usage};

/// Counts as reported; in a stream they come in pieces that replace each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    input: u64,
    read: u64,
    written: u64,
    written_5m: u64,
    written_1h: u64,
    output: u64,
    thinking: u64,
    service_tier: ServiceTier,
    fast: bool,
}

impl Counts {
    /// Takes over what the object reports; counts that it leaves out stay.
    pub(crate) fn update(&mut self, node: &Node<'_>) {
        let set = |into: &mut u64, value: Option<u64>| *into = value.unwrap_or(*into);
        set(&mut self.input, node.tokens("input_tokens"));
        set(&mut self.read, node.tokens("cache_read_input_tokens"));
        set(&mut self.written, node.tokens("cache_creation_input_tokens"));
        set(&mut self.output, node.tokens("output_tokens"));
        if let Some(split) = node.get("cache_creation") {
            set(&mut self.written_5m, split.tokens("ephemeral_5m_input_tokens"));
            set(&mut self.written_1h, split.tokens("ephemeral_1h_input_tokens"));
        }
        let thinking = node.get("output_tokens_details").and_then(|details| details.tokens("thinking_tokens"));
        set(&mut self.thinking, thinking);
        self.service_tier = node.str("service_tier").map_or(self.service_tier, ServiceTier::named);
        self.fast = node.str("speed").map_or(self.fast, |speed| speed == "fast");
    }

    /// Cached tokens come on top of `input_tokens` in this API, so they are added to the total here. Written tokens
    /// without a split were kept for five minutes: that is the API's default.
    pub(crate) fn usage(self) -> Usage {
        let split = self.written_5m.saturating_add(self.written_1h);
        let written = self.written.max(split);
        Usage {
            input_tokens: self.input.saturating_add(self.read).saturating_add(written),
            cached_input_tokens: self.read,
            cache_write_5m_tokens: written.saturating_sub(self.written_1h),
            cache_write_1h_tokens: self.written_1h,
            output_tokens: self.output,
            reasoning_tokens: self.thinking,
            audio_input_tokens: 0,
            audio_output_tokens: 0,
            // The speed has a price of its own, whatever the tier.
            service_tier: if self.fast { ServiceTier::Fast } else { self.service_tier },
        }
    }
}

/// Reads a usage object; None when it reports no count.
#[must_use]
pub fn usage(json: &str) -> Option<Usage> {
    let node = Node::parse(json, 3).ok()?;
    (node.tokens("input_tokens").is_some() || node.tokens("output_tokens").is_some()).then(|| {
        let mut counts = Counts::default();
        counts.update(&node);
        counts.usage()
    })
}

/// Writes a usage object.
#[must_use]
pub fn encode_usage(usage: &Usage) -> String {
    let written = usage.cache_write_5m_tokens.saturating_add(usage.cache_write_1h_tokens);
    let fresh = usage.input_tokens.saturating_sub(usage.cached_input_tokens).saturating_sub(written);
    let split = Obj::new()
        .num("ephemeral_5m_input_tokens", usage.cache_write_5m_tokens)
        .num("ephemeral_1h_input_tokens", usage.cache_write_1h_tokens)
        .end();
    let mut object = Obj::new();
    object.num("input_tokens", fresh).num("cache_creation_input_tokens", written);
    object.num("cache_read_input_tokens", usage.cached_input_tokens).raw("cache_creation", &split);
    object.num("output_tokens", usage.output_tokens);
    object.raw("output_tokens_details", &Obj::new().num("thinking_tokens", usage.reasoning_tokens).end());
    // Required by the API's description, and nothing that other providers tell.
    object.null("server_tool_use").null("service_tier").null("inference_geo").end()
}
