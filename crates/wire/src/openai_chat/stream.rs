//! Streamed Chat Completions answers.

use super::answer::{encode_usage, finish, finish_word};
use super::decode::{function_call, tool_call as decode_call};
use super::encode::tool_call;
use super::error::{decode_error, encode_error};
use super::thought::detail;
use super::usage::usage;
use crate::citations::for_chat;
use crate::json::Node;
use crate::neutral::{BlockKind, Content, Delta, Event};
use crate::stream::{MAX_BLOCKS, MAX_CHOICES};
use crate::write::{Arr, Obj};
use crate::{Context, DecodeError, Format, ServiceTier};
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
            out.push(Event::Finish { choice: index, finish: finish(word) });
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

/// Events into chunks.
#[derive(Debug)]
pub(crate) struct Encoder {
    context: Context,
    id: String,
    model: String,
    /// Per (choice, block): what the block is.
    blocks: BTreeMap<(u32, u32), Block>,
    calls: BTreeMap<u32, u32>,
    /// Characters of text so far, by choice.
    lengths: BTreeMap<u32, usize>,
    spoke: Vec<u32>,
    usage: Option<crate::Usage>,
}

#[derive(Debug)]
enum Block {
    /// Characters before it, and of it so far.
    Text {
        start: usize,
        length: usize,
    },
    Refusal,
    Reasoning {
        text: String,
        signature: Option<String>,
        encrypted: Option<String>,
        id: Option<String>,
    },
    Call {
        index: u32,
        custom: bool,
    },
    /// As in the API's first years.
    OnlyCall,
    Other,
}

impl Encoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            id: String::new(),
            model: String::new(),
            blocks: BTreeMap::new(),
            calls: BTreeMap::new(),
            lengths: BTreeMap::new(),
            spoke: Vec::new(),
            usage: None,
        }
    }

    /// `origin`: the API whose signatures reasoning carries.
    pub(crate) fn event(&mut self, event: &Event, origin: Format, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, usage } => {
                self.id = self.context.id_or(id, "chatcmpl-");
                self.model.clone_from(model);
                self.usage = *usage;
            }
            Event::BlockStart { choice, block, kind } => self.block_start(*choice, *block, kind, out),
            Event::Delta { choice, block, delta } => self.delta(*choice, *block, delta, out),
            Event::BlockStop { choice, block } => {
                if let Some(Block::Reasoning { text, signature, encrypted, id }) = self.blocks.get(&(*choice, *block))
                    && let Some(entry) = detail(text, signature.as_deref(), encrypted.as_deref(), id.as_deref(), origin)
                {
                    let delta = Obj::new().raw("reasoning_details", &Arr::of([entry])).end();
                    self.say(*choice, &delta, None, None, out);
                }
            }
            Event::Finish { choice, finish } => {
                self.speak(*choice, out);
                self.say(*choice, "{}", None, Some(finish_word(finish, &self.context)), out);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => self.data(&String::from_utf8_lossy(&encode_error(error)), out),
            Event::Done => {
                if self.context.usage_wanted {
                    let usage = encode_usage(&self.usage.unwrap_or_default());
                    let mut chunk = self.head();
                    chunk.raw("choices", "[]").raw("usage", &usage);
                    let text = chunk.end();
                    self.data(&text, out);
                }
                self.data("[DONE]", out);
            }
        }
    }

    fn block_start(&mut self, choice: u32, block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        self.speak(choice, out);
        let state = match kind {
            BlockKind::Text => Block::Text { start: self.lengths.get(&choice).copied().unwrap_or_default(), length: 0 },
            BlockKind::Refusal => Block::Refusal,
            BlockKind::Reasoning { encrypted, id } => {
                Block::Reasoning { text: String::new(), signature: None, encrypted: encrypted.clone(), id: id.clone() }
            }
            BlockKind::ToolCall { id, name, custom, signature } => {
                let next = self.calls.entry(choice).or_default();
                let index = *next;
                *next += 1;
                if self.context.legacy_functions {
                    // There is room for one; the provider was asked for no more.
                    if index == 0 {
                        let call = Obj::new().str("name", name).str("arguments", "").end();
                        self.say(choice, &Obj::new().raw("function_call", &call).end(), None, None, out);
                        self.blocks.insert((choice, block), Block::OnlyCall);
                    }
                    return;
                }
                let call = Content::ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                    custom: *custom,
                    signature: signature.clone(),
                };
                let calls = Arr::of([tool_call(&call, Some(index), true)]);
                self.say(choice, &Obj::new().raw("tool_calls", &calls).end(), None, None, out);
                Block::Call { index, custom: *custom }
            }
            BlockKind::Raw(_) => Block::Other,
        };
        self.blocks.insert((choice, block), state);
    }

    fn delta(&mut self, choice: u32, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(state) = self.blocks.get_mut(&(choice, block)) else { return };
        let mut said = Obj::new();
        let mut odds = None;
        match (state, delta) {
            (Block::Text { start, length }, Delta::Text(text)) => {
                *length += text.chars().count();
                self.lengths.insert(choice, *start + *length);
                said.str("content", text)
            }
            (Block::Refusal, Delta::Text(text)) => said.str("refusal", text),
            (Block::Text { start, length }, Delta::Citation(note)) => match for_chat(note, &(*start..*start + *length))
            {
                Some(note) => said.raw("annotations", &Arr::of([note])),
                None => return,
            },
            (Block::Text { .. }, Delta::Logprobs(json)) => {
                odds = Some(json.as_str());
                &mut said
            }
            (Block::Reasoning { text, .. }, Delta::Reasoning(more)) => {
                text.push_str(more);
                said.str("reasoning_content", more)
            }
            (Block::Reasoning { signature, .. }, Delta::Signature(more)) => {
                signature.get_or_insert_default().push_str(more);
                return;
            }
            (Block::Reasoning { encrypted, .. }, Delta::Encrypted(whole)) => {
                *encrypted = Some(whole.clone());
                return;
            }
            (Block::Call { index, custom }, Delta::Arguments(text)) => {
                let (kind, field) = if *custom { ("custom", "input") } else { ("function", "arguments") };
                let inner = Obj::new().str(field, text).end();
                let call = Obj::new().num("index", *index).raw(kind, &inner).end();
                said.raw("tool_calls", &Arr::of([call]))
            }
            (Block::OnlyCall, Delta::Arguments(text)) => {
                said.raw("function_call", &Obj::new().str("arguments", text).end())
            }
            _ => return,
        };
        self.say(choice, &said.end(), odds, None, out);
    }

    /// The first chunk of a choice names the role.
    fn speak(&mut self, choice: u32, out: &mut Vec<u8>) {
        if !self.spoke.contains(&choice) {
            self.spoke.push(choice);
            self.say(choice, r#"{"role":"assistant","content":"","refusal":null}"#, None, None, out);
        }
    }

    fn say(&self, index: u32, delta: &str, odds: Option<&str>, finish: Option<&str>, out: &mut Vec<u8>) {
        let mut choice = Obj::new();
        choice.num("index", index).raw("delta", delta).raw("logprobs", odds.unwrap_or("null"));
        choice.str_or_null("finish_reason", finish);
        let mut chunk = self.head();
        chunk.raw("choices", &Arr::of([choice.end()]));
        if self.context.usage_wanted {
            chunk.null("usage");
        }
        self.data(&chunk.end(), out);
    }

    fn head(&self) -> Obj {
        let mut chunk = Obj::new();
        chunk.str("id", &self.id).str("object", "chat.completion.chunk");
        chunk.num("created", self.context.created_s).str("model", &self.model);
        chunk
    }

    #[expect(clippy::unused_self, reason = "reads as the other steps do")]
    fn data(&self, json: &str, out: &mut Vec<u8>) {
        crate::stream::write_event(None, json, out);
    }
}
