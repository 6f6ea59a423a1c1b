//! Reasoning in messages and chunks: `reasoning_content` (DeepSeek, vLLM), `reasoning` (OpenRouter, Ollama), and
//! OpenRouter's `reasoning_details`, which can carry signatures of other APIs to a client and back.

use crate::Format;
use crate::json::Node;
use crate::neutral::{Content, Part};
use crate::write::Obj;

/// OpenRouter's names for the APIs whose reasoning can be sent back, and ours where it has none.
const FORMATS: [(&str, Format); 4] = [
    ("anthropic-claude-v1", Format::AnthropicMessages),
    ("openai-responses-v1", Format::OpenaiResponses),
    ("google-gemini-v1", Format::Gemini),
    ("bedrock-converse-v1", Format::BedrockConverse),
];

/// The reasoning of a message. What is in `reasoning_details` is not read again from the plain text beside it.
pub(super) fn reasoning_parts(message: &Node<'_>) -> Vec<Part> {
    let details = message.get("reasoning_details").map_or(&[][..], Node::items);
    let signed: Vec<Part> = details.iter().filter_map(signed).map(Part::new).collect();
    if !signed.is_empty() {
        return signed;
    }
    let text = message.str("reasoning_content").or_else(|| message.str("reasoning"));
    let text = text.filter(|text| !text.is_empty());
    let plain = |text: &str| Content::Reasoning {
        text: text.to_owned(),
        signature: None,
        encrypted: None,
        id: None,
        origin: Format::OpenaiChat,
    };
    text.map(|text| Part::new(plain(text))).into_iter().collect()
}

fn signed(entry: &Node<'_>) -> Option<Content> {
    let format = entry.str("format")?;
    let origin = FORMATS.iter().find(|(name, _)| *name == format)?.1;
    Some(Content::Reasoning {
        text: entry.str("text").or_else(|| entry.str("summary")).unwrap_or_default().to_owned(),
        signature: entry.str("signature").map(str::to_owned),
        encrypted: entry.str("data").map(str::to_owned),
        id: entry.str("id").map(str::to_owned),
        origin,
    })
}

/// The entry of `reasoning_details` for reasoning that can be sent back; None when it carries no proof.
pub(super) fn detail(
    text: &str,
    signature: Option<&str>,
    encrypted: Option<&str>,
    id: Option<&str>,
    origin: Format,
) -> Option<String> {
    if signature.is_none() && encrypted.is_none() {
        return None;
    }
    let format = FORMATS.iter().find(|(_, format)| *format == origin)?.0;
    let mut entry = Obj::new();
    entry.str("type", if encrypted.is_some() { "reasoning.encrypted" } else { "reasoning.text" });
    if !text.is_empty() {
        entry.str("text", text);
    }
    entry.opt_str("signature", signature).opt_str("data", encrypted).opt_str("id", id).str("format", format);
    Some(entry.end())
}
