//! Whole Responses answers.

use super::item::{call_item, message_item, model_parts, output_part, reasoning_item};
use crate::json::{At, Node};
use crate::logprobs::{self, Gathered};
use crate::neutral::{Answer, Choice, Content, Finish, Json, Part};
use crate::splice::Fields;
use crate::write::{Arr, Obj};
use crate::{Context, DecodeError, Format, ServiceTier, Usage};

/// Reads an answer body.
///
/// # Errors
/// When it is no JSON object with `output`.
pub fn decode_answer(body: &[u8], context: &Context) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::body("the answer is not valid UTF-8"))?;
    let mut node = Node::parse(text, 10)?;
    let at = At::Top("output");
    let output = node.take("output").ok_or_else(|| at.missing("an array of items"))?.want_items(at)?;
    let parts: Vec<Part> = output.iter().flat_map(output_parts).collect();
    let calls = parts.iter().any(|part| matches!(part.content, Content::ToolCall { .. }));
    let mut odds = Gathered::default();
    for part in output.iter().filter_map(|item| item.get("content")).flat_map(Node::items) {
        logprobs::of_entries(part.get("logprobs")).iter().for_each(|json| odds.push(json));
    }
    let mut answer = Answer {
        origin: Format::OpenaiResponses,
        id: node.str("id").unwrap_or_default().to_owned(),
        model: node.str("model").unwrap_or_default().to_owned(),
        choices: vec![Choice { finish: finish(&node, calls), parts, logprobs: odds.whole() }],
        usage: reported(&node),
        service_tier: node.str("service_tier").map(str::to_owned),
    };
    context.restore(&mut answer);
    Ok(answer)
}

fn output_parts(item: &Node<'_>) -> Vec<Part> {
    model_parts(item)
        .unwrap_or_else(|| vec![Part::new(Content::Raw { origin: Format::OpenaiResponses, json: item.raw.to_owned() })])
}

/// Why the response ended. `calls`: it holds tool calls.
pub(super) fn finish(response: &Node<'_>, calls: bool) -> Finish {
    match response.str("status") {
        Some("incomplete") => match response.get("incomplete_details").and_then(|details| details.str("reason")) {
            Some("content_filter") => Finish::ContentFilter,
            _ => Finish::Length,
        },
        Some("failed" | "cancelled") => {
            let code = response.get("error").and_then(|error| error.str("code")).unwrap_or("failed");
            Finish::Failed(code.to_owned())
        }
        // Asked for in the background: it may be had later, from there.
        Some(status @ ("queued" | "in_progress")) => Finish::Failed(status.to_owned()),
        _ if calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// Writes an answer body.
#[must_use]
pub fn encode_answer(answer: &Answer, context: &Context) -> Vec<u8> {
    let choice = answer.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let mut odds = choice.and_then(|choice| choice.logprobs.as_deref()).map(logprobs::entries);
    let items = (0u32..).zip(parts).filter_map(|(number, part)| {
        // They are those of the text, of which there is one piece but for the rarest answers.
        let odds = if matches!(part.content, Content::Text { .. }) { odds.take() } else { None };
        item(&part.content, odds.as_deref().unwrap_or("[]"), number, context)
    });
    let output = Arr::of(items);
    let finish = choice.map(|choice| choice.finish.clone()).unwrap_or_default();
    let id = context.id_or(&answer.id, "resp_");
    let state = State { id: &id, model: &answer.model, output: &output, finish: Some(&finish), usage: answer.usage };
    state.write(context).into_bytes()
}

fn item(content: &Content, odds: &str, number: u32, context: &Context) -> Option<String> {
    Some(match content {
        Content::Text { .. } | Content::Refusal(_) => {
            message_item(&item_id(context, "msg", number), "completed", &Arr::of(output_part(content, odds)))
        }
        Content::Reasoning { text, signature, encrypted, id, origin } => {
            let own = id.clone().filter(|_| *origin == Format::OpenaiResponses);
            let id = own.unwrap_or_else(|| item_id(context, "rs", number));
            reasoning_item(&id, text, signature.as_deref(), encrypted.as_deref(), *origin)
        }
        Content::ToolCall { .. } => call_item(&item_id(context, "fc", number), "completed", content),
        Content::Raw { origin: Format::OpenaiResponses, json } => json.clone(),
        _ => return None,
    })
}

pub(super) fn item_id(context: &Context, prefix: &str, number: u32) -> String {
    format!("{prefix}_{}_{number}", context.request_id)
}

/// A response object at some moment; `finish` none: it is still being made.
pub(super) struct State<'s> {
    pub(super) id: &'s str,
    pub(super) model: &'s str,
    pub(super) output: &'s str,
    pub(super) finish: Option<&'s Finish>,
    pub(super) usage: Option<Usage>,
}

impl State<'_> {
    pub(super) fn write(&self, context: &Context) -> String {
        let (status, reason, error) = match self.finish {
            None => ("in_progress", None, None),
            Some(Finish::Length | Finish::ContextFull) => ("incomplete", Some("max_output_tokens"), None),
            Some(Finish::ContentFilter) => ("incomplete", Some("content_filter"), None),
            Some(Finish::Failed(code)) => ("failed", None, Some(code)),
            Some(_) => ("completed", None, None),
        };
        let mut body = Obj::new();
        body.str("id", self.id).str("object", "response").num("created_at", context.created_s);
        body.str("status", status);
        let error = error.map(|code| Obj::new().str("code", "server_error").str("message", code).end());
        body.raw("error", error.as_deref().unwrap_or("null"));
        let details = reason.map(|reason| Obj::new().str("reason", reason).end());
        body.raw("incomplete_details", details.as_deref().unwrap_or("null"));
        body.str("model", self.model).raw("output", self.output);
        for (name, default) in ECHOED {
            let said = context.echo.iter().find(|(known, _)| known == name).map(|(_, json)| json.as_str());
            body.raw(name, said.unwrap_or(default));
        }
        body.raw("usage", &self.usage.map_or_else(|| "null".to_owned(), |usage| encode_usage(&usage)));
        body.end()
    }
}

/// Fields of a request that its response repeats, and what they are when the client did not say.
const ECHOED: [(&str, &str); 13] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("store", "false"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
];

/// What a response has to repeat of its request: goes into [`Context::echo`].
#[must_use]
pub fn echo(fields: &Fields<'_>) -> Vec<(String, Json)> {
    let named = ECHOED.iter().filter_map(|(name, _)| Some((*name, fields.get(name)?)));
    let named = named.filter(|(_, json)| *json != "null");
    named.map(|(name, json)| (name.to_owned(), json.to_owned())).collect()
}

/// The usage of a response object, under the service tier that stands beside it.
pub(crate) fn reported(response: &Node<'_>) -> Option<Usage> {
    let tier = response.str("service_tier").map_or(ServiceTier::Standard, ServiceTier::named);
    Some(usage(response.get("usage")?.raw)?.under(tier))
}

/// Reads a usage object; None when it reports no count.
#[must_use]
pub fn usage(json: &str) -> Option<Usage> {
    let node = Node::parse(json, 3).ok()?;
    let (input, output) = (node.tokens("input_tokens"), node.tokens("output_tokens"));
    let detail = |of: &str, name: &str| node.get(of).and_then(|details| details.tokens(name)).unwrap_or(0);
    (input.is_some() || output.is_some()).then(|| Usage {
        input_tokens: input.unwrap_or(0),
        cached_input_tokens: detail("input_tokens_details", "cached_tokens"),
        cache_write_5m_tokens: detail("input_tokens_details", "cache_write_tokens"),
        cache_write_1h_tokens: 0,
        output_tokens: output.unwrap_or(0),
        reasoning_tokens: detail("output_tokens_details", "reasoning_tokens"),
        audio_input_tokens: detail("input_tokens_details", "audio_tokens"),
        audio_output_tokens: detail("output_tokens_details", "audio_tokens"),
        service_tier: ServiceTier::Standard,
    })
}

/// Writes a usage object.
#[must_use]
pub fn encode_usage(usage: &Usage) -> String {
    let mut input = Obj::new();
    input.num("cached_tokens", usage.cached_input_tokens);
    let written = usage.cache_write_5m_tokens.saturating_add(usage.cache_write_1h_tokens);
    input.num("cache_write_tokens", written);
    let output = Obj::new().num("reasoning_tokens", usage.reasoning_tokens).end();
    let mut object = Obj::new();
    object.num("input_tokens", usage.input_tokens).raw("input_tokens_details", &input.end());
    object.num("output_tokens", usage.output_tokens).raw("output_tokens_details", &output);
    object.num("total_tokens", usage.input_tokens.saturating_add(usage.output_tokens)).end()
}
