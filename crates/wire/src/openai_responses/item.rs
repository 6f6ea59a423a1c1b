//! Input and output items into neutral parts and back.

use crate::Format;
use crate::citations::for_responses;
use crate::ids::Carried;
use crate::json::{Kind, Node};
use crate::neutral::{Content, Part, Source};
use crate::write::{Arr, Obj};

/// What the model produced: parts of an assistant turn. None for items of other kinds.
pub(super) fn model_parts(item: &Node<'_>) -> Option<Vec<Part>> {
    let text = |name: &str| item.str(name).unwrap_or_default().to_owned();
    let content = match item.str("type") {
        Some("function_call") => call(text("call_id"), text("name"), text("arguments"), false),
        Some("custom_tool_call") => call(text("call_id"), text("name"), text("input"), true),
        Some("reasoning") => reasoning(item),
        Some("message") | None if item.str("role") == Some("assistant") => {
            return Some(item.get("content").map(parts).unwrap_or_default());
        }
        _ => return None,
    };
    Some(vec![Part::new(content)])
}

fn call(id: String, name: String, arguments: String, custom: bool) -> Content {
    Content::ToolCall { id, name, arguments, custom, signature: None }
}

/// Readable reasoning is the summary, or the full text where the model shows it.
fn reasoning(item: &Node<'_>) -> Content {
    let texts = |name: &str| {
        let texts = item.get(name).map_or(&[][..], Node::items).iter().filter_map(|part| part.str("text"));
        texts.collect::<Vec<_>>().join("\n\n")
    };
    let summary = texts("summary");
    let text = if summary.is_empty() { texts("content") } else { summary };
    let id = item.str("id").map(str::to_owned);
    proof(text, item.str("encrypted_content"), id)
}

/// Reasoning with its proof, whichever API made it.
pub(super) fn proof(text: String, encrypted: Option<&str>, id: Option<String>) -> Content {
    match Carried::read(text, encrypted, Format::OpenaiResponses) {
        Content::Reasoning { text, signature, origin: Format::OpenaiResponses, encrypted: None, .. } => {
            Content::Reasoning { text, signature: None, encrypted: signature, id, origin: Format::OpenaiResponses }
        }
        carried => carried,
    }
}

/// Content as a string or as parts.
pub(super) fn parts(content: &Node<'_>) -> Vec<Part> {
    match &content.kind {
        Kind::String(text) => vec![Part::text(text.as_ref())],
        _ => content.items().iter().map(part).collect(),
    }
}

/// One part.
pub(super) fn part(node: &Node<'_>) -> Part {
    let text = |name: &str| node.str(name).map(str::to_owned);
    let raw = || Content::Raw { origin: Format::OpenaiResponses, json: node.raw.to_owned() };
    let file_id = || text("file_id").map(|id| Source::FileId { id, origin: Format::OpenaiResponses });
    Part::new(match node.str("type") {
        Some("input_text" | "output_text" | "text") => Content::Text {
            text: text("text").unwrap_or_default(),
            citations: node.get("annotations").filter(|list| !list.items().is_empty()).map(|list| list.raw.to_owned()),
        },
        Some("refusal") => Content::Refusal(text("refusal").unwrap_or_default()),
        Some("input_image") => node
            .str("image_url")
            .map(Source::from_url)
            .or_else(file_id)
            .map_or_else(raw, |source| Content::Image { source, detail: text("detail") }),
        Some("input_file") => file_id()
            .or_else(|| node.str("file_data").map(Source::from_url))
            .or_else(|| text("file_url").map(Source::Url))
            .map_or_else(raw, |source| Content::File { source, name: text("filename") }),
        Some("input_audio") => node.get("input_audio").map_or_else(raw, |audio| Content::Audio {
            data: audio.str("data").unwrap_or_default().to_owned(),
            format: audio.str("format").unwrap_or_default().to_owned(),
        }),
        _ => raw(),
    })
}

/// The `reasoning` item.
pub(super) fn reasoning_item(
    id: &str,
    text: &str,
    signature: Option<&str>,
    encrypted: Option<&str>,
    origin: Format,
) -> String {
    let mut item = Obj::new();
    item.str("id", id).str("type", "reasoning");
    let part = (!text.is_empty()).then(|| Obj::new().str("type", "summary_text").str("text", text).end());
    item.raw("summary", &Arr::of(part));
    let proof = match origin {
        Format::OpenaiResponses => encrypted.map(str::to_owned),
        _ => Carried::write(signature, encrypted, None, origin, Format::OpenaiResponses),
    };
    item.opt_str("encrypted_content", proof.as_deref());
    item.end()
}

/// A tool call as an item.
pub(super) fn call_item(id: &str, status: &str, call: &Content) -> String {
    let mut item = Obj::new();
    if let Content::ToolCall { id: call_id, name, arguments, custom, .. } = call {
        let (kind, field) = if *custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
        if !id.is_empty() {
            item.str("id", id);
        }
        item.str("type", kind);
        if !status.is_empty() {
            item.str("status", status);
        }
        item.str("call_id", &crate::ids::fitting_id(call_id, 64)).str("name", name).str(field, arguments);
    }
    item.end()
}

/// The notes of a text that this API can say, whichever one wrote them.
pub(super) fn annotations(citations: Option<&str>, text: &str) -> String {
    let list = citations.and_then(|list| Node::parse(list, 1).ok());
    let notes = list.iter().flat_map(Node::items);
    Arr::of(notes.filter_map(|note| for_responses(note.raw, &(0..text.chars().count()))))
}

/// A part of what the model said; `odds`: the log probabilities of its tokens, a list.
pub(super) fn output_part(content: &Content, odds: &str) -> Option<String> {
    match content {
        Content::Text { text, citations } => {
            let mut part = Obj::new();
            part.str("type", "output_text").str("text", text);
            Some(part.raw("annotations", &annotations(citations.as_deref(), text)).raw("logprobs", odds).end())
        }
        Content::Refusal(text) => Some(Obj::new().str("type", "refusal").str("refusal", text).end()),
        _ => None,
    }
}

/// A message of the model.
pub(super) fn message_item(id: &str, status: &str, parts: &str) -> String {
    let mut item = Obj::new();
    item.str("id", id).str("type", "message").str("status", status).str("role", "assistant").raw("content", parts);
    item.end()
}
