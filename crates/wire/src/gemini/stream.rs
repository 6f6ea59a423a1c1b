//! Streamed Gemini answers: each event is an answer object with what is new.

use super::answer::{finish, finish_word, part_json};
use super::decode::part;
use super::error::{decode_error, encode_error};
use super::usage::{encode_usage, usage};
use crate::json::Node;
use crate::logprobs;
use crate::neutral::{BlockKind, Content, Delta, Event, Finish};
use crate::stream::{MAX_BLOCKS, MAX_CHOICES, write_event};
use crate::write::{Arr, Obj};
use crate::{Context, DecodeError, Format, Usage};
use std::collections::BTreeMap;

/// Events into neutral ones.
#[derive(Debug)]
pub(crate) struct Decoder {
    context: Context,
    started: bool,
    done: bool,
    choices: BTreeMap<u32, ChoiceState>,
    calls: u32,
}

#[derive(Debug, Default)]
struct ChoiceState {
    blocks: u32,
    /// The open block and whether it is reasoning.
    open: Option<(u32, bool)>,
    calls: bool,
    finished: bool,
}

impl Decoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self { context: context.clone(), started: false, done: false, choices: BTreeMap::new(), calls: 0 }
    }

    pub(crate) fn event(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        let node = Node::parse(data, 10)?;
        if node.get("error").is_some() {
            self.done = true;
            let code = node.get("error").and_then(|error| error.u64("code")).and_then(|code| u16::try_from(code).ok());
            out.push(Event::Error(decode_error(code.unwrap_or(502), data.as_bytes())));
            return Ok(());
        }
        if !self.started {
            self.started = true;
            let of = |name: &str| node.str(name).unwrap_or_default().to_owned();
            out.push(Event::Start { id: of("responseId"), model: of("modelVersion"), usage: None });
        }
        for candidate in node.get("candidates").map_or(&[][..], Node::items) {
            self.candidate(candidate, out)?;
        }
        out.extend(node.get("usageMetadata").and_then(|node| usage(node.raw)).map(Event::Usage));
        if node.get("promptFeedback").and_then(|feedback| feedback.get("blockReason")).is_some() {
            let state = self.choices.entry(0).or_default();
            if !state.finished {
                state.finished = true;
                out.push(Event::Finish { choice: 0, finish: Finish::ContentFilter });
            }
        }
        Ok(())
    }

    /// The API has no end mark: the stream is whole when every choice has its finish reason.
    pub(crate) fn end(&mut self, out: &mut Vec<Event>) {
        if !self.done {
            self.done = true;
            let whole = !self.choices.is_empty() && self.choices.values().all(|choice| choice.finished);
            out.push(if whole { Event::Done } else { Event::Error(crate::stream::cut()) });
        }
    }

    fn candidate(&mut self, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let choice = u32::try_from(node.u64("index").unwrap_or(0)).ok().filter(|index| *index < MAX_CHOICES);
        let choice = choice.ok_or_else(|| DecodeError::body("the stream carries too many choices"))?;
        let state = self.choices.entry(choice).or_default();
        if state.finished {
            return Ok(());
        }
        let parts = node.get("content").and_then(|content| content.get("parts"));
        for node in parts.map_or(&[][..], Node::items) {
            let loose_signature = node.str("thoughtSignature").map(str::to_owned);
            match part(node) {
                Content::Reasoning { text, signature, .. } => {
                    let block = state.prose(choice, true, out)?;
                    push(out, choice, block, (!text.is_empty()).then_some(Delta::Reasoning(text)));
                    push(out, choice, block, signature.map(Delta::Signature));
                }
                Content::Text { text, .. } => {
                    if !text.is_empty() {
                        let block = state.prose(choice, false, out)?;
                        push(out, choice, block, Some(Delta::Text(text)));
                    } else if let (Some((block, true)), Some(signature)) = (state.open, loose_signature) {
                        push(out, choice, block, Some(Delta::Signature(signature)));
                    }
                }
                Content::ToolCall { id, name, arguments, signature, .. } => {
                    state.calls = true;
                    let id = if id.is_empty() { self.context.call_id(self.calls) } else { id };
                    self.calls += 1;
                    let kind = BlockKind::ToolCall { id, name, custom: false, signature };
                    state.whole(choice, kind, Some(Delta::Arguments(arguments)), out)?;
                }
                Content::Raw { json, .. } => state.whole(choice, BlockKind::Raw(json), None, out)?,
                _ => state.whole(choice, BlockKind::Raw(node.raw.to_owned()), None, out)?,
            }
        }
        if let (Some((block, false)), Some(odds)) = (state.open, logprobs::of_gemini(node.get("logprobsResult"))) {
            push(out, choice, block, Some(Delta::Logprobs(odds)));
        }
        if let Some(reason) = node.str("finishReason") {
            state.finished = true;
            state.close(choice, out);
            out.push(Event::Finish { choice, finish: finish(reason, state.calls) });
        }
        Ok(())
    }
}

fn push(out: &mut Vec<Event>, choice: u32, block: u32, delta: Option<Delta>) {
    out.extend(delta.map(|delta| Event::Delta { choice, block, delta }));
}

impl ChoiceState {
    fn next(&mut self) -> Result<u32, DecodeError> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return Err(DecodeError::body(format!("the stream carries more than {MAX_BLOCKS} blocks")));
        }
        Ok(self.blocks - 1)
    }

    fn close(&mut self, choice: u32, out: &mut Vec<Event>) {
        out.extend(self.open.take().map(|(block, _)| Event::BlockStop { choice, block }));
    }

    fn prose(&mut self, choice: u32, reasoning: bool, out: &mut Vec<Event>) -> Result<u32, DecodeError> {
        if let Some((block, open)) = self.open
            && open == reasoning
        {
            return Ok(block);
        }
        self.close(choice, out);
        let block = self.next()?;
        self.open = Some((block, reasoning));
        let kind = if reasoning { BlockKind::Reasoning { encrypted: None, id: None } } else { BlockKind::Text };
        out.push(Event::BlockStart { choice, block, kind });
        Ok(block)
    }

    fn whole(
        &mut self,
        choice: u32,
        kind: BlockKind,
        delta: Option<Delta>,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        self.close(choice, out);
        let block = self.next()?;
        out.push(Event::BlockStart { choice, block, kind });
        push(out, choice, block, delta);
        out.push(Event::BlockStop { choice, block });
        Ok(())
    }
}

/// Neutral events into the API's. Tool calls come whole here, so their arguments are gathered.
#[derive(Debug)]
pub(crate) struct Encoder {
    context: Context,
    id: String,
    model: String,
    open: BTreeMap<(u32, u32), Content>,
    finishes: Vec<(u32, Finish)>,
    usage: Option<Usage>,
}

impl Encoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            id: String::new(),
            model: String::new(),
            open: BTreeMap::new(),
            finishes: Vec::new(),
            usage: None,
        }
    }

    pub(crate) fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, usage } => {
                self.id = self.context.id_or(id, "");
                self.model.clone_from(model);
                self.usage = *usage;
            }
            Event::BlockStart { choice, block, kind } => {
                self.open.insert((*choice, *block), kind.empty(Format::Gemini));
            }
            Event::Delta { choice, block, delta } => self.delta(*choice, *block, delta, out),
            Event::BlockStop { choice, block } => match self.open.remove(&(*choice, *block)) {
                Some(call @ (Content::ToolCall { .. } | Content::Raw { .. })) => {
                    self.say(*choice, part_json(&call), None, out);
                }
                Some(Content::Reasoning { signature: signature @ Some(_), .. }) => {
                    let thought = Content::Reasoning {
                        text: String::new(),
                        signature,
                        encrypted: None,
                        id: None,
                        origin: Format::Gemini,
                    };
                    self.say(*choice, part_json(&thought), None, out);
                }
                _ => {}
            },
            Event::Finish { choice, finish } => self.finishes.push((*choice, finish.clone())),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => write_event(None, &String::from_utf8_lossy(&encode_error(error)), out),
            Event::Done => {
                let finishes = std::mem::take(&mut self.finishes);
                for (at, (choice, finish)) in finishes.iter().enumerate() {
                    let last = at + 1 == finishes.len();
                    self.say(*choice, None, Some((finish_word(finish), last)), out);
                }
            }
        }
    }

    fn delta(&mut self, choice: u32, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(content) = self.open.get_mut(&(choice, block)) else { return };
        let part = match (content, delta) {
            (Content::Text { .. } | Content::Refusal(_), Delta::Text(text)) => Obj::new().str("text", text).end(),
            (Content::Reasoning { .. }, Delta::Reasoning(text)) => {
                Obj::new().str("text", text).bool("thought", true).end()
            }
            (content, delta) => {
                delta.append_to(content);
                return;
            }
        };
        self.say(choice, Some(part), None, out);
    }

    fn say(&self, choice: u32, part: Option<String>, finish: Option<(&str, bool)>, out: &mut Vec<u8>) {
        let content = Obj::new().str("role", "model").raw("parts", &Arr::of(part)).end();
        let mut candidate = Obj::new();
        candidate.raw("content", &content);
        if let Some((word, _)) = finish {
            candidate.str("finishReason", word);
        }
        candidate.num("index", choice);
        let mut chunk = Obj::new();
        chunk.raw("candidates", &Arr::of([candidate.end()]));
        if finish.is_some_and(|(_, last)| last) {
            chunk.opt_raw("usageMetadata", self.usage.map(|usage| encode_usage(&usage)).as_deref());
        }
        chunk.str("modelVersion", &self.model).str("responseId", &self.id);
        write_event(None, &chunk.end(), out);
    }
}
