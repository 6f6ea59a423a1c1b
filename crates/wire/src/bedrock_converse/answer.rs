//! Whole `Converse` answers.

use super::decode::parts;
use super::media::audio;
use super::turns::{reasoning, redacted, text_block, tool_use};
use super::usage::{encode_usage, usage_beside};
use crate::json::Node;
use crate::neutral::{Answer, Choice, Content, Finish, Part};
use crate::write::{Arr, Obj};
use crate::{Context, DecodeError, Format};

/// Reads an answer body. It names neither itself nor its model: those are the call's.
///
/// # Errors
/// When it is no JSON object with a message.
pub fn decode_answer(body: &[u8], context: &Context) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::body("the answer is not valid UTF-8"))?;
    let node = Node::parse(text, 10)?;
    let message = node.get("output").and_then(|output| output.get("message"));
    let message = message
        .ok_or_else(|| DecodeError::field("output.message", "`output.message` is missing in the provider's answer"))?;
    let said = parts(message.get("content").map_or(&[][..], Node::items));
    let calls = said.iter().any(|part| matches!(part.content, Content::ToolCall { .. }));
    let more = node.get("additionalModelResponseFields");
    let choice = Choice {
        parts: said,
        finish: finish(node.str("stopReason").unwrap_or("end_turn"), stop_sequence(more), calls),
        logprobs: None,
    };
    let mut answer = Answer {
        origin: Format::BedrockConverse,
        id: String::new(),
        model: context.model.clone(),
        choices: vec![choice],
        usage: usage_beside(&node),
        service_tier: node.get("serviceTier").and_then(|tier| tier.str("type")).map(str::to_owned),
    };
    context.restore(&mut answer);
    Ok(answer)
}

/// The stop sequence that came, where the model says it.
pub(super) fn stop_sequence<'n>(more: Option<&'n Node<'_>>) -> Option<&'n str> {
    more?.str("stop_sequence")
}

/// `calls`: tools were called; some models say `end_turn` all the same.
pub(super) fn finish(reason: &str, sequence: Option<&str>, calls: bool) -> Finish {
    match reason {
        "end_turn" if calls => Finish::ToolCalls,
        "tool_use" => Finish::ToolCalls,
        "stop_sequence" => Finish::StopSequence(sequence.map(str::to_owned)),
        "max_tokens" => Finish::Length,
        "model_context_window_exceeded" => Finish::ContextFull,
        "content_filtered" | "guardrail_intervened" => Finish::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => Finish::Failed(reason.to_owned()),
        _ => Finish::Stop,
    }
}

/// `stopReason` and the stop sequence.
pub(super) fn finish_words(finish: &Finish) -> (&str, Option<&str>) {
    match finish {
        Finish::ToolCalls => ("tool_use", None),
        Finish::StopSequence(sequence) => ("stop_sequence", sequence.as_deref()),
        Finish::Length => ("max_tokens", None),
        Finish::ContextFull => ("model_context_window_exceeded", None),
        Finish::ContentFilter => ("content_filtered", None),
        Finish::Failed(reason) if reason == "malformed_tool_use" => ("malformed_tool_use", None),
        Finish::Failed(_) => ("malformed_model_output", None),
        Finish::Stop | Finish::Pause => ("end_turn", None),
    }
}

/// `{"stop_sequence":..}` where there is one.
pub(super) fn more_fields(sequence: Option<&str>) -> Option<String> {
    sequence.map(|sequence| Obj::new().str("stop_sequence", sequence).end())
}

/// Writes an answer body, from the first choice: this API has no others.
#[must_use]
pub fn encode_answer(answer: &Answer, _: &Context) -> Vec<u8> {
    let choice = answer.choices.first();
    let content = Arr::of(choice.into_iter().flat_map(|choice| &choice.parts).filter_map(block));
    let message = Obj::new().str("role", "assistant").raw("content", &content).end();
    let (reason, sequence) = finish_words(choice.map_or(&Finish::Stop, |choice| &choice.finish));
    let mut body = Obj::new();
    body.raw("output", &Obj::new().raw("message", &message).end()).str("stopReason", reason);
    body.opt_raw("additionalModelResponseFields", more_fields(sequence).as_deref());
    body.raw("usage", &encode_usage(&answer.usage.unwrap_or_default())).raw("metrics", r#"{"latencyMs":0}"#);
    body.end().into_bytes()
}

/// A block of an answer; None for what this API's clients cannot read.
fn block(part: &Part) -> Option<String> {
    Some(match &part.content {
        Content::Text { text, .. } | Content::Refusal(text) => text_block(text),
        Content::ToolCall { id, name, arguments, .. } => tool_use(id, name, arguments),
        Content::Reasoning { encrypted: Some(data), .. } => redacted(data),
        Content::Reasoning { text, signature, .. } => reasoning(text, signature.as_deref()),
        Content::Audio { data, format } => audio(data, format),
        Content::Raw { origin: Format::BedrockConverse, json } => json.clone(),
        _ => return None,
    })
}
