//! Neutral events into chunks of a Chat Completions stream.

use crate::citations::for_chat;
use crate::neutral::{BlockKind, Content, Delta, Event};
use crate::openai_chat::answer::{encode_usage, finish_word};
use crate::openai_chat::encode::tool_call;
use crate::openai_chat::error::encode_error;
use crate::openai_chat::thought::detail;
use crate::write::{Arr, Obj};
use crate::{Context, Format};
use std::collections::BTreeMap;

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
