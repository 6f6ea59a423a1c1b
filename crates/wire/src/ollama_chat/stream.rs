//! Streamed `/api/chat` answers: one JSON object a line.

use super::answer::{call_json, encode_error, finish, line, name_calls, usage};
use super::decode::parts;
use crate::json::Node;
use crate::logprobs;
use crate::neutral::{BlockKind, Content, Delta, Event, Finish};
use crate::stream::MAX_BLOCKS;
use crate::write::{Arr, Obj};
use crate::{ApiError, Context, DecodeError, Format, Usage};
use std::collections::BTreeMap;

/// Lines into neutral events.
#[derive(Debug)]
pub(crate) struct Decoder {
    context: Context,
    started: bool,
    done: bool,
    finished: bool,
    blocks: u32,
    calls: u32,
    /// The open block and whether it is reasoning.
    open: Option<(u32, bool)>,
}

impl Decoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self { context: context.clone(), started: false, done: false, finished: false, blocks: 0, calls: 0, open: None }
    }

    pub(crate) fn event(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done || self.finished {
            return Ok(());
        }
        let node = Node::parse(data, 10)?;
        if let Some(message) = node.str("error") {
            self.done = true;
            out.push(Event::Error(ApiError::new(502, message)));
            return Ok(());
        }
        if !self.started {
            self.started = true;
            let model = node.str("model").unwrap_or_default().to_owned();
            out.push(Event::Start { id: String::new(), model, usage: None });
        }
        if let Some(message) = node.get("message") {
            self.message(message, out)?;
        }
        if let (Some((block, false)), Some(odds)) = (self.open, logprobs::of_entries(node.get("logprobs"))) {
            out.push(Event::Delta { choice: 0, block, delta: Delta::Logprobs(odds) });
        }
        if node.get("done").and_then(Node::as_bool) == Some(true) {
            self.finished = true;
            self.close(out);
            let finish = finish(node.str("done_reason").unwrap_or("stop"), self.calls > 0);
            out.push(Event::Finish { choice: 0, finish });
            out.extend(usage(node.raw).map(Event::Usage));
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, out: &mut Vec<Event>) {
        if !self.done {
            self.done = true;
            out.push(if self.finished { Event::Done } else { Event::Error(crate::stream::cut()) });
        }
    }

    fn message(&mut self, message: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let mut said = parts(message);
        self.calls += name_calls(&mut said, self.calls, &self.context);
        for part in said {
            match part.content {
                Content::Text { text, .. } if !text.is_empty() => self.prose(false, Delta::Text(text), out)?,
                Content::Reasoning { text, .. } => self.prose(true, Delta::Reasoning(text), out)?,
                Content::ToolCall { id, name, arguments, .. } => {
                    self.close(out);
                    let block = self.next()?;
                    let kind = BlockKind::ToolCall { id, name, custom: false, signature: None };
                    out.push(Event::BlockStart { choice: 0, block, kind });
                    out.push(Event::Delta { choice: 0, block, delta: Delta::Arguments(arguments) });
                    out.push(Event::BlockStop { choice: 0, block });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<u32, DecodeError> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return Err(DecodeError::body(format!("the stream carries more than {MAX_BLOCKS} blocks")));
        }
        Ok(self.blocks - 1)
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        out.extend(self.open.take().map(|(block, _)| Event::BlockStop { choice: 0, block }));
    }

    fn prose(&mut self, reasoning: bool, delta: Delta, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let block = match self.open {
            Some((block, open)) if open == reasoning => block,
            _ => {
                self.close(out);
                let block = self.next()?;
                self.open = Some((block, reasoning));
                let kind = if reasoning { BlockKind::Reasoning { encrypted: None, id: None } } else { BlockKind::Text };
                out.push(Event::BlockStart { choice: 0, block, kind });
                block
            }
        };
        out.push(Event::Delta { choice: 0, block, delta });
        Ok(())
    }
}

/// Neutral events into lines. Tool calls come whole here, so their arguments are gathered.
#[derive(Debug)]
pub(crate) struct Encoder {
    context: Context,
    model: String,
    open: BTreeMap<u32, Content>,
    finish: Finish,
    usage: Option<Usage>,
}

impl Encoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            model: String::new(),
            open: BTreeMap::new(),
            finish: Finish::Stop,
            usage: None,
        }
    }

    pub(crate) fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { model, usage, .. } => {
                self.model.clone_from(model);
                self.usage = *usage;
            }
            Event::BlockStart { choice: 0, block, kind } => {
                self.open.insert(*block, kind.empty(Format::OllamaChat));
            }
            Event::Delta { choice: 0, block, delta } => self.delta(*block, delta, out),
            Event::BlockStop { choice: 0, block } => {
                if let Some(call @ Content::ToolCall { .. }) = self.open.remove(block) {
                    let calls = Arr::of([call_json(&call)]);
                    self.say(Obj::new().str("role", "assistant").str("content", "").raw("tool_calls", &calls), out);
                }
            }
            Event::Finish { choice: 0, finish } => self.finish = finish.clone(),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => {
                out.extend(encode_error(error));
                out.push(b'\n');
            }
            Event::Done => {
                let message = r#"{"role":"assistant","content":""}"#;
                let last = line(&self.model, message, Some((&self.finish, self.usage)), &self.context);
                out.extend_from_slice(last.as_bytes());
                out.push(b'\n');
            }
            // Other choices: the API has one.
            _ => {}
        }
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(content) = self.open.get_mut(&block) else { return };
        let mut message = Obj::new();
        message.str("role", "assistant");
        match (content, delta) {
            (Content::Text { .. } | Content::Refusal(_), Delta::Text(text)) => message.str("content", text),
            (Content::Reasoning { .. }, Delta::Reasoning(text)) => message.str("content", "").str("thinking", text),
            (content, delta) => {
                delta.append_to(content);
                return;
            }
        };
        self.say(&mut message, out);
    }

    fn say(&self, message: &mut Obj, out: &mut Vec<u8>) {
        out.extend_from_slice(line(&self.model, &message.end(), None, &self.context).as_bytes());
        out.push(b'\n');
    }
}
