//! Places cache markers where a client that could not say them would profit: reads cost a tenth, writes a quarter more.

use crate::neutral::{Content, Json, Part, Request, Role, ToolKind};
use crate::tokens::estimate;

/// Shorter prefixes are not worth a marker: most Claude models cache nothing below 1,024 tokens, some nothing below 4,096.
const LEAST_TOKENS: u32 = 4_096;

const MARK: &str = r#"{"type":"ephemeral"}"#;

/// The request with markers behind its instructions (or, without any, its tools) and behind its last turn, where what
/// stands before is long. None when nothing is to be marked, or the client has placed markers itself.
pub(super) fn with_marks(request: &Request) -> Option<Request> {
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
    if whole < LEAST_TOKENS {
        return None;
    }
    let mut request = request.clone();
    let mark = || Some(Json::from(MARK));
    if prefix >= LEAST_TOKENS {
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

#[cfg(test)]
mod tests {
    use crate::neutral::{Part, Request, Role};
    use crate::{EncodeOptions, Format, encode_request};

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
}
