//! Whole Chat Completions answers.

use super::decode::{function_call, parts, tool_call as decode_call};
use super::encode::tool_call;
use super::thought::{detail, reasoning_parts};
use super::usage::usage;
use crate::citations::for_chat;
use crate::json::{At, Node};
use crate::neutral::{Answer, Choice, Content, Finish, Part};
use crate::write::{Arr, Obj, quoted};
use crate::{Context, DecodeError, Format, ServiceTier, Usage};

/// Reads an answer body.
///
/// # Errors
/// When it is no JSON object with `choices`.
pub fn decode_answer(body: &[u8], context: &Context) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::body("the answer is not valid UTF-8"))?;
    let mut node = Node::parse(text, 12)?;
    let choices = node.take("choices").ok_or_else(|| At::Top("choices").missing("an array of answers"))?;
    let choices = choices.want_items(At::Top("choices"))?;
    let tier = node.str("service_tier").map_or(ServiceTier::Standard, ServiceTier::named);
    let mut answer = Answer {
        origin: Format::OpenaiChat,
        id: node.str("id").unwrap_or_default().to_owned(),
        model: node.str("model").unwrap_or_default().to_owned(),
        choices: choices.into_iter().map(|choice| self::choice(choice, context)).collect(),
        usage: node.get("usage").and_then(|node| usage(node.raw)).map(|usage| usage.under(tier)),
        service_tier: node.str("service_tier").map(str::to_owned),
    };
    context.restore(&mut answer);
    Ok(answer)
}

fn choice(mut choice: Node<'_>, context: &Context) -> Choice {
    let mut said = Vec::new();
    if let Some(mut message) = choice.take("message") {
        said.extend(reasoning_parts(&message));
        let from = said.len();
        said.extend(parts(message.take("content")));
        if let Some(notes) = message.get("annotations").filter(|node| !node.items().is_empty())
            && let Some(Part { content: Content::Text { citations, .. }, .. }) = said.get_mut(from)
        {
            *citations = Some(notes.raw.to_owned());
        }
        said.extend(message.str("refusal").map(|text| Part::new(Content::Refusal(text.to_owned()))));
        let calls = message.get("tool_calls").map_or(&[][..], Node::items).iter().map(decode_call);
        let calls = calls.chain(message.get("function_call").map(function_call));
        said.extend((0..).zip(calls).map(|(number, mut call)| {
            if let Content::ToolCall { id, .. } = &mut call
                && id.is_empty()
            {
                *id = context.call_id(number);
            }
            Part::new(call)
        }));
    }
    let calls = said.iter().any(|part| matches!(part.content, Content::ToolCall { .. }));
    Choice {
        finish: finish(choice.str("finish_reason").unwrap_or("stop"), calls),
        logprobs: choice.get("logprobs").map(|node| node.raw.to_owned()),
        parts: said,
    }
}

/// `calls`: tools are called. OpenAI itself says `stop` then where the request forced the call, some servers always do.
pub(super) fn finish(word: &str, calls: bool) -> Finish {
    match word {
        "length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        "error" => Finish::Failed("error".to_owned()),
        _ if calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

pub(super) const fn finish_word(finish: &Finish, context: &Context) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause => "stop",
        Finish::Length | Finish::ContextFull => "length",
        Finish::ToolCalls if context.legacy_functions => "function_call",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        // OpenRouter's word; OpenAI has none for a model that failed.
        Finish::Failed(_) => "error",
    }
}

/// Writes an answer body.
#[must_use]
pub fn encode_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let mut body = Obj::new();
    body.str("id", &context.id_or(&answer.id, "chatcmpl-")).str("object", "chat.completion");
    body.num("created", context.created_s).str("model", &answer.model);
    let choices = (0u32..).zip(&answer.choices).map(|(index, choice)| {
        let mut object = Obj::new();
        object.num("index", index).raw("message", &message(choice, context));
        object.raw("logprobs", choice.logprobs.as_deref().unwrap_or("null"));
        object.str("finish_reason", finish_word(&choice.finish, context)).end()
    });
    body.raw("choices", &Arr::of(choices));
    body.opt_raw("usage", answer.usage.map(|usage| encode_usage(&usage)).as_deref());
    body.opt_str("service_tier", answer.service_tier.as_deref());
    body.end().into_bytes()
}

fn message(choice: &Choice, context: &Context) -> String {
    let (mut text, mut refusal, mut reasoning) = (None::<String>, None::<String>, String::new());
    let (mut calls, mut details, mut notes, mut only_call) = (Arr::new(), Arr::new(), Arr::new(), None);
    for part in &choice.parts {
        match &part.content {
            Content::Text { text: more, citations } => {
                let whole = text.get_or_insert_default();
                let start = whole.chars().count();
                whole.push_str(more);
                let list = citations.as_deref().and_then(|list| Node::parse(list, 1).ok());
                for note in list.iter().flat_map(Node::items) {
                    let place = start..start + more.chars().count();
                    for_chat(note.raw, &place).iter().for_each(|note| notes.push(note));
                }
            }
            Content::Refusal(more) => refusal.get_or_insert_default().push_str(more),
            Content::Reasoning { text, signature, encrypted, id, origin } => {
                reasoning.push_str(text);
                let entry = detail(text, signature.as_deref(), encrypted.as_deref(), id.as_deref(), *origin);
                entry.iter().for_each(|entry| details.push(entry));
            }
            Content::ToolCall { name, arguments, .. } if context.legacy_functions => {
                // There is room for one; the provider was asked for no more.
                only_call.get_or_insert_with(|| Obj::new().str("name", name).str("arguments", arguments).end());
            }
            Content::ToolCall { .. } => calls.push(&tool_call(&part.content, None, true)),
            _ => {}
        }
    }
    let mut object = Obj::new();
    object.str("role", "assistant");
    object.raw("content", text.map(|text| quoted(&text)).as_deref().unwrap_or("null"));
    object.str_or_null("refusal", refusal.as_deref());
    if !notes.is_empty() {
        object.raw("annotations", &notes.end());
    }
    if !reasoning.is_empty() {
        object.str("reasoning_content", &reasoning);
    }
    if !details.is_empty() {
        object.raw("reasoning_details", &details.end());
    }
    if !calls.is_empty() {
        object.raw("tool_calls", &calls.end());
    }
    object.opt_raw("function_call", only_call.as_deref());
    object.end()
}

/// A usage object.
#[must_use]
pub fn encode_usage(usage: &Usage) -> String {
    let mut prompt = Obj::new();
    prompt.num("cached_tokens", usage.cached_input_tokens);
    let written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens;
    if written > 0 {
        prompt.num("cache_write_tokens", written);
    }
    prompt.num("audio_tokens", usage.audio_input_tokens);
    let mut completion = Obj::new();
    completion.num("reasoning_tokens", usage.reasoning_tokens).num("audio_tokens", usage.audio_output_tokens);
    let mut object = Obj::new();
    object.num("prompt_tokens", usage.input_tokens).num("completion_tokens", usage.output_tokens);
    object.num("total_tokens", usage.input_tokens.saturating_add(usage.output_tokens));
    object.raw("prompt_tokens_details", &prompt.end()).raw("completion_tokens_details", &completion.end());
    object.end()
}
