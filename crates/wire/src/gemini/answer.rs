//! Whole `generateContent` answers.

use super::decode::parts;
use super::usage::{encode_usage, usage};
use crate::ids::arguments_object;
use crate::json::Node;
use crate::logprobs;
use crate::neutral::{Answer, Choice, Content, Finish};
use crate::write::{Arr, Obj};
use crate::{Context, DecodeError, Format};

/// Reads an answer body. A prompt that the provider blocked gives one empty choice that the filter ended.
///
/// # Errors
/// When it is no JSON object.
pub fn decode_answer(body: &[u8], context: &Context) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::body("the answer is not valid UTF-8"))?;
    let node = Node::parse(text, 10)?;
    let candidates = node.get("candidates").map_or(&[][..], Node::items);
    let mut number = 0;
    let mut choices: Vec<Choice> = candidates.iter().map(|one| choice(one, &mut number, context)).collect();
    if choices.is_empty() {
        if node.get("promptFeedback").is_none() {
            return Err(DecodeError::field("candidates", "`candidates` is missing in the answer"));
        }
        choices.push(Choice { parts: Vec::new(), finish: Finish::ContentFilter, logprobs: None });
    }
    let mut answer = Answer {
        origin: Format::Gemini,
        id: node.str("responseId").unwrap_or_default().to_owned(),
        model: node.str("modelVersion").unwrap_or_default().to_owned(),
        choices,
        usage: node.get("usageMetadata").and_then(|node| usage(node.raw)),
        service_tier: None,
    };
    context.restore(&mut answer);
    Ok(answer)
}

fn choice(candidate: &Node<'_>, number: &mut u32, context: &Context) -> Choice {
    let mut said = candidate.get("content").map(parts).unwrap_or_default();
    let mut calls = false;
    for part in &mut said {
        if let Content::ToolCall { id, .. } = &mut part.content {
            calls = true;
            if id.is_empty() {
                *id = context.call_id(*number);
            }
            *number += 1;
        }
    }
    let finish = finish(candidate.str("finishReason").unwrap_or("STOP"), calls);
    Choice { parts: said, finish, logprobs: logprobs::of_gemini(candidate.get("logprobsResult")) }
}

pub(super) fn finish(reason: &str, calls: bool) -> Finish {
    match reason {
        "STOP" if calls => Finish::ToolCalls,
        "STOP" | "FINISH_REASON_UNSPECIFIED" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::ContentFilter,
        other => Finish::Failed(other.to_owned()),
    }
}

pub(super) fn finish_word(finish: &Finish) -> &str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Pause => "STOP",
        Finish::Length | Finish::ContextFull => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
        Finish::Failed(reason) if reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => reason,
        Finish::Failed(_) => "OTHER",
    }
}

/// Writes an answer body.
#[must_use]
pub fn encode_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let candidates = (0u32..).zip(&answer.choices).map(|(index, choice)| {
        let said = Arr::of(choice.parts.iter().filter_map(|part| part_json(&part.content)));
        let content = Obj::new().str("role", "model").raw("parts", &said).end();
        let mut candidate = Obj::new();
        candidate.raw("content", &content).str("finishReason", finish_word(&choice.finish)).num("index", index).end()
    });
    let mut body = Obj::new();
    body.raw("candidates", &Arr::of(candidates));
    body.opt_raw("usageMetadata", answer.usage.map(|usage| encode_usage(&usage)).as_deref());
    body.str("modelVersion", &answer.model).str("responseId", &context.id_or(&answer.id, ""));
    body.end().into_bytes()
}

/// A part of an answer; None for what this API's clients cannot read.
pub(super) fn part_json(content: &Content) -> Option<String> {
    let mut object = Obj::new();
    match content {
        Content::Text { text, .. } | Content::Refusal(text) => object.str("text", text),
        Content::Reasoning { text, signature, .. } => {
            object.str("text", text).bool("thought", true).opt_str("thoughtSignature", signature.as_deref())
        }
        Content::ToolCall { id, name, arguments, signature, .. } => {
            let call = Obj::new().str("id", id).str("name", name).raw("args", &arguments_object(arguments)).end();
            object.raw("functionCall", &call).opt_str("thoughtSignature", signature.as_deref())
        }
        Content::Raw { origin: Format::Gemini, json } => return Some(json.clone()),
        _ => return None,
    };
    Some(object.end())
}
