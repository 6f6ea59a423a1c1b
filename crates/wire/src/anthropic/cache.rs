//! Places cache markers where a client that set none would profit: a read costs a tenth, a write a quarter more.
//!
//! At most two of the four that the API takes: behind the instructions (or, without any, the tools), and behind the last
//! turn. Whether a conversation is one that profits is for the caller to say ([`EncodeOptions::place_cache_marks`]); here it is
//! only seen to that nothing is marked that the model does not cache, and that a client's own markers stay alone.
//!
//! [`EncodeOptions::place_cache_marks`]: crate::EncodeOptions::place_cache_marks

use crate::DecodeError;
use crate::json::{Kind, Node};
use crate::neutral::{Content, Json, Part, Request, Role, ToolKind};
use crate::splice::{Edit, Fields};
use crate::tokens::estimate;
use crate::write::{Arr, Obj, quoted};

const MARK: &str = r#"{"type":"ephemeral"}"#;

/// What is said of it.
pub(crate) const NOTE: &str = "placed behind the long prefix of this conversation";

/// Shorter prefixes are not cached, by model: Claude's prompt caching guide, November 2026. A marker behind one costs
/// nothing, and nothing is what it does. Models that are not listed cache from 1,024 tokens or less.
const LEAST_TOKENS: [(&str, u32); 7] = [
    ("haiku-4-5", 4_096),
    ("opus-4-5", 4_096),
    ("opus-4-6", 4_096),
    ("opus-4-7", 2_048),
    ("sonnet-4-6", 2_048),
    ("3-haiku", 2_048),
    ("3-5-haiku", 2_048),
];

fn least_tokens(model: &str) -> u32 {
    let model = model.replace('.', "-");
    LEAST_TOKENS.iter().find(|(name, _)| model.contains(name)).map_or(1_024, |(_, tokens)| *tokens)
}

/// The request with markers, where what stands before them is long enough for this model. None when nothing is to be marked,
/// or the client has placed markers itself.
pub(super) fn with_marks(request: &Request, model: &str) -> Option<Request> {
    let marked = request.tools.iter().any(|tool| tool.cache.is_some())
        || request.messages.iter().flat_map(|message| &message.parts).any(|part| part.cache.is_some());
    if marked {
        return None;
    }
    let is_head = |role: Role| matches!(role, Role::System | Role::Developer);
    let tokens = |head: bool| -> u32 {
        let messages = request.messages.iter().filter(|message| is_head(message.role) == head);
        messages.flat_map(|message| &message.parts).map(part_tokens).fold(0, u32::saturating_add)
    };
    let prefix = tools_tokens(request).saturating_add(tokens(true));
    let whole = prefix.saturating_add(tokens(false));
    let least = least_tokens(model);
    if whole < least {
        return None;
    }
    let mut request = request.clone();
    let mark = || Some(Json::from(MARK));
    if prefix >= least {
        match request.messages.iter_mut().rfind(|message| is_head(message.role)).and_then(|last| last.parts.last_mut())
        {
            Some(part) => part.cache = mark(),
            None => request.tools.last_mut().into_iter().for_each(|tool| tool.cache = mark()),
        }
    }
    let last = request.messages.last_mut().filter(|last| matches!(last.role, Role::User | Role::Tool));
    if let Some(part) = last.and_then(|last| last.parts.last_mut()) {
        part.cache = mark();
    }
    Some(request)
}

fn part_tokens(part: &Part) -> u32 {
    match &part.content {
        Content::Text { text, .. } | Content::ToolCall { arguments: text, .. } => estimate(text),
        Content::ToolResult { content, .. } => {
            let texts = content.iter().map(|content| match content {
                Content::Text { text, .. } => estimate(text),
                _ => 0,
            });
            texts.sum()
        }
        _ => 0,
    }
}

fn tools_tokens(request: &Request) -> u32 {
    let tools = request.tools.iter().map(|tool| {
        let schema = match &tool.kind {
            ToolKind::Function { parameters, .. } => parameters.as_deref().unwrap_or_default(),
            ToolKind::Custom { .. } => "",
            ToolKind::Hosted { json, .. } => json,
        };
        estimate(tool.description.as_deref().unwrap_or_default()).saturating_add(estimate(schema))
    });
    tools.sum()
}

/// The same for a request that goes on in its own API: edits of `system` or `tools`, and of `messages`. Empty when nothing is
/// to be marked.
///
/// # Errors
/// When one of them is no JSON.
pub(crate) fn marks(fields: &Fields<'_>, model: &str) -> Result<Vec<Edit<'static>>, DecodeError> {
    let text = |name: &str| fields.get(name).filter(|text| *text != "null").unwrap_or_default();
    let (tools, system, messages) = (text("tools"), text("system"), text("messages"));
    let marked = |text: &str| memchr::memmem::find(text.as_bytes(), b"\"cache_control\"").is_some();
    if fields.get("cache_control").is_some() || [tools, system, messages].into_iter().any(marked) {
        return Ok(Vec::new());
    }
    let prefix = estimate(tools).saturating_add(estimate(system));
    let least = least_tokens(model);
    let mut edits = Vec::new();
    if prefix >= least {
        let name = if system.is_empty() { "tools" } else { "system" };
        edits.extend(with_last_marked(text(name))?.map(|json| Edit::Set(name, json.into())));
    }
    if prefix.saturating_add(estimate(messages)) >= least {
        edits.extend(with_last_turn_marked(messages)?.map(|json| Edit::Set("messages", json.into())));
    }
    Ok(edits)
}

/// A list of blocks or tools, or one text, with a marker at its end; None for an empty text, which cannot be marked.
fn with_last_marked(json: &str) -> Result<Option<String>, DecodeError> {
    let node = Node::parse(json, 1)?;
    if let Kind::String(text) = &node.kind {
        let block = || Obj::new().str("type", "text").raw("text", &quoted(text)).raw("cache_control", MARK).end();
        return Ok((!text.is_empty()).then(|| Arr::of([block()])));
    }
    let Some((last, rest)) = node.items().split_last() else { return Ok(None) };
    let marked = with_field(last.raw, "cache_control", MARK.to_owned())?;
    Ok(Some(Arr::of(rest.iter().map(|item| item.raw.to_owned()).chain([marked]))))
}

/// Only what the user says last: a turn of the model is continued, and stays as it is.
fn with_last_turn_marked(messages: &str) -> Result<Option<String>, DecodeError> {
    let node = Node::parse(messages, 2)?;
    let Some((last, rest)) = node.items().split_last().filter(|(last, _)| last.str("role") == Some("user")) else {
        return Ok(None);
    };
    let Some(content) = last.get("content").map(|content| with_last_marked(content.raw)).transpose()?.flatten() else {
        return Ok(None);
    };
    let marked = with_field(last.raw, "content", content)?;
    Ok(Some(Arr::of(rest.iter().map(|item| item.raw.to_owned()).chain([marked]))))
}

fn with_field(object: &str, name: &'static str, json: String) -> Result<String, DecodeError> {
    let set = Fields::parse(object.as_bytes())?.apply(&[Edit::Set(name, json.into())]);
    Ok(String::from_utf8_lossy(&set).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::neutral::{Part, Request, Role};
    use crate::splice::Fields;
    use crate::{EncodeOptions, Format, encode_request};
    use expect_test::{Expect, expect};

    /// How many markers a request of that many words gets, and whether the instructions have one.
    #[track_caller]
    fn check(system_words: usize, user_words: usize, place: bool, want: (usize, bool)) {
        let mut request = Request::new(Format::OpenaiChat, "auto");
        request.push(Role::System, vec![Part::text("rule ".repeat(system_words))], false);
        request.push(Role::User, vec![Part::text("word ".repeat(user_words))], false);
        let options = EncodeOptions { place_cache_marks: place, ..EncodeOptions::new("m") };
        let body =
            String::from_utf8(encode_request(Format::AnthropicMessages, &request, &options).unwrap().body).unwrap();
        let (system, _) = body.split_once("\"messages\"").unwrap();
        assert_eq!((body.matches("cache_control").count(), system.contains("cache_control")), want);
    }

    #[test]
    fn long_prefixes_are_marked_where_that_is_wanted() {
        check(10, 10, true, (0, false));
        check(9_000, 10, true, (2, true));
        check(10, 9_000, true, (1, false));
        check(9_000, 9_000, false, (0, false));
    }

    #[test]
    fn the_least_prefix_is_found_by_the_names_that_models_have() {
        for (model, tokens) in [
            ("claude-3-haiku-20240307", 2_048),
            ("anthropic.claude-3-5-haiku-20241022-v1:0", 2_048),
            ("claude-haiku-4.5", 4_096),
            ("claude-opus-4-7", 2_048),
            ("claude-sonnet-5-5", 1_024),
        ] {
            assert_eq!(super::least_tokens(model), tokens, "{model}");
        }
    }

    #[track_caller]
    fn check_same(model: &str, body: &str, want: &Expect) {
        let body = body.replace("LONG", &"word ".repeat(1_500));
        let fields = Fields::parse(body.as_bytes()).unwrap();
        let edits = super::marks(&fields, model).unwrap();
        let out = String::from_utf8(fields.apply(&edits)).unwrap();
        serde_json::from_str::<serde_json::Value>(&out).unwrap();
        want.assert_eq(&out.replace(&"word ".repeat(1_500), "LONG"));
    }

    #[test]
    fn a_request_in_its_own_api_is_marked_and_otherwise_left_alone() {
        let body = r#"{"system":"LONG","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c\"d","x":1.0}]}"#;
        check_same(
            "claude-sonnet-5",
            body,
            &expect![[
                r#"{"system":[{"type":"text","text":"LONG","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":[{"type":"text","text":"c\"d","cache_control":{"type":"ephemeral"}}],"x":1.0}]}"#
            ]],
        );
        check_same(
            "claude-haiku-4.5",
            body,
            &expect![[
                r#"{"system":"LONG","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c\"d","x":1.0}]}"#
            ]],
        );
        check_same(
            "claude-sonnet-5",
            r#"{"tools":[{"name":"f"},{"name":"g","description":"LONG"}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]}]}"#,
            &expect![[
                r#"{"tools":[{"name":"f"},{"name":"g","description":"LONG","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r","cache_control":{"type":"ephemeral"}}]}]}"#
            ]],
        );
        check_same(
            "claude-sonnet-5",
            r#"{"system":[{"type":"text","text":"LONG","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"a"}]}"#,
            &expect![[
                r#"{"system":[{"type":"text","text":"LONG","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"a"}]}"#
            ]],
        );
        check_same(
            "m",
            r#"{"messages":[{"role":"user","content":"LONG"},{"role":"assistant","content":"b"}]}"#,
            &expect![[r#"{"messages":[{"role":"user","content":"LONG"},{"role":"assistant","content":"b"}]}"#]],
        );
    }
}
