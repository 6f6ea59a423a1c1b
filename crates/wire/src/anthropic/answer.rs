//! Whole Messages answers.

use super::decode::block;
use super::turns::answer_block;
use super::usage::{encode_usage, usage};
use crate::json::{At, Node};
use crate::neutral::{Answer, Choice, Finish};
use crate::write::{Arr, Obj};
use crate::{Context, DecodeError, Format};

/// Reads an answer body.
///
/// # Errors
/// When it is no JSON object with `content`.
pub fn decode_answer(body: &[u8], context: &Context) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::body("the answer is not valid UTF-8"))?;
    let mut node = Node::parse(text, 8)?;
    let at = At::Top("content");
    let content = node.take("content").ok_or_else(|| at.missing("an array of blocks"))?.want_items(at)?;
    let choice = Choice {
        parts: content.iter().map(block).collect(),
        finish: finish(node.str("stop_reason").unwrap_or("end_turn"), node.str("stop_sequence")),
        logprobs: None,
    };
    let usage_node = node.get("usage");
    let mut answer = Answer {
        origin: Format::AnthropicMessages,
        id: node.str("id").unwrap_or_default().to_owned(),
        model: node.str("model").unwrap_or_default().to_owned(),
        choices: vec![choice],
        usage: usage_node.and_then(|node| usage(node.raw)),
        service_tier: usage_node.and_then(|node| service_tier(node.str("service_tier")?)).map(str::to_owned),
    };
    context.restore(&mut answer);
    Ok(answer)
}

/// In OpenAI's words, where they have one.
fn service_tier(word: &str) -> Option<&'static str> {
    match word {
        "standard" => Some("default"),
        "priority" => Some("priority"),
        _ => None,
    }
}

pub(super) fn finish(reason: &str, sequence: Option<&str>) -> Finish {
    match reason {
        "stop_sequence" => Finish::StopSequence(sequence.map(str::to_owned)),
        "max_tokens" => Finish::Length,
        "model_context_window_exceeded" => Finish::ContextFull,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        "pause_turn" => Finish::Pause,
        _ => Finish::Stop,
    }
}

/// `stop_reason` and `stop_sequence`.
pub(super) fn finish_words(finish: &Finish) -> (&'static str, Option<&str>) {
    match finish {
        Finish::StopSequence(sequence) => ("stop_sequence", sequence.as_deref()),
        Finish::Length => ("max_tokens", None),
        Finish::ContextFull => ("model_context_window_exceeded", None),
        Finish::ToolCalls => ("tool_use", None),
        Finish::ContentFilter => ("refusal", None),
        Finish::Pause => ("pause_turn", None),
        // The API has no word for a model that failed; the caller answers with an error before it comes to this.
        Finish::Stop | Finish::Failed(_) => ("end_turn", None),
    }
}

/// Writes an answer body, from the first choice: this API has no others.
#[must_use]
pub fn encode_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let choice = answer.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let content = Arr::of(parts.iter().filter_map(|part| answer_block(&part.content)));
    let stop = Finish::Stop;
    let (reason, sequence) = finish_words(choice.map_or(&stop, |choice| &choice.finish));
    let mut body = Obj::new();
    body.str("id", &context.id_or(&answer.id, "msg_")).str("type", "message").str("role", "assistant");
    body.str("model", &answer.model).raw("content", &content);
    body.str("stop_reason", reason).str_or_null("stop_sequence", sequence);
    body.null("stop_details").null("container");
    body.raw("usage", &encode_usage(&answer.usage.unwrap_or_default()));
    body.end().into_bytes()
}
