//! Streamed Messages answers.

use super::answer::{finish, finish_words};
use super::error::{decode_error, encode_error, status_of};
use super::turns::DIRECT;
use super::usage::{Counts, encode_usage};
use crate::ids::Carried;
use crate::json::{Node, check, unescape};
use crate::neutral::{BlockKind, Delta, Event, Finish};
use crate::stream::{MAX_BLOCKS, write_event};
use crate::write::Obj;
use crate::{Context, DecodeError, Format, Repeats};
use std::collections::VecDeque;

/// The API's events into neutral ones.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    counts: Counts,
    /// Open blocks: the provider's index, our number, what it needs at its end.
    open: Vec<(u64, u32, Ending)>,
    blocks: u32,
    finished: bool,
    done: bool,
    /// What stands around the text of the last delta.
    repeats: Repeats,
    /// The block of that delta; none once something else came.
    repeated: Option<u32>,
}

#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Nothing,
    /// A tool call without any argument delta so far: its `input` at the start is all there is.
    Arguments(String),
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One more piece of the text that is coming: told from the last one without reading all of it, and without the check
    /// of the whole that [`Self::event`] relies on. False when it is something else.
    pub(crate) fn more_text(&mut self, data: &str, out: &mut Vec<Event>) -> bool {
        let Some(block) = self.repeated.filter(|_| !self.done) else { return false };
        let Some(text) = self.repeats.text_json(data.as_bytes()).filter(|text| check(text).is_ok()) else {
            return false;
        };
        let delta = Delta::Text(unescape(&text[1..text.len() - 1]).into_owned());
        out.push(Event::Delta { choice: 0, block, delta });
        true
    }

    pub(crate) fn event(&mut self, name: Option<&str>, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        self.repeated = None;
        let node = Node::parse(data, 8)?;
        match node.str("type").or(name).unwrap_or_default() {
            "message_start" => {
                let Some(message) = node.get("message") else { return Ok(()) };
                if let Some(usage) = message.get("usage") {
                    self.counts.update(usage);
                }
                out.push(Event::Start {
                    id: message.str("id").unwrap_or_default().to_owned(),
                    model: message.str("model").unwrap_or_default().to_owned(),
                    usage: Some(self.counts.usage()),
                });
            }
            "content_block_start" => self.block_start(&node, out)?,
            "content_block_delta" => self.delta(&node, data, out),
            "content_block_stop" => {
                let index = node.u64("index");
                if let Some(at) = self.open.iter().position(|(open, ..)| Some(*open) == index) {
                    let (_, block, ending) = self.open.remove(at);
                    if let Ending::Arguments(input) = ending {
                        out.push(Event::Delta { choice: 0, block, delta: Delta::Arguments(input) });
                    }
                    out.push(Event::BlockStop { choice: 0, block });
                }
            }
            "message_delta" => {
                if let Some(usage) = node.get("usage") {
                    self.counts.update(usage);
                    out.push(Event::Usage(self.counts.usage()));
                }
                let delta = node.get("delta");
                if let Some(reason) = delta.and_then(|delta| delta.str("stop_reason")) {
                    self.finished = true;
                    let finish = finish(reason, delta.and_then(|delta| delta.str("stop_sequence")));
                    out.push(Event::Finish { choice: 0, finish });
                }
            }
            "message_stop" => self.end(out),
            "error" => {
                self.done = true;
                let mut error = decode_error(500, data.as_bytes());
                error.status = status_of(&error.kind);
                out.push(Event::Error(error));
            }
            // `ping`, and what a newer API may add.
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, out: &mut Vec<Event>) {
        if !self.done {
            self.done = true;
            out.push(if self.finished { Event::Done } else { Event::Error(crate::stream::cut()) });
        }
    }

    fn block_start(&mut self, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let (Some(index), Some(inner)) = (node.u64("index"), node.get("content_block")) else { return Ok(()) };
        let block = self.blocks;
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return Err(DecodeError::body(format!("the stream carries more than {MAX_BLOCKS} blocks")));
        }
        let text = |name: &str| inner.str(name).unwrap_or_default().to_owned();
        let mut ending = Ending::Nothing;
        let mut first = None;
        let kind = match inner.str("type") {
            Some("text") => {
                first = Some(Delta::Text(text("text")));
                BlockKind::Text
            }
            Some("thinking") => {
                first = Some(Delta::Reasoning(text("thinking")));
                BlockKind::Reasoning { encrypted: None, id: None }
            }
            Some("redacted_thinking") => BlockKind::Reasoning { encrypted: Some(text("data")), id: None },
            Some("tool_use") => {
                ending = Ending::Arguments(inner.get("input").map_or("{}", |input| input.raw).to_owned());
                BlockKind::ToolCall { id: text("id"), name: text("name"), custom: false, signature: None }
            }
            _ => BlockKind::Raw(inner.raw.to_owned()),
        };
        self.open.push((index, block, ending));
        out.push(Event::BlockStart { choice: 0, block, kind });
        if let Some(delta @ (Delta::Text(_) | Delta::Reasoning(_))) = first
            && !matches!(&delta, Delta::Text(text) | Delta::Reasoning(text) if text.is_empty())
        {
            out.push(Event::Delta { choice: 0, block, delta });
        }
        Ok(())
    }

    fn delta(&mut self, node: &Node<'_>, data: &str, out: &mut Vec<Event>) {
        let index = node.u64("index");
        let open = self.open.iter_mut().find(|(open, ..)| Some(*open) == index);
        let (Some((_, block, ending)), Some(inner)) = (open, node.get("delta")) else { return };
        let text = |name: &str| inner.str(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let delta = match inner.str("type") {
            Some("text_delta") => {
                if let Some(text) = inner.get("text") {
                    self.repeats.keep(data.as_bytes(), text.raw);
                    self.repeated = Some(*block);
                }
                text("text").map(Delta::Text)
            }
            Some("thinking_delta") => text("thinking").map(Delta::Reasoning),
            Some("signature_delta") => text("signature").map(Delta::Signature),
            Some("input_json_delta") => text("partial_json").map(|json| {
                *ending = Ending::Nothing;
                Delta::Arguments(json)
            }),
            Some("citations_delta") => inner.get("citation").map(|citation| Delta::Citation(citation.raw.to_owned())),
            _ => None,
        };
        out.extend(delta.map(|delta| Event::Delta { choice: 0, block: *block, delta }));
    }
}

/// Neutral events into the API's. Blocks stand one after the other here: what comes for a block that is not the open one
/// waits until it is.
#[derive(Debug)]
pub(crate) struct Encoder {
    context: Context,
    origin: Format,
    open: Option<Open>,
    /// Index of the next block.
    next: u32,
    waiting: VecDeque<Event>,
    usage: crate::Usage,
    finish: Finish,
    started: bool,
}

#[derive(Debug)]
struct Open {
    block: u32,
    reasoning: Option<Proof>,
    /// Free text of a tool call, which goes out as one JSON object when it is whole.
    free_text: Option<String>,
    skipped: bool,
}

#[derive(Debug)]
struct Proof {
    signature: Option<String>,
    encrypted: Option<String>,
    id: Option<String>,
}

impl Encoder {
    pub(crate) fn new(origin: Format, context: &Context) -> Self {
        Self {
            context: context.clone(),
            origin,
            open: None,
            next: 0,
            waiting: VecDeque::new(),
            usage: crate::Usage::default(),
            finish: Finish::Stop,
            started: false,
        }
    }

    pub(crate) fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, usage } => self.start(id, model, *usage, out),
            Event::BlockStart { choice: 0, .. }
            | Event::Delta { choice: 0, .. }
            | Event::BlockStop { choice: 0, .. } => {
                self.block_event(event, out);
            }
            // Other choices: the API has one.
            Event::BlockStart { .. } | Event::Delta { .. } | Event::BlockStop { .. } => {}
            Event::Finish { choice, finish } => {
                if *choice == 0 {
                    self.finish = finish.clone();
                }
            }
            Event::Usage(usage) => self.usage = *usage,
            Event::Error(error) => {
                let data = encode_error(error);
                write_event(Some("error"), &String::from_utf8_lossy(&data), out);
            }
            Event::Done => self.done(out),
        }
    }

    fn start(&mut self, id: &str, model: &str, usage: Option<crate::Usage>, out: &mut Vec<u8>) {
        self.started = true;
        self.usage = usage.unwrap_or_default();
        let mut message = Obj::new();
        message.str("id", &self.context.id_or(id, "msg_")).str("type", "message").str("role", "assistant");
        message.str("model", model).raw("content", "[]").null("stop_reason").null("stop_sequence");
        message.null("stop_details").null("container");
        message.raw("usage", &encode_usage(&self.usage));
        let event = Obj::new().str("type", "message_start").raw("message", &message.end()).end();
        write_event(Some("message_start"), &event, out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        // A decoder closes its blocks; should one not, the client's grammar still holds.
        while let Some(open) = &self.open {
            let stop = Event::BlockStop { choice: 0, block: open.block };
            self.block_event(&stop, out);
        }
        let (reason, sequence) = finish_words(&self.finish);
        let mut delta = Obj::new();
        delta.str("stop_reason", reason).str_or_null("stop_sequence", sequence).null("stop_details").null("container");
        let mut event = Obj::new();
        event.str("type", "message_delta").raw("delta", &delta.end()).raw("usage", &encode_usage(&self.usage));
        write_event(Some("message_delta"), &event.end(), out);
        write_event(Some("message_stop"), r#"{"type":"message_stop"}"#, out);
    }

    fn block_event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match (event, &mut self.open) {
            (Event::BlockStart { block, kind, .. }, None) => self.block_start(*block, kind, out),
            (Event::Delta { block, delta, .. }, Some(open)) if open.block == *block => {
                let index = self.next - 1;
                if !open.skipped {
                    Self::delta(open, index, delta, out);
                }
            }
            (Event::BlockStop { block, .. }, Some(open)) if open.block == *block => {
                self.block_stop(out);
                for waiting in std::mem::take(&mut self.waiting) {
                    self.block_event(&waiting, out);
                }
            }
            (_, Some(_)) => self.waiting.push_back(event.clone()),
            (_, None) => {}
        }
    }

    fn block_start(&mut self, block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        let mut inner = Obj::new();
        let mut reasoning = None;
        let free_text = matches!(kind, BlockKind::ToolCall { custom: true, .. }).then(String::new);
        match kind {
            BlockKind::Text | BlockKind::Refusal => {
                inner.str("type", "text").str("text", "").null("citations");
            }
            BlockKind::Reasoning { encrypted: Some(data), .. } if self.origin == Format::AnthropicMessages => {
                inner.str("type", "redacted_thinking").str("data", data);
            }
            BlockKind::Reasoning { encrypted, id } => {
                inner.str("type", "thinking").str("thinking", "").str("signature", "");
                reasoning = Some(Proof { signature: None, encrypted: encrypted.clone(), id: id.clone() });
            }
            BlockKind::ToolCall { id, name, .. } => {
                inner.str("type", "tool_use").str("id", &crate::ids::fitting_id(id, 128)).str("name", name);
                inner.raw("input", "{}").raw("caller", DIRECT);
            }
            BlockKind::Raw(json) if self.origin == Format::AnthropicMessages => {
                let index = self.next;
                self.next += 1;
                self.open = Some(Open { block, reasoning: None, free_text: None, skipped: false });
                return Self::say_start(index, json, out);
            }
            BlockKind::Raw(_) => {
                self.open = Some(Open { block, reasoning: None, free_text: None, skipped: true });
                return;
            }
        }
        let index = self.next;
        self.next += 1;
        self.open = Some(Open { block, reasoning, free_text, skipped: false });
        Self::say_start(index, &inner.end(), out);
    }

    fn say_start(index: u32, inner: &str, out: &mut Vec<u8>) {
        let mut event = Obj::new();
        event.str("type", "content_block_start").num("index", index).raw("content_block", inner);
        write_event(Some("content_block_start"), &event.end(), out);
    }

    fn delta(open: &mut Open, index: u32, delta: &Delta, out: &mut Vec<u8>) {
        if let (Delta::Arguments(text), Some(held)) = (delta, &mut open.free_text) {
            held.push_str(text);
            return;
        }
        let mut inner = Obj::new();
        match (delta, &mut open.reasoning) {
            (Delta::Text(text), _) => inner.str("type", "text_delta").str("text", text),
            (Delta::Arguments(json), _) => inner.str("type", "input_json_delta").str("partial_json", json),
            (Delta::Reasoning(text), _) => inner.str("type", "thinking_delta").str("thinking", text),
            (Delta::Citation(json), _) if json.contains("_location\"") => {
                inner.str("type", "citations_delta").raw("citation", json)
            }
            (Delta::Signature(more), Some(proof)) => {
                proof.signature.get_or_insert_default().push_str(more);
                return;
            }
            (Delta::Encrypted(whole), Some(proof)) => {
                proof.encrypted = Some(whole.clone());
                return;
            }
            _ => return,
        };
        Self::say_delta(index, &inner.end(), out);
    }

    fn say_delta(index: u32, delta: &str, out: &mut Vec<u8>) {
        let mut event = Obj::new();
        event.str("type", "content_block_delta").num("index", index).raw("delta", delta);
        write_event(Some("content_block_delta"), &event.end(), out);
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        if open.skipped {
            return;
        }
        let index = self.next - 1;
        if let Some(text) = open.free_text {
            let json = crate::ids::arguments_object(&text);
            let delta = Obj::new().str("type", "input_json_delta").str("partial_json", &json).end();
            Self::say_delta(index, &delta, out);
        }
        if let Some(proof) = open.reasoning
            && let Some(signature) = Carried::write(
                proof.signature.as_deref(),
                proof.encrypted.as_deref(),
                proof.id.as_deref(),
                self.origin,
                Format::AnthropicMessages,
            )
        {
            let delta = Obj::new().str("type", "signature_delta").str("signature", &signature).end();
            Self::say_delta(index, &delta, out);
        }
        let event = Obj::new().str("type", "content_block_stop").num("index", index).end();
        write_event(Some("content_block_stop"), &event, out);
    }
}
