//! Chunks of a Chat Completions stream into neutral events.

use crate::json::Node;
use crate::neutral::{BlockKind, Content, Delta, Event};
use crate::openai_chat::answer::finish;
use crate::openai_chat::decode::{function_call, tool_call as decode_call};
use crate::openai_chat::error::decode_error;
use crate::openai_chat::usage::usage;
use crate::stream::{MAX_BLOCKS, MAX_CHOICES};
use crate::{Context, DecodeError, ServiceTier};
use std::collections::BTreeMap;

/// Chunks into events.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    context: Context,
    started: bool,
    done: bool,
    choices: BTreeMap<u32, ChoiceState>,
    /// The last one that was named.
    service_tier: ServiceTier,
}

#[derive(Debug, Default)]
struct ChoiceState {
    /// Blocks begun so far.
    blocks: u32,
    /// The open text, refusal or reasoning block.
    open: Option<(u32, Prose)>,
    /// Tool calls by the provider's index, with their blocks; all open until the choice is whole.
    calls: Vec<(u64, u32)>,
    finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prose {
    Text,
    Refusal,
    Reasoning,
}

impl Decoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self { context: context.clone(), ..Self::default() }
    }

    pub(crate) fn event(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.end(out);
            return Ok(());
        }
        let node = Node::parse(data, 12)?;
        if node.get("error").is_some() {
            self.done = true;
            out.push(Event::Error(decode_error(502, data.as_bytes()).with_status_of_code()));
            return Ok(());
        }
        if !self.started {
            self.started = true;
            let of = |name: &str| node.str(name).unwrap_or_default().to_owned();
            out.push(Event::Start { id: of("id"), model: of("model"), usage: None });
        }
        for choice in node.get("choices").map_or(&[][..], Node::items) {
            self.choice(choice, out)?;
        }
        self.service_tier = node.str("service_tier").map_or(self.service_tier, ServiceTier::named);
        let reported = node.get("usage").or_else(|| node.get("x_groq")?.get("usage"));
        let reported = reported.and_then(|node| usage(node.raw));
        out.extend(reported.map(|usage| Event::Usage(usage.under(self.service_tier))));
        Ok(())
    }

    /// The bytes ended, or `[DONE]` came.
    pub(crate) fn end(&mut self, out: &mut Vec<Event>) {
        if self.done {
            return;
        }
        self.done = true;
        if !self.choices.is_empty() && self.choices.values().all(|choice| choice.finished) {
            out.push(Event::Done);
        } else {
            out.push(Event::Error(crate::stream::cut()));
        }
    }

    fn choice(&mut self, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let index = node.u64("index").unwrap_or(0);
        let index = u32::try_from(index).ok().filter(|index| *index < MAX_CHOICES);
        let index = index.ok_or_else(|| DecodeError::body("the stream carries too many choices"))?;
        let state = self.choices.entry(index).or_default();
        if state.finished {
            return Ok(());
        }
        if let Some(delta) = node.get("delta") {
            let reasoning = delta.str("reasoning_content").or_else(|| delta.str("reasoning"));
            state.prose(index, Prose::Reasoning, reasoning, out)?;
            state.prose(index, Prose::Text, delta.str("content"), out)?;
            state.prose(index, Prose::Refusal, delta.str("refusal"), out)?;
            if let Some((block, Prose::Text)) = state.open {
                let notes = delta.get("annotations").map_or(&[][..], Node::items).iter();
                let notes = notes.map(|note| Delta::Citation(note.raw.to_owned()));
                let odds = node.get("logprobs").map(|odds| Delta::Logprobs(odds.raw.to_owned()));
                out.extend(notes.chain(odds).map(|delta| Event::Delta { choice: index, block, delta }));
            }
            for (place, call) in delta.get("tool_calls").map_or(&[][..], Node::items).iter().enumerate() {
                state.call(index, call_index(call, place, &state.calls), &decode_call(call), &self.context, out)?;
            }
            // The one call of the API's first years, which some servers still stream.
            if let Some(call) = delta.get("function_call") {
                state.call(index, LEGACY, &function_call(call), &self.context, out)?;
            }
        }
        if let Some(word) = node.str("finish_reason") {
            state.finished = true;
            state.close_prose(index, out);
            out.extend(state.calls.iter().map(|(_, block)| Event::BlockStop { choice: index, block: *block }));
            out.push(Event::Finish { choice: index, finish: finish(word, !state.calls.is_empty()) });
        }
        Ok(())
    }
}

impl ChoiceState {
    fn next_block(&mut self) -> Result<u32, DecodeError> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return Err(DecodeError::body(format!("the stream carries more than {MAX_BLOCKS} blocks")));
        }
        Ok(self.blocks - 1)
    }

    fn prose(
        &mut self,
        choice: u32,
        prose: Prose,
        text: Option<&str>,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(());
        };
        let block = match self.open {
            Some((block, open)) if open == prose => block,
            _ => {
                self.close_prose(choice, out);
                let block = self.next_block()?;
                self.open = Some((block, prose));
                let kind = match prose {
                    Prose::Text => BlockKind::Text,
                    Prose::Refusal => BlockKind::Refusal,
                    Prose::Reasoning => BlockKind::Reasoning { encrypted: None, id: None },
                };
                out.push(Event::BlockStart { choice, block, kind });
                block
            }
        };
        let text = text.to_owned();
        let delta = if prose == Prose::Reasoning { Delta::Reasoning(text) } else { Delta::Text(text) };
        out.push(Event::Delta { choice, block, delta });
        Ok(())
    }

    fn close_prose(&mut self, choice: u32, out: &mut Vec<Event>) {
        out.extend(self.open.take().map(|(block, _)| Event::BlockStop { choice, block }));
    }

    /// More of the call of that index: its begin, a piece of its arguments, or both.
    fn call(
        &mut self,
        choice: u32,
        index: u64,
        call: &Content,
        context: &Context,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        let Content::ToolCall { id, name, arguments, custom, signature } = call else {
            return Ok(());
        };
        let block = match self.calls.iter().find(|(known, _)| *known == index) {
            Some((_, block)) => *block,
            None => {
                self.close_prose(choice, out);
                let block = self.next_block()?;
                let number = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
                self.calls.push((index, block));
                let id = if id.is_empty() { context.call_id(number) } else { id.clone() };
                let kind =
                    BlockKind::ToolCall { id, name: name.clone(), custom: *custom, signature: signature.clone() };
                out.push(Event::BlockStart { choice, block, kind });
                block
            }
        };
        if !arguments.is_empty() {
            out.push(Event::Delta { choice, block, delta: Delta::Arguments(arguments.clone()) });
        }
        Ok(())
    }
}

/// Stands for the index of a call that has none and is the only one.
const LEGACY: u64 = u64::MAX;

/// A call's index. Servers that leave it out send whole calls: each named one is new.
fn call_index(call: &Node<'_>, place: usize, calls: &[(u64, u32)]) -> u64 {
    let inner = call.get("custom").or_else(|| call.get("function"));
    let named = inner.is_some_and(|inner| inner.str("name").is_some());
    match call.u64("index") {
        Some(index) => index,
        None if named => calls.len() as u64,
        None => place as u64,
    }
}
