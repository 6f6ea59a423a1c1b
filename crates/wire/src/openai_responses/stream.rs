//! Streamed Responses answers.

use super::answer::{State, finish, item_id, reported};
use super::item::{call_item, message_item, output_part, reasoning_item};
use crate::json::Node;
use crate::logprobs::{self, Gathered};
use crate::neutral::{BlockKind, Content, Delta, Event, Finish};
use crate::stream::{MAX_BLOCKS, write_event};
use crate::write::{Arr, Obj, quoted};
use crate::{ApiError, Context, DecodeError, Format};
use std::collections::BTreeMap;

/// The API's events into neutral ones.
#[derive(Debug)]
pub(crate) struct Decoder {
    context: Context,
    /// Open blocks by output index and content index (of an item as a whole: [`WHOLE`]).
    open: BTreeMap<(u64, u64), Open>,
    blocks: u32,
    calls: bool,
    done: bool,
}

#[derive(Debug)]
struct Open {
    block: u32,
    /// Something came already, so the whole text at the end is no news.
    spoke: bool,
}

/// Stands for an item that is one block by itself.
const WHOLE: u64 = u64::MAX;

impl Decoder {
    pub(crate) fn new(context: &Context) -> Self {
        Self { context: context.clone(), open: BTreeMap::new(), blocks: 0, calls: false, done: false }
    }

    pub(crate) fn event(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        let node = Node::parse(data, 10)?;
        let kind = node.str("type").unwrap_or_default();
        let output = node.u64("output_index").unwrap_or(0);
        let part = node.u64("content_index").unwrap_or(0);
        match kind.strip_prefix("response.").unwrap_or(kind) {
            "created" => {
                let of = |name: &str| node.get("response").and_then(|response| response.str(name)).unwrap_or_default();
                out.push(Event::Start { id: of("id").to_owned(), model: of("model").to_owned(), usage: None });
            }
            "output_item.added" => self.item_added(output, &node, out)?,
            "content_part.added" => {
                let kind = match node.get("part").and_then(|part| part.str("type")) {
                    Some("output_text") => BlockKind::Text,
                    Some("refusal") => BlockKind::Refusal,
                    _ => return Ok(()),
                };
                self.start((output, part), kind, out)?;
            }
            "output_text.delta" => {
                self.text((output, part), BlockKind::Text, node.str("delta"), out)?;
                if let Some(odds) = logprobs::of_entries(node.get("logprobs")) {
                    self.delta((output, part), Delta::Logprobs(odds), out);
                }
            }
            "refusal.delta" => self.text((output, part), BlockKind::Refusal, node.str("delta"), out)?,
            "output_text.annotation.added" => {
                if let Some(note) = node.get("annotation") {
                    self.delta((output, part), Delta::Citation(note.raw.to_owned()), out);
                }
            }
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => {
                if let Some(text) = node.str("delta").filter(|text| !text.is_empty()) {
                    self.delta((output, WHOLE), Delta::Arguments(text.to_owned()), out);
                }
            }
            "reasoning_summary_text.delta" | "reasoning_text.delta" => {
                if let Some(text) = node.str("delta").filter(|text| !text.is_empty()) {
                    self.delta((output, WHOLE), Delta::Reasoning(text.to_owned()), out);
                }
            }
            "reasoning_summary_part.added" if node.u64("summary_index").unwrap_or(0) > 0 => {
                self.delta((output, WHOLE), Delta::Reasoning("\n\n".to_owned()), out);
            }
            "content_part.done" => self.stop((output, part), out),
            "output_item.done" => self.item_done(output, &node, out),
            "completed" | "incomplete" | "failed" | "error" => self.last(kind, &node, out),
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

    fn start(&mut self, key: (u64, u64), kind: BlockKind, out: &mut Vec<Event>) -> Result<u32, DecodeError> {
        if let Some(open) = self.open.get(&key) {
            return Ok(open.block);
        }
        let block = self.blocks;
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return Err(DecodeError::body(format!("the stream carries more than {MAX_BLOCKS} blocks")));
        }
        self.open.insert(key, Open { block, spoke: false });
        out.push(Event::BlockStart { choice: 0, block, kind });
        Ok(block)
    }

    fn delta(&mut self, key: (u64, u64), delta: Delta, out: &mut Vec<Event>) {
        if let Some(open) = self.open.get_mut(&key) {
            open.spoke = true;
            out.push(Event::Delta { choice: 0, block: open.block, delta });
        }
    }

    /// Some servers leave out that a part was added.
    fn text(
        &mut self,
        key: (u64, u64),
        kind: BlockKind,
        text: Option<&str>,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.start(key, kind, out)?;
            self.delta(key, Delta::Text(text.to_owned()), out);
        }
        Ok(())
    }

    fn stop(&mut self, key: (u64, u64), out: &mut Vec<Event>) {
        out.extend(self.open.remove(&key).map(|open| Event::BlockStop { choice: 0, block: open.block }));
    }

    fn item_added(&mut self, output: u64, node: &Node<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let Some(item) = node.get("item") else { return Ok(()) };
        let text = |name: &str| item.str(name).unwrap_or_default().to_owned();
        let kind = match item.str("type") {
            Some(kind @ ("function_call" | "custom_tool_call")) => {
                self.calls = true;
                let custom = kind == "custom_tool_call";
                let id = Some(text("call_id")).filter(|id| !id.is_empty());
                let id = id.unwrap_or_else(|| self.context.call_id(self.blocks));
                BlockKind::ToolCall { id, name: text("name"), custom, signature: None }
            }
            Some("reasoning") => BlockKind::Reasoning { encrypted: None, id: item.str("id").map(str::to_owned) },
            // Messages begin with their parts; what else there is comes whole at its end.
            _ => return Ok(()),
        };
        self.start((output, WHOLE), kind, out).map(|_| ())
    }

    fn item_done(&mut self, output: u64, node: &Node<'_>, out: &mut Vec<Event>) {
        let Some(item) = node.get("item") else { return };
        let key = (output, WHOLE);
        let spoke = self.open.get(&key).is_some_and(|open| open.spoke);
        match item.str("type") {
            Some("function_call" | "custom_tool_call") => {
                let whole = item.str("arguments").or_else(|| item.str("input")).filter(|text| !text.is_empty());
                if let Some(text) = whole.filter(|_| !spoke) {
                    self.delta(key, Delta::Arguments(text.to_owned()), out);
                }
            }
            Some("reasoning") => {
                if let Some(proof) = item.str("encrypted_content") {
                    self.delta(key, Delta::Encrypted(proof.to_owned()), out);
                }
            }
            Some("message") => {
                let open: Vec<_> = self.open.keys().filter(|(of, _)| *of == output).copied().collect();
                open.into_iter().for_each(|key| self.stop(key, out));
            }
            _ => {
                if self.start(key, BlockKind::Raw(item.raw.to_owned()), out).is_err() {
                    return;
                }
            }
        }
        self.stop(key, out);
    }

    fn last(&mut self, kind: &str, node: &Node<'_>, out: &mut Vec<Event>) {
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
            return;
        }
        let keys: Vec<_> = self.open.keys().copied().collect();
        keys.into_iter().for_each(|key| self.stop(key, out));
        out.push(Event::Finish { choice: 0, finish: finish(response, self.calls) });
        out.push(Event::Done);
    }
}

/// Neutral events into the API's.
#[derive(Debug)]
pub(crate) struct Encoder {
    context: Context,
    origin: Format,
    id: String,
    model: String,
    /// The next event's number.
    pub(crate) sequence: u64,
    /// Open items by block, with their output index.
    open: BTreeMap<u32, (u32, Item)>,
    /// Whole items by output index.
    output: BTreeMap<u32, String>,
    items: u32,
    finish: Finish,
    usage: Option<crate::Usage>,
}

#[derive(Debug)]
struct Item {
    id: String,
    content: Content,
    /// The summary part of reasoning was announced.
    summary: bool,
    odds: Gathered,
}

impl Encoder {
    pub(crate) fn new(origin: Format, context: &Context) -> Self {
        Self {
            context: context.clone(),
            origin,
            id: String::new(),
            model: String::new(),
            sequence: 0,
            open: BTreeMap::new(),
            output: BTreeMap::new(),
            items: 0,
            finish: Finish::Stop,
            usage: None,
        }
    }

    pub(crate) fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, usage } => {
                self.id = self.context.id_or(id, "resp_");
                self.model.clone_from(model);
                self.usage = *usage;
                for kind in ["response.created", "response.in_progress"] {
                    let state = self.state("[]", None, None);
                    self.say(kind, Obj::new().raw("response", &state), out);
                }
            }
            Event::BlockStart { choice: 0, block, kind } => self.block_start(*block, kind, out),
            Event::Delta { choice: 0, block, delta } => self.delta(*block, delta, out),
            Event::BlockStop { choice: 0, block } => self.block_stop(*block, out),
            Event::Finish { choice: 0, finish } => self.finish = finish.clone(),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => self.error(error, out),
            Event::Done => self.done(out),
            // Other choices: the API has one.
            _ => {}
        }
    }

    fn state(&self, output: &str, finish: Option<&Finish>, usage: Option<crate::Usage>) -> String {
        State { id: &self.id, model: &self.model, output, finish, usage }.write(&self.context)
    }

    fn say(&mut self, kind: &str, fields: &mut Obj, out: &mut Vec<u8>) {
        let mut event = Obj::new();
        event.str("type", kind).num("sequence_number", self.sequence);
        self.sequence += 1;
        let text = event.join(fields);
        write_event(Some(kind), &text, out);
    }

    fn block_start(&mut self, block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        let index = self.items;
        let make = |prefix: &str| item_id(&self.context, prefix, index);
        let (id, content, shown) = match kind {
            BlockKind::Text | BlockKind::Refusal => {
                let id = make("msg");
                let content = match kind {
                    BlockKind::Text => Content::text(""),
                    _ => Content::Refusal(String::new()),
                };
                let shown = message_item(&id, "in_progress", "[]");
                (id, content, shown)
            }
            BlockKind::Reasoning { encrypted, id } => {
                let own = id.clone().filter(|_| self.origin == Format::OpenaiResponses);
                let item = own.unwrap_or_else(|| make("rs"));
                let content = Content::Reasoning {
                    text: String::new(),
                    signature: None,
                    encrypted: encrypted.clone(),
                    id: id.clone(),
                    origin: self.origin,
                };
                let shown = reasoning_item(&item, "", None, None, self.origin);
                (item, content, shown)
            }
            BlockKind::ToolCall { id, name, custom, signature } => {
                let content = Content::ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                    custom: *custom,
                    signature: signature.clone(),
                };
                let item = make(if *custom { "ctc" } else { "fc" });
                let shown = call_item(&item, "in_progress", &content);
                (item, content, shown)
            }
            BlockKind::Raw(json) if self.origin == Format::OpenaiResponses => {
                (String::new(), Content::Raw { origin: self.origin, json: json.clone() }, json.clone())
            }
            BlockKind::Raw(_) => return,
        };
        self.items += 1;
        self.say("response.output_item.added", Obj::new().num("output_index", index).raw("item", &shown), out);
        if let Some(part) = output_part(&content, "[]") {
            let mut fields = place(&id, index, "content_index");
            self.say("response.content_part.added", fields.raw("part", &part), out);
        }
        self.open.insert(block, (index, Item { id, content, summary: false, odds: Gathered::default() }));
    }

    fn delta(&mut self, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some((index, mut item)) = self.open.remove(&block) else { return };
        match (&mut item.content, delta) {
            (Content::Text { text, .. }, Delta::Text(more)) => {
                text.push_str(more);
                let mut fields = place(&item.id, index, "content_index");
                self.say("response.output_text.delta", fields.str("delta", more).raw("logprobs", "[]"), out);
            }
            (Content::Text { .. }, Delta::Logprobs(json)) => {
                item.odds.push(json);
                let mut fields = place(&item.id, index, "content_index");
                // The text that they are of has gone out already.
                fields.str("delta", "").raw("logprobs", &logprobs::entries(json));
                self.say("response.output_text.delta", &mut fields, out);
            }
            (Content::Refusal(text), Delta::Text(more)) => {
                text.push_str(more);
                let mut fields = place(&item.id, index, "content_index");
                self.say("response.refusal.delta", fields.str("delta", more), out);
            }
            (Content::Text { citations, .. }, Delta::Citation(json)) if !json.contains("_location\"") => {
                let number = citations.as_deref().map_or(0, |list| list.matches("\"type\"").count());
                let list = citations.get_or_insert_with(|| "[]".to_owned());
                list.pop();
                if list.len() > 1 {
                    list.push(',');
                }
                list.push_str(json);
                list.push(']');
                let mut fields = place(&item.id, index, "content_index");
                fields.num("annotation_index", number as u64).raw("annotation", json);
                self.say("response.output_text.annotation.added", &mut fields, out);
            }
            (Content::Reasoning { text, .. }, Delta::Reasoning(more)) => {
                text.push_str(more);
                if !item.summary {
                    item.summary = true;
                    let mut fields = place(&item.id, index, "summary_index");
                    fields.raw("part", r#"{"type":"summary_text","text":""}"#);
                    self.say("response.reasoning_summary_part.added", &mut fields, out);
                }
                let mut fields = place(&item.id, index, "summary_index");
                self.say("response.reasoning_summary_text.delta", fields.str("delta", more), out);
            }
            (Content::Reasoning { signature, .. }, Delta::Signature(more)) => {
                signature.get_or_insert_default().push_str(more);
            }
            (Content::Reasoning { encrypted, .. }, Delta::Encrypted(whole)) => *encrypted = Some(whole.clone()),
            (Content::ToolCall { arguments, custom, .. }, Delta::Arguments(more)) => {
                arguments.push_str(more);
                let kind = if *custom {
                    "response.custom_tool_call_input.delta"
                } else {
                    "response.function_call_arguments.delta"
                };
                let mut fields = Obj::new();
                fields.str("item_id", &item.id).num("output_index", index).str("delta", more);
                self.say(kind, &mut fields, out);
            }
            _ => {}
        }
        self.open.insert(block, (index, item));
    }

    fn block_stop(&mut self, block: u32, out: &mut Vec<u8>) {
        let Some((index, item)) = self.open.remove(&block) else { return };
        let id = &item.id;
        let odds = item.odds.whole().map_or_else(|| "[]".to_owned(), |json| logprobs::entries(&json));
        let whole = match &item.content {
            Content::Text { text, .. } | Content::Refusal(text) => {
                let part = output_part(&item.content, &odds).unwrap_or_default();
                let mut fields = place(id, index, "content_index");
                if matches!(item.content, Content::Text { .. }) {
                    self.say("response.output_text.done", fields.str("text", text).raw("logprobs", &odds), out);
                } else {
                    self.say("response.refusal.done", fields.str("refusal", text), out);
                }
                let mut fields = place(id, index, "content_index");
                self.say("response.content_part.done", fields.raw("part", &part), out);
                message_item(id, "completed", &Arr::of([part]))
            }
            Content::Reasoning { text, signature, encrypted, origin, .. } => {
                if item.summary {
                    let mut fields = place(id, index, "summary_index");
                    self.say("response.reasoning_summary_text.done", fields.str("text", text), out);
                    let part = Obj::new().str("type", "summary_text").str("text", text).end();
                    let mut fields = place(id, index, "summary_index");
                    self.say("response.reasoning_summary_part.done", fields.raw("part", &part), out);
                }
                reasoning_item(id, text, signature.as_deref(), encrypted.as_deref(), *origin)
            }
            Content::ToolCall { name, arguments, custom, .. } => {
                let mut fields = Obj::new();
                fields.str("item_id", id).num("output_index", index);
                if *custom {
                    self.say("response.custom_tool_call_input.done", fields.str("input", arguments), out);
                } else {
                    fields.str("name", name).str("arguments", arguments);
                    self.say("response.function_call_arguments.done", &mut fields, out);
                }
                call_item(id, "completed", &item.content)
            }
            Content::Raw { json, .. } => json.clone(),
            _ => return,
        };
        self.say("response.output_item.done", Obj::new().num("output_index", index).raw("item", &whole), out);
        self.output.insert(index, whole);
    }

    fn error(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        if self.id.is_empty() {
            let mut fields = Obj::new();
            fields.str_or_null("code", error.code.as_deref()).str("message", &error.message);
            fields.str_or_null("param", error.param.as_deref());
            self.say("error", &mut fields, out);
            return;
        }
        let output = Arr::of(std::mem::take(&mut self.output).into_values());
        let failed = Finish::Failed(error.message.clone());
        let state = self.state(&output, Some(&failed), self.usage);
        let code = error.code.as_deref().filter(|_| error.status < 500).unwrap_or("server_error");
        let state = state.replacen(r#""code":"server_error""#, &format!(r#""code":{}"#, quoted(code)), 1);
        self.say("response.failed", Obj::new().raw("response", &state), out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        // A decoder closes its blocks; should one not, the client's grammar still holds.
        let open: Vec<u32> = self.open.keys().copied().collect();
        open.into_iter().for_each(|block| self.block_stop(block, out));
        let output = Arr::of(std::mem::take(&mut self.output).into_values());
        let finish = self.finish.clone();
        let kind = match finish {
            Finish::Length | Finish::ContextFull | Finish::ContentFilter => "response.incomplete",
            Finish::Failed(_) => "response.failed",
            _ => "response.completed",
        };
        let state = self.state(&output, Some(&finish), Some(self.usage.unwrap_or_default()));
        self.say(kind, Obj::new().raw("response", &state), out);
    }
}

/// Where something happens: item, its place, its only part.
fn place(id: &str, index: u32, part: &str) -> Obj {
    let mut fields = Obj::new();
    fields.str("item_id", id).num("output_index", index).num(part, 0u32);
    fields
}
