//! Neutral messages as `system` and `messages`.

use super::maker::Maker;
use super::media::{self, Documents};
use crate::alternating::{Blocks, Turns};
use crate::ids::{arguments_object, fitting_id, messages_for};
use crate::json::Node;
use crate::neutral::{Content, Part, Request, Role, Source};
use crate::options::Changes;
use crate::write::{Arr, Obj};
use crate::{EncodeError, EncodeOptions, Format};

/// The API refuses longer ids.
const MAX_ID: usize = 64;

const BLOCKS: Blocks = Blocks {
    api: "the Converse API",
    result: r#"{"toolResult""#,
    call: r#"{"toolUse""#,
    thoughts: &[r#"{"reasoningContent""#],
    text: text_block,
};

/// The API takes documents only beside a text.
const BESIDE_DOCUMENT: &str = "See the document.";

/// The conversation of one request.
pub(super) struct Conversation {
    pub(super) system: Option<String>,
    pub(super) messages: String,
    /// Running tool calls lack this model's thinking.
    pub(super) runs_unsigned: bool,
}

/// What every block of a request needs to know.
pub(super) struct Said<'r> {
    pub(super) options: &'r EncodeOptions,
    pub(super) maker: Maker,
    documents: Documents,
    pub(super) changes: &'r mut Changes,
}

impl<'r> Said<'r> {
    pub(super) fn new(options: &'r EncodeOptions, changes: &'r mut Changes) -> Self {
        Self { options, maker: Maker::of(&options.model), documents: Documents::default(), changes }
    }

    /// `system` and `messages`. `instruction`: what is asked for beside the client's own instructions.
    pub(super) fn conversation(
        &mut self,
        request: &Request,
        instruction: Option<&str>,
    ) -> Result<Conversation, EncodeError> {
        let messages = messages_for(request, self.options, self.changes);
        let mut system = Vec::new();
        let mut turns = Turns::new(&BLOCKS);
        for message in messages.iter() {
            if message.name.is_some() {
                self.changes.dropped("messages.name", "the API knows no names of speakers");
            }
            let blocks = self.blocks(&message.parts)?;
            if matches!(message.role, Role::System | Role::Developer) {
                if !turns.is_empty() {
                    self.changes.moved("messages.system", "instructions amid the conversation went to its head");
                }
                system.extend(blocks);
            } else {
                turns.say(message.role != Role::Assistant, blocks, self.changes);
            }
        }
        system.extend(instruction.map(text_block));
        // Other makers' models answer a last turn of their own with an error.
        let prefill = self.options.prefill && matches!(self.maker, Maker::Anthropic | Maker::Amazon);
        turns.shape(&mut system, prefill, self.changes)?;
        for turn in &mut turns.list {
            let holds = |start: &str| turn.blocks.iter().any(|block| block.starts_with(start));
            if holds(r#"{"document""#) && !holds(r#"{"text""#) {
                self.changes.changed("messages", "the API takes a document beside a text only; a few words were added");
                turn.blocks.push(text_block(BESIDE_DOCUMENT));
            }
        }
        let runs_unsigned = turns.runs_unsigned();
        let system = (!system.is_empty()).then(|| Arr::of(system));
        Ok(Conversation { system, messages: turns.json(), runs_unsigned })
    }

    fn blocks(&mut self, parts: &[Part]) -> Result<Vec<String>, EncodeError> {
        let mut list = Vec::with_capacity(parts.len());
        let mut beside = Vec::new();
        for part in parts {
            match &part.content {
                Content::ToolResult { call_id, content, is_error, .. } => {
                    list.push(self.result(call_id, content, *is_error, &mut beside)?);
                }
                content => list.extend(self.block(content)?),
            }
            // A mark stands behind something, or nowhere.
            if let Some(mark) = part.cache.as_deref().filter(|_| !list.is_empty()) {
                list.extend(self.cache_point(mark));
            }
        }
        list.extend(beside);
        Ok(list)
    }

    /// A mark that the prompt up to here is to be cached; None where the model cannot be told.
    pub(super) fn cache_point(&mut self, mark: &str) -> Option<String> {
        if !self.maker.takes_marks() {
            self.changes.dropped("cache_control", "this model takes no marks");
            return None;
        }
        let node = Node::parse(mark, 1).ok()?;
        let mut ttl = node.str("ttl");
        if ttl == Some("1h") && !self.maker.takes_all_marks() {
            self.changes.changed("cache_control.ttl", "this model's cache lives for five minutes");
            ttl = None;
        }
        let point = Obj::new().str("type", "default").opt_str("ttl", ttl).end();
        Some(Obj::new().raw("cachePoint", &point).end())
    }

    /// The result of a tool; what it cannot hold goes `beside` it.
    fn result(
        &mut self,
        call_id: &str,
        content: &[Content],
        is_error: bool,
        beside: &mut Vec<String>,
    ) -> Result<String, EncodeError> {
        let rich = self.maker.takes_rich_results();
        let mut inner = Arr::new();
        for one in content {
            let Some(block) = self.block(one)? else { continue };
            if rich || block.starts_with(r#"{"text""#) {
                inner.push(&block);
            } else {
                self.changes.moved("tool_result.content", "pictures of tool results stand beside them");
                beside.push(block);
            }
        }
        let mut result = Obj::new();
        result.str("toolUseId", &fitting_id(call_id, MAX_ID)).raw("content", &inner.end());
        if is_error && rich {
            result.str("status", "error");
        } else if is_error {
            self.changes.dropped("tool_result.is_error", "the model's results have no such field");
        }
        Ok(Obj::new().raw("toolResult", &result.end()).end())
    }

    /// One content block; None for what cannot be said or is blank (the API refuses blank text).
    fn block(&mut self, content: &Content) -> Result<Option<String>, EncodeError> {
        Ok(Some(match content {
            Content::Text { text, .. } | Content::Refusal(text) if text.trim().is_empty() => return Ok(None),
            Content::Text { text, citations } => {
                if citations.is_some() {
                    self.changes.dropped("citations", "requests of this API carry none");
                }
                text_block(text)
            }
            Content::File { source: Source::Text(text), .. } => {
                self.changes.changed("document", "a text document became a text part");
                text_block(text)
            }
            Content::Refusal(text) => text_block(text),
            Content::Image { source, detail } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.changes.dropped("image_url.detail", "the API has no such field");
                }
                media::image(source)?
            }
            Content::File { source, name } => self.documents.block(source, name.as_deref(), self.changes)?,
            Content::Audio { data, format } => media::audio(data, format),
            Content::ToolCall { id, name, arguments, .. } => tool_use(id, name, arguments),
            Content::Reasoning { text, signature, encrypted, origin, .. } => {
                let ours = *origin == Format::BedrockConverse && self.options.same_model;
                match (signature, encrypted) {
                    (Some(signature), _) if ours => reasoning(text, Some(signature)),
                    (None, Some(data)) if ours => redacted(data),
                    _ => {
                        self.changes.dropped("reasoning", "earlier reasoning stays with the model that made it");
                        return Ok(None);
                    }
                }
            }
            Content::Raw { origin: Format::BedrockConverse, json } => json.clone(),
            // Results stand in results nowhere.
            Content::Raw { .. } | Content::ToolResult { .. } => {
                self.changes.dropped(content.what(), "only the provider that made it understands it");
                return Ok(None);
            }
        }))
    }
}

pub(super) fn text_block(text: &str) -> String {
    Obj::new().str("text", text).end()
}

pub(super) fn tool_use(id: &str, name: &str, arguments: &str) -> String {
    let mut call = Obj::new();
    call.str("toolUseId", &fitting_id(id, MAX_ID)).str("name", name).raw("input", &arguments_object(arguments));
    Obj::new().raw("toolUse", &call.end()).end()
}

pub(super) fn reasoning(text: &str, signature: Option<&str>) -> String {
    let inner = Obj::new().str("text", text).opt_str("signature", signature).end();
    Obj::new().raw("reasoningContent", &Obj::new().raw("reasoningText", &inner).end()).end()
}

pub(super) fn redacted(data: &str) -> String {
    Obj::new().raw("reasoningContent", &Obj::new().str("redactedContent", data).end()).end()
}
