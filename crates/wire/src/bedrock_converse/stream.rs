//! Streamed `ConverseStream` answers: blocks by number, text blocks without a start.

use super::answer::{finish, finish_words, more_fields, stop_sequence};
use super::error::{encode_error, exception, exception_name};
use super::usage::{encode_usage, usage_beside};
use crate::json::Node;
use crate::neutral::{BlockKind, Delta, Event, Finish};
use crate::stream::{MAX_BLOCKS, write_event};
use crate::write::Obj;
use crate::{Context, DecodeError, Usage};

/// Events into neutral ones.
#[derive(Debug)]
pub(crate) struct Decoder {
    model: String,
    started: bool,
    /// Open blocks: the provider's index and our number.
    open: Vec<(u64, u32)>,
    blocks: u32,
    calls: bool,
    finished: bool,
    done: bool,
}

impl Decoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            model: context.model.clone(),
            started: false,
            open: Vec::new(),
            blocks: 0,
            calls: false,
            finished: false,
            done: false,
        }
    }

    pub(crate) fn event(&mut self, name: Option<&str>, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let name = name.unwrap_or_default();
        if self.done {
            return Ok(());
        }
        if let Some(error) = exception(name, data) {
            self.done = true;
            out.push(Event::Error(error));
            return Ok(());
        }
        let node = Node::parse(data, 8)?;
        if !self.started {
            self.started = true;
            out.push(Event::Start { id: String::new(), model: self.model.clone(), usage: None });
        }
        match name {
            "contentBlockStart" => self.block_start(&node, out)?,
            "contentBlockDelta" => self.delta(&node, out)?,
            "contentBlockStop" => {
                let index = node.u64("contentBlockIndex");
                if let Some(at) = self.open.iter().position(|(open, _)| Some(*open) == index) {
                    let (_, block) = self.open.remove(at);
                    out.push(Event::BlockStop { choice: 0, block });
                }
            }
            "messageStop" if !self.finished => {
                self.finished = true;
                out.extend(self.open.drain(..).map(|(_, block)| Event::BlockStop { choice: 0, block }));
                let sequence = stop_sequence(node.get("additionalModelResponseFields"));
                let finish = finish(node.str("stopReason").unwrap_or("end_turn"), sequence, self.calls);
                out.push(Event::Finish { choice: 0, finish });
            }
            // The last event; usage stands nowhere else.
            "metadata" => out.extend(usage_beside(&node).map(Event::Usage)),
            // `messageStart`, and what a newer API may add.
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

    fn start(&mut self, index: u64, kind: BlockKind, out: &mut Vec<Event>) -> Result<u32, DecodeError> {
        let block = self.blocks;
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return Err(DecodeError::body(format!("the stream carries more than {MAX_BLOCKS} blocks")));
        }
        self.open.push((index, block));
        out.push(Event::BlockStart { choice: 0, block, kind });
        Ok(block)
    }

    fn block_start(&mut self, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let (Some(index), Some(start)) = (node.u64("contentBlockIndex"), node.get("start")) else { return Ok(()) };
        if self.finished {
            return Ok(());
        }
        let kind = match start.get("toolUse") {
            Some(call) => {
                let text = |name: &str| call.str(name).unwrap_or_default().to_owned();
                self.calls = true;
                BlockKind::ToolCall { id: text("toolUseId"), name: text("name"), custom: false, signature: None }
            }
            // Text and reasoning start with their first delta where they say nothing at their start.
            None if start.fields().is_empty() => return Ok(()),
            None => BlockKind::Raw(start.raw.to_owned()),
        };
        self.start(index, kind, out)?;
        Ok(())
    }

    fn delta(&mut self, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let (Some(index), Some(inner)) = (node.u64("contentBlockIndex"), node.get("delta")) else { return Ok(()) };
        let Some((kind, delta)) = piece(inner).filter(|_| !self.finished) else { return Ok(()) };
        let open = self.open.iter().find(|(open, _)| *open == index).map(|(_, block)| *block);
        let block = match (open, kind) {
            (Some(block), _) => block,
            (None, Some(kind)) => self.start(index, kind, out)?,
            // Arguments of a call that never began.
            (None, None) => return Ok(()),
        };
        out.extend(delta.map(|delta| Event::Delta { choice: 0, block, delta }));
        Ok(())
    }
}

/// What a delta brings, and the block that it begins where none is open.
fn piece(delta: &Node<'_>) -> Option<(Option<BlockKind>, Option<Delta>)> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if let Some(text) = delta.str("text") {
        return Some((Some(BlockKind::Text), some(text).map(Delta::Text)));
    }
    if let Some(call) = delta.get("toolUse") {
        return Some((None, call.str("input").and_then(some).map(Delta::Arguments)));
    }
    let thought = delta.get("reasoningContent")?;
    let kind = Some(BlockKind::Reasoning { encrypted: None, id: None });
    if let Some(text) = thought.str("text") {
        return Some((kind, some(text).map(Delta::Reasoning)));
    }
    if let Some(signature) = thought.str("signature") {
        return Some((kind, some(signature).map(Delta::Signature)));
    }
    let data = thought.str("redactedContent")?;
    Some((Some(BlockKind::Reasoning { encrypted: Some(data.to_owned()), id: None }), None))
}

/// Neutral events into the API's.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    finish: Finish,
    usage: Option<Usage>,
}

impl Encoder {
    pub(crate) fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { usage, .. } => {
                self.usage = *usage;
                write_event(Some("messageStart"), r#"{"role":"assistant"}"#, out);
            }
            Event::BlockStart { choice: 0, block, kind } => start(*block, kind, out),
            Event::Delta { choice: 0, block, delta } => {
                if let Some(delta) = delta_json(delta) {
                    say_delta(*block, &delta, out);
                }
            }
            Event::BlockStop { choice: 0, block } => {
                let stop = Obj::new().num("contentBlockIndex", *block).end();
                write_event(Some("contentBlockStop"), &stop, out);
            }
            Event::Finish { choice: 0, finish } => self.finish = finish.clone(),
            // Other choices: the API has one.
            Event::BlockStart { .. } | Event::Delta { .. } | Event::BlockStop { .. } | Event::Finish { .. } => {}
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => {
                write_event(Some(exception_name(error)), &String::from_utf8_lossy(&encode_error(error)), out);
            }
            Event::Done => self.done(out),
        }
    }

    fn done(&self, out: &mut Vec<u8>) {
        let (reason, sequence) = finish_words(&self.finish);
        let mut stop = Obj::new();
        stop.str("stopReason", reason);
        stop.opt_raw("additionalModelResponseFields", more_fields(sequence).as_deref());
        write_event(Some("messageStop"), &stop.end(), out);
        let usage = encode_usage(&self.usage.unwrap_or_default());
        let metadata = Obj::new().raw("usage", &usage).raw("metrics", r#"{"latencyMs":0}"#).end();
        write_event(Some("metadata"), &metadata, out);
    }
}

fn start(block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
    let start = match kind {
        BlockKind::ToolCall { id, name, .. } => {
            let call = Obj::new().str("toolUseId", id).str("name", name).end();
            Obj::new().raw("toolUse", &call).end()
        }
        BlockKind::Text | BlockKind::Refusal => return say_delta(block, &Obj::new().str("text", "").end(), out),
        BlockKind::Reasoning { encrypted: None, .. } => return say_delta(block, &thought("text", ""), out),
        BlockKind::Reasoning { encrypted: Some(data), .. } => {
            return say_delta(block, &thought("redactedContent", data), out);
        }
        BlockKind::Raw(json) => json.clone(),
    };
    let event = Obj::new().num("contentBlockIndex", block).raw("start", &start).end();
    write_event(Some("contentBlockStart"), &event, out);
}

fn thought(field: &str, text: &str) -> String {
    Obj::new().raw("reasoningContent", &Obj::new().str(field, text).end()).end()
}

fn delta_json(delta: &Delta) -> Option<String> {
    Some(match delta {
        Delta::Text(text) => Obj::new().str("text", text).end(),
        Delta::Arguments(json) => {
            let input = Obj::new().str("input", json).end();
            Obj::new().raw("toolUse", &input).end()
        }
        Delta::Reasoning(text) => thought("text", text),
        Delta::Signature(text) => thought("signature", text),
        Delta::Encrypted(data) => thought("redactedContent", data),
        Delta::Logprobs(_) | Delta::Citation(_) => return None,
    })
}

fn say_delta(block: u32, delta: &str, out: &mut Vec<u8>) {
    let event = Obj::new().num("contentBlockIndex", block).raw("delta", delta).end();
    write_event(Some("contentBlockDelta"), &event, out);
}
