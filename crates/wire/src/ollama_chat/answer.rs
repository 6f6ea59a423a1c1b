//! Whole `/api/chat` answers, usage and errors.

use super::decode::parts;
use crate::ids::arguments_object;
use crate::json::Node;
use crate::logprobs;
use crate::neutral::{Answer, Choice, Content, Finish, Part};
use crate::write::{Arr, Obj};
use crate::{ApiError, Context, DecodeError, Format, Usage};

/// Reads an answer body.
///
/// # Errors
/// When it is no JSON object with `message`.
pub fn decode_answer(body: &[u8], context: &Context) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::body("the answer is not valid UTF-8"))?;
    let node = Node::parse(text, 10)?;
    let message = node.get("message");
    let message = message.ok_or_else(|| DecodeError::field("message", "`message` is missing in the answer"))?;
    let mut said = parts(message);
    let calls = name_calls(&mut said, 0, context);
    let mut answer = Answer {
        origin: Format::OllamaChat,
        id: String::new(),
        model: node.str("model").unwrap_or_default().to_owned(),
        choices: vec![Choice {
            parts: said,
            finish: finish(node.str("done_reason").unwrap_or("stop"), calls > 0),
            logprobs: logprobs::of_entries(node.get("logprobs")),
        }],
        usage: usage(node.raw),
        service_tier: None,
    };
    context.restore(&mut answer);
    Ok(answer)
}

/// Gives calls without an id one made from ours; how many calls there are.
pub(super) fn name_calls(parts: &mut [Part], from: u32, context: &Context) -> u32 {
    let mut number = 0;
    for part in parts {
        if let Content::ToolCall { id, .. } = &mut part.content {
            if id.is_empty() {
                *id = context.call_id(from + number);
            }
            number += 1;
        }
    }
    number
}

pub(super) fn finish(reason: &str, calls: bool) -> Finish {
    match reason {
        _ if calls => Finish::ToolCalls,
        "length" => Finish::Length,
        _ => Finish::Stop,
    }
}

const fn finish_word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Length | Finish::ContextFull => "length",
        _ => "stop",
    }
}

/// Reads the counts that stand beside the message; None when there are none.
#[must_use]
pub fn usage(json: &str) -> Option<Usage> {
    let node = Node::parse(json, 1).ok()?;
    let (input, output) = (node.tokens("prompt_eval_count"), node.tokens("eval_count"));
    (input.is_some() || output.is_some()).then(|| Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        ..Usage::default()
    })
}

/// Writes an answer body, from the first choice: this API has no others.
#[must_use]
pub fn encode_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let choice = answer.choices.first();
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Arr::new());
    for part in choice.map_or(&[][..], |choice| &choice.parts) {
        match &part.content {
            Content::Text { text: more, .. } | Content::Refusal(more) => text.push_str(more),
            Content::Reasoning { text: more, .. } => thinking.push_str(more),
            Content::ToolCall { .. } => calls.push(&call_json(&part.content)),
            _ => {}
        }
    }
    let mut message = Obj::new();
    message.str("role", "assistant").str("content", &text);
    if !thinking.is_empty() {
        message.str("thinking", &thinking);
    }
    if !calls.is_empty() {
        message.raw("tool_calls", &calls.end());
    }
    let finish = choice.map(|choice| choice.finish.clone()).unwrap_or_default();
    line(&answer.model, &message.end(), Some((&finish, answer.usage)), context).into_bytes()
}

pub(super) fn call_json(call: &Content) -> String {
    let mut object = Obj::new();
    if let Content::ToolCall { id, name, arguments, .. } = call {
        let inner = Obj::new().str("name", name).raw("arguments", &arguments_object(arguments)).end();
        object.str("id", id).raw("function", &inner);
    }
    object.end()
}

/// An answer, or one line of a stream; with an ending when it is the last.
pub(super) fn line(model: &str, message: &str, ending: Option<(&Finish, Option<Usage>)>, context: &Context) -> String {
    let mut body = Obj::new();
    body.str("model", model).str("created_at", &rfc3339(context.created_s)).raw("message", message);
    match ending {
        None => {
            body.bool("done", false);
        }
        Some((finish, usage)) => {
            body.str("done_reason", finish_word(finish)).bool("done", true);
            if let Some(usage) = usage {
                body.num("prompt_eval_count", usage.input_tokens).num("eval_count", usage.output_tokens);
            }
        }
    }
    body.end()
}

/// `2026-11-22T10:00:00Z`. Days to date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn rfc3339(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400 + 719_468, unix_s % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// The error as a body, and as a line of a stream.
#[must_use]
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    Obj::new().str("error", &error.message).end().into_bytes()
}

/// Reads an error body. What is no JSON gives an error with the status alone.
#[must_use]
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    crate::openai_chat::decode_error(status, body)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn seconds_become_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(rfc3339(4_102_444_799), "2099-12-31T23:59:59Z");
    }
}
