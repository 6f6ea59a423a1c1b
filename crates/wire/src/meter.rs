//! Reads usage, finish and errors of an answer in passing, while its bytes go to a client that speaks the same API.
//!
//! Nothing is decoded that is not needed: one walk over the top level of each event, no allocation for those that carry
//! text only.

use crate::json::{Cursor, Node};
use crate::openai_chat::Facts;
use crate::splice::{Edit, Fields};
use crate::{DecodeError, Format, ServiceTier, Usage, anthropic, openai_responses, sse};

/// What a relayed answer has said so far.
#[derive(Debug)]
pub struct Meter {
    format: Format,
    events: sse::Events,
    counts: anthropic::Counts,
    state: Metered,
}

/// The decisive facts of an answer or of the part of it that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// Usage as reported last.
    pub usage: Option<Usage>,
    /// Text, reasoning or a tool call came.
    pub has_content: bool,
    /// A tool call came.
    pub has_tool_call: bool,
    /// The finish reason in the API's own word.
    pub finish: Option<String>,
    /// The answer is whole: every choice has ended (Chat Completions), or the closing event came.
    pub whole: bool,
    /// JSON text of the error that ended it.
    pub error: Option<String>,
    /// The model that answers, as the provider names it.
    pub model: Option<String>,
    /// The service tier that was used.
    pub service_tier: Option<String>,
}

impl Meter {
    /// For one answer of that API.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, events: sse::Events::default(), counts: anthropic::Counts::default(), state: Metered::default() }
    }

    /// What is known so far.
    #[must_use]
    pub const fn state(&self) -> &Metered {
        &self.state
    }

    /// Takes the next bytes of a stream, cut anywhere.
    ///
    /// # Errors
    /// When an event grows beyond [`sse::MAX_EVENT_BYTES`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut events = std::mem::take(&mut self.events);
        let result = events.push(bytes, |event| {
            self.event(&event.data());
        });
        self.events = events;
        result.map_err(|error| DecodeError::body(error.to_string()))
    }

    /// Takes the data of one event; gives the JSON text of its usage object, where the client's money goes.
    pub fn event<'d>(&mut self, data: &'d [u8]) -> Option<&'d str> {
        if data.is_empty() {
            return None;
        }
        match self.format {
            Format::AnthropicMessages => self.messages(data),
            Format::OpenaiResponses => self.responses(data),
            _ => self.chat(data),
        }
    }

    /// Takes a whole answer body.
    pub fn body<'d>(&mut self, body: &'d [u8]) -> Option<&'d str> {
        match self.format {
            Format::AnthropicMessages => self.message_body(body),
            Format::OpenaiResponses => {
                let node = Node::parse(std::str::from_utf8(body).ok()?, 1).ok()?;
                self.response(&node);
                self.state.whole = true;
                node.get("usage").map(|usage| usage.raw)
            }
            _ => self.chat(body),
        }
    }

    fn chat<'d>(&mut self, data: &'d [u8]) -> Option<&'d str> {
        let facts = Facts::read(data)?;
        let state = &mut self.state;
        state.has_content |= facts.has_content;
        state.has_tool_call |= facts.has_tool_call;
        let earlier = state.service_tier.as_deref().map_or(ServiceTier::Standard, ServiceTier::named);
        let usage = facts.usage().map(|usage| usage.under(usage.service_tier.or(earlier)));
        state.usage = usage.or(state.usage);
        set(&mut state.error, facts.error_json);
        set(&mut state.finish, facts.finish);
        set(&mut state.service_tier, facts.service_tier);
        if state.model.is_none() {
            set(&mut state.model, facts.model);
        }
        // [DONE] closes a stream; servers that send none have said all with the finish reason.
        state.whole |= state.finish.is_some() && state.error.is_none();
        facts.usage_json
    }

    fn messages<'d>(&mut self, data: &'d [u8]) -> Option<&'d str> {
        let text = std::str::from_utf8(data).ok()?;
        match kind(text)? {
            "content_block_delta" => {
                self.state.has_content = true;
                None
            }
            "content_block_start" => {
                let node = Node::parse(text, 2).ok()?;
                let kind = node.get("content_block").and_then(|block| block.str("type"));
                self.state.has_tool_call |= kind == Some("tool_use");
                self.state.has_content |= kind == Some("tool_use");
                None
            }
            "message_start" => {
                let node = Node::parse(text, 4).ok()?;
                let message = node.get("message")?;
                set(&mut self.state.model, message.str("model"));
                set(&mut self.state.service_tier, message.get("usage").and_then(|usage| usage.str("service_tier")));
                self.count(message.get("usage"));
                None
            }
            "message_delta" => {
                let node = Node::parse(text, 4).ok()?;
                self.count(node.get("usage"));
                set(&mut self.state.finish, node.get("delta").and_then(|delta| delta.str("stop_reason")));
                node.get("usage").map(|usage| usage.raw)
            }
            "message_stop" => {
                self.state.whole = self.state.finish.is_some();
                None
            }
            "error" => {
                set(&mut self.state.error, Node::parse(text, 1).ok()?.get("error").map(|error| error.raw));
                None
            }
            _ => None,
        }
    }

    fn message_body<'d>(&mut self, body: &'d [u8]) -> Option<&'d str> {
        let node = Node::parse(std::str::from_utf8(body).ok()?, 4).ok()?;
        let state = &mut self.state;
        set(&mut state.model, node.str("model"));
        set(&mut state.finish, node.str("stop_reason"));
        let blocks = node.get("content").map_or(&[][..], Node::items);
        state.has_content = !blocks.is_empty();
        state.has_tool_call = blocks.iter().any(|block| block.str("type") == Some("tool_use"));
        state.whole = true;
        set(&mut state.service_tier, node.get("usage").and_then(|usage| usage.str("service_tier")));
        self.count(node.get("usage"));
        node.get("usage").map(|usage| usage.raw)
    }

    fn count(&mut self, usage: Option<&Node<'_>>) {
        if let Some(usage) = usage {
            self.counts.update(usage);
            self.state.usage = Some(self.counts.usage());
        }
    }

    fn responses<'d>(&mut self, data: &'d [u8]) -> Option<&'d str> {
        let text = std::str::from_utf8(data).ok()?;
        match kind(text)? {
            "response.output_text.delta" | "response.refusal.delta" | "response.reasoning_summary_text.delta" => {
                self.state.has_content = true;
                None
            }
            "response.output_item.added" => {
                let node = Node::parse(text, 2).ok()?;
                let kind = node.get("item").and_then(|item| item.str("type"));
                let call = matches!(kind, Some("function_call" | "custom_tool_call"));
                self.state.has_tool_call |= call;
                self.state.has_content |= call;
                None
            }
            "response.created" => {
                let node = Node::parse(text, 2).ok()?;
                set(&mut self.state.model, node.get("response").and_then(|response| response.str("model")));
                None
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let node = Node::parse(text, 2).ok()?;
                let response = node.get("response")?;
                self.response(response);
                self.state.whole = self.state.error.is_none();
                response.get("usage").map(|usage| usage.raw)
            }
            "error" => {
                self.state.error = Some(text.to_owned());
                None
            }
            _ => None,
        }
    }

    /// A response object, opened one level.
    fn response(&mut self, response: &Node<'_>) {
        let state = &mut self.state;
        set(&mut state.model, response.str("model"));
        set(&mut state.service_tier, response.str("service_tier"));
        set(&mut state.finish, response.str("status"));
        set(&mut state.error, response.get("error").map(|error| error.raw));
        state.has_content |= response.get("output").is_some_and(|output| output.raw.len() > 2);
        state.usage = openai_responses::reported(response).or(state.usage);
    }
}

/// The inside of the top-level `type`: the first field in nearly every event.
fn kind(text: &str) -> Option<&str> {
    let mut found = None;
    // The walk stops as soon as it is found: the closure then gives none, which ends it.
    let _ = Cursor::new(text).object(|key, cursor| {
        let value = cursor.skip()?;
        if key == "type" {
            found = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            return None;
        }
        Some(())
    });
    found
}

/// Takes over what is new; what is repeated in every chunk costs no allocation.
fn set(into: &mut Option<String>, value: Option<&str>) {
    if let Some(value) = value
        && into.as_deref() != Some(value)
    {
        *into = Some(value.to_owned());
    }
}

/// The body or event with `cost` (JSON text of a number, US dollars) and `cost_details` (JSON text of an object) set in
/// its usage object, which [`Meter`] pointed at; every other byte as it came. None when `usage` lies elsewhere.
#[must_use]
pub fn with_cost(data: &[u8], usage: &str, cost: &str, details: Option<&str>) -> Option<Vec<u8>> {
    let start = (usage.as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
    let (before, after) = (data.get(..start)?, data.get(start + usage.len()..)?);
    let mut out = Vec::with_capacity(data.len() + cost.len() + details.map_or(0, str::len) + 32);
    out.extend_from_slice(before);
    if let Some(open) = appendable(usage) {
        for part in [open, ",\"cost\":", cost] {
            out.extend_from_slice(part.as_bytes());
        }
        for part in details.iter().flat_map(|details| [",\"cost_details\":", details]) {
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b'}');
    } else {
        let mut edits = vec![Edit::Set("cost", cost.into())];
        edits.extend(details.map(|details| Edit::Set("cost_details", details.into())));
        out.extend_from_slice(&Fields::parse(usage.as_bytes()).ok()?.apply(&edits));
    }
    out.extend_from_slice(after);
    Some(out)
}

/// A usage object without its closing brace, when it surely names no cost yet, as nearly all do: it need not be read again.
fn appendable(usage: &str) -> Option<&str> {
    let open = usage.strip_suffix('}')?;
    (open.contains(':') && !open.contains("cost") && !open.contains('\\')).then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// Feeds a stream in pieces of every size: what is metered must not depend on where it was cut.
    #[track_caller]
    fn check(format: Format, stream: &str, want: &Expect) {
        let mut said = Vec::new();
        for size in [1, 7, stream.len()] {
            let mut meter = Meter::new(format);
            stream.as_bytes().chunks(size).for_each(|piece| meter.push(piece).unwrap());
            let state = meter.state();
            said.push(format!(
                "usage {:?} content {} tool {} finish {:?} whole {} error {:?} model {:?}",
                state.usage.map(|usage| (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens)),
                state.has_content,
                state.has_tool_call,
                state.finish,
                state.whole,
                state.error,
                state.model,
            ));
        }
        assert_eq!(said[0], said[1]);
        assert_eq!(said[1], said[2]);
        want.assert_eq(&said[0]);
    }

    #[test]
    fn streams_are_metered_in_passing() {
        check(
            Format::AnthropicMessages,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":2,\"output_tokens\":1}}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
            &expect![[
                r#"usage Some((5, 2, 9)) content true tool false finish Some("end_turn") whole true error None model Some("c")"#
            ]],
        );
        check(
            Format::AnthropicMessages,
            "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\"}}\n\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
            &expect![[
                r#"usage None content true tool true finish None whole false error Some("{\"type\":\"overloaded_error\"}") model None"#
            ]],
        );
        check(
            Format::OpenaiResponses,
            "data: {\"type\":\"response.created\",\"response\":{\"model\":\"o\"}}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"error\":null,\"output\":[{}],\"usage\":{\"input_tokens\":5,\"output_tokens\":6}}}\n\n",
            &expect![[
                r#"usage Some((5, 0, 6)) content true tool false finish Some("completed") whole true error None model Some("o")"#
            ]],
        );
        check(
            Format::OpenaiChat,
            "data: {\"model\":\"g\",\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}\n\ndata: [DONE]\n\n",
            &expect![[
                r#"usage Some((5, 0, 6)) content true tool false finish Some("stop") whole true error None model Some("g")"#
            ]],
        );
    }

    #[test]
    fn money_goes_into_the_usage_of_any_api() {
        for (format, body) in [
            (Format::OpenaiChat, r#"{"choices":[],"usage":{"prompt_tokens":1}}"#),
            (Format::AnthropicMessages, r#"{"content":[],"usage":{"input_tokens":1}}"#),
            (Format::OpenaiResponses, r#"{"output":[],"usage":{"input_tokens":1},"x":1.0}"#),
        ] {
            let usage = Meter::new(format).body(body.as_bytes()).unwrap();
            let out = String::from_utf8(with_cost(body.as_bytes(), usage, "0.5", None).unwrap()).unwrap();
            assert_eq!(out, body.replace(":1}", ":1,\"cost\":0.5}"));
        }
        for (usage, want) in [
            ("{}", r#"{"cost":0.5}"#),
            ("{ }", r#"{"cost":0.5 }"#),
            (r#"{"cost":9,"n":1}"#, r#"{"cost":0.5,"n":1}"#),
            (r#"{"n":1,"c\u006fst":9}"#, r#"{"n":1,"c\u006fst":0.5}"#),
            (r#"{"n":{"m":[]} }"#, r#"{"n":{"m":[]} ,"cost":0.5}"#),
        ] {
            let out = with_cost(usage.as_bytes(), usage, "0.5", None).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
        let elsewhere = String::from("{}");
        assert_eq!(with_cost(b"{}", &elsewhere, "1", None), None);
    }
}
