//! The events of a Responses stream into neutral ones.
//!
//! Everything comes twice or more in such a stream: piece by piece, at the end of each part and item, and in the closing
//! event. Servers leave out one or the other; what was not said by the pieces is taken from the whole.

use crate::json::Node;
use crate::logprobs;
use crate::neutral::{BlockKind, Content, Delta, Event};
use crate::openai_responses::answer::{finish, reported};
use crate::openai_responses::item::{model_parts, part};
use crate::stream::MAX_BLOCKS;
use crate::{ApiError, Context, DecodeError};
use std::collections::{BTreeMap, BTreeSet};

/// The API's events into neutral ones.
#[derive(Debug)]
pub(crate) struct Decoder {
    context: Context,
    started: bool,
    /// Blocks by output index and content index (of an item as a whole: [`WHOLE`]).
    blocks: BTreeMap<(u64, u64), Block>,
    /// Items that came whole.
    whole: BTreeSet<u64>,
    calls: bool,
    done: bool,
}

/// Where a block stands: its item, and its part of that.
type Key = (u64, u64);

#[derive(Debug)]
struct Block {
    number: u32,
    open: bool,
    /// Something of it came already, so the whole text at the end is no news.
    spoke: bool,
    /// So for its citations.
    cited: bool,
}

/// Stands for an item that is one block by itself.
const WHOLE: u64 = u64::MAX;

impl Decoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            started: false,
            blocks: BTreeMap::new(),
            whole: BTreeSet::new(),
            calls: false,
            done: false,
        }
    }

    pub(crate) fn event(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        let node = Node::parse(data, 10)?;
        if let Some(response) = node.get("response").filter(|_| !self.started) {
            self.started = true;
            let of = |name: &str| response.str(name).unwrap_or_default().to_owned();
            out.push(Event::Start { id: of("id"), model: of("model"), usage: None });
        }
        let kind = node.str("type").unwrap_or_default();
        let item = node.u64("output_index").unwrap_or(0);
        let key = (item, node.u64("content_index").unwrap_or(0));
        match kind.strip_prefix("response.").unwrap_or(kind) {
            "output_item.added" => self.item_added(item, &node, out)?,
            "content_part.added" => {
                let kind = match node.get("part").and_then(|part| part.str("type")) {
                    Some("output_text") => BlockKind::Text,
                    Some("refusal") => BlockKind::Refusal,
                    _ => return Ok(()),
                };
                self.start(key, kind, out)?;
            }
            "output_text.delta" => {
                self.text(key, BlockKind::Text, node.str("delta"), out)?;
                if let Some(odds) = logprobs::of_entries(node.get("logprobs")) {
                    self.delta(key, Delta::Logprobs(odds), out);
                }
            }
            "refusal.delta" => self.text(key, BlockKind::Refusal, node.str("delta"), out)?,
            "output_text.annotation.added" => {
                if let Some(note) = node.get("annotation") {
                    self.delta(key, Delta::Citation(note.raw.to_owned()), out);
                }
            }
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => {
                if let Some(text) = node.str("delta").filter(|text| !text.is_empty()) {
                    self.delta((item, WHOLE), Delta::Arguments(text.to_owned()), out);
                }
            }
            "reasoning_summary_text.delta" | "reasoning_text.delta" => {
                if let Some(text) = node.str("delta").filter(|text| !text.is_empty()) {
                    self.delta((item, WHOLE), Delta::Reasoning(text.to_owned()), out);
                }
            }
            "reasoning_summary_part.added" if node.u64("summary_index").unwrap_or(0) > 0 => {
                self.delta((item, WHOLE), Delta::Reasoning("\n\n".to_owned()), out);
            }
            "content_part.done" => {
                if let Some(node) = node.get("part") {
                    self.part_done(key, node, out)?;
                }
            }
            "output_item.done" => {
                if let Some(node) = node.get("item") {
                    self.item_done(item, node, out)?;
                }
            }
            "completed" | "incomplete" | "failed" | "error" => self.last(kind, &node, out)?,
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, out: &mut Vec<Event>) {
        if !self.done {
            self.done = true;
            out.push(Event::Error(crate::stream::cut()));
        }
    }

    fn start(&mut self, key: Key, kind: BlockKind, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.blocks.contains_key(&key) {
            return Ok(());
        }
        let number = u32::try_from(self.blocks.len()).ok().filter(|number| *number < MAX_BLOCKS);
        let number = number.ok_or_else(too_many)?;
        self.calls |= matches!(kind, BlockKind::ToolCall { .. });
        self.blocks.insert(key, Block { number, open: true, spoke: false, cited: false });
        out.push(Event::BlockStart { choice: 0, block: number, kind });
        Ok(())
    }

    fn delta(&mut self, key: Key, delta: Delta, out: &mut Vec<Event>) {
        if let Some(block) = self.blocks.get_mut(&key).filter(|block| block.open) {
            block.cited |= matches!(delta, Delta::Citation(_));
            block.spoke |= matches!(delta, Delta::Text(_) | Delta::Reasoning(_) | Delta::Arguments(_));
            out.push(Event::Delta { choice: 0, block: block.number, delta });
        }
    }

    /// Some servers leave out that a part was added.
    fn text(&mut self, key: Key, kind: BlockKind, text: Option<&str>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.start(key, kind, out)?;
            self.delta(key, Delta::Text(text.to_owned()), out);
        }
        Ok(())
    }

    fn stop(&mut self, key: Key, out: &mut Vec<Event>) {
        if let Some(block) = self.blocks.get_mut(&key).filter(|block| block.open) {
            block.open = false;
            out.push(Event::BlockStop { choice: 0, block: block.number });
        }
    }

    fn item_added(&mut self, item: u64, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        // Messages begin with their parts; what else there is comes whole at its end.
        let Some(node) = node.get("item").filter(|node| node.str("type") != Some("message")) else { return Ok(()) };
        match model_parts(node).and_then(|mut parts| parts.pop()) {
            Some(begun) => self.begin(item, &begun.content, out),
            None => Ok(()),
        }
    }

    /// Begins the block of an item that is one by itself.
    fn begin(&mut self, item: u64, content: &Content, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let kind = match content {
            Content::ToolCall { id, name, custom, .. } => {
                let number = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
                let id = if id.is_empty() { self.context.call_id(number) } else { id.clone() };
                BlockKind::ToolCall { id, name: name.clone(), custom: *custom, signature: None }
            }
            // Its proof comes at its end.
            Content::Reasoning { id, .. } => BlockKind::Reasoning { encrypted: None, id: id.clone() },
            _ => return Ok(()),
        };
        self.start((item, WHOLE), kind, out)
    }

    /// A part of a message is whole.
    fn part_done(&mut self, key: Key, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let (kind, text, citations) = match part(node).content {
            Content::Text { text, citations } => (BlockKind::Text, text, citations),
            Content::Refusal(text) => (BlockKind::Refusal, text, None),
            _ => return Ok(()),
        };
        self.start(key, kind, out)?;
        let said = self.blocks.get(&key).map(|block| (block.spoke, block.cited));
        if said.is_some_and(|(spoke, _)| !spoke) && !text.is_empty() {
            self.delta(key, Delta::Text(text), out);
            if let Some(odds) = logprobs::of_entries(node.get("logprobs")) {
                self.delta(key, Delta::Logprobs(odds), out);
            }
        }
        if said.is_some_and(|(_, cited)| !cited) && citations.is_some() {
            for note in node.get("annotations").map_or(&[][..], Node::items) {
                self.delta(key, Delta::Citation(note.raw.to_owned()), out);
            }
        }
        self.stop(key, out);
        Ok(())
    }

    /// An item is whole: says what was not said of it before.
    fn item_done(&mut self, item: u64, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if !self.whole.insert(item) {
            return Ok(());
        }
        if self.whole.len() > MAX_BLOCKS as usize {
            return Err(too_many());
        }
        let key = (item, WHOLE);
        if node.str("type") == Some("message") {
            for (place, part) in (0..).zip(node.get("content").map_or(&[][..], Node::items)) {
                self.part_done((item, place), part, out)?;
            }
            let open: Vec<Key> = self.blocks.range((item, 0)..=key).map(|(key, _)| *key).collect();
            open.into_iter().for_each(|key| self.stop(key, out));
            return Ok(());
        }
        let Some(whole) = model_parts(node).and_then(|mut parts| parts.pop()) else {
            self.start(key, BlockKind::Raw(node.raw.to_owned()), out)?;
            self.stop(key, out);
            return Ok(());
        };
        self.begin(item, &whole.content, out)?;
        let spoke = self.blocks.get(&key).is_some_and(|block| block.spoke);
        match whole.content {
            Content::ToolCall { arguments, .. } if !spoke && !arguments.is_empty() => {
                self.delta(key, Delta::Arguments(arguments), out);
            }
            Content::Reasoning { text, .. } => {
                if !spoke && !text.is_empty() {
                    self.delta(key, Delta::Reasoning(text), out);
                }
                if let Some(proof) = node.str("encrypted_content") {
                    self.delta(key, Delta::Encrypted(proof.to_owned()), out);
                }
            }
            _ => {}
        }
        self.stop(key, out);
        Ok(())
    }

    fn last(&mut self, kind: &str, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        self.done = true;
        let response = node.get("response").unwrap_or(node);
        out.extend(reported(response).map(Event::Usage));
        if matches!(kind, "response.failed" | "error") {
            // An error event is flat; a failed response holds the error.
            let error = response.get("error").unwrap_or(response);
            let mut found = ApiError::new(502, error.str("message").unwrap_or("the provider failed to answer"));
            found.code = error.str("code").map(str::to_owned);
            found.param = error.str("param").map(str::to_owned);
            let found = found.with_status_of_code();
            out.push(Event::Error(found));
            return Ok(());
        }
        for (place, item) in (0..).zip(response.get("output").map_or(&[][..], Node::items)) {
            self.item_done(place, item, out)?;
        }
        let keys: Vec<Key> = self.blocks.keys().copied().collect();
        keys.into_iter().for_each(|key| self.stop(key, out));
        out.push(Event::Finish { choice: 0, finish: finish(response, self.calls) });
        out.push(Event::Done);
        Ok(())
    }
}

fn too_many() -> DecodeError {
    DecodeError::body(format!("the stream carries more than {MAX_BLOCKS} blocks"))
}
