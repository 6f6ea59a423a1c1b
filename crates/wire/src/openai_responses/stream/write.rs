//! Neutral events into the events of a Responses stream.

use crate::citations::for_responses;
use crate::logprobs::{self, Gathered};
use crate::neutral::{BlockKind, Content, Delta, Event, Finish};
use crate::openai_responses::answer::{State, item_id};
use crate::openai_responses::item::{call_item, message_item, output_part, reasoning_item};
use crate::stream::write_event;
use crate::write::{Arr, Obj, quoted};
use crate::{ApiError, Context, Format};
use std::collections::BTreeMap;

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
            (content @ Content::Text { .. }, Delta::Citation(json)) => {
                let Content::Text { text, citations } = &*content else { return };
                if let Some(note) = for_responses(json, &(0..text.chars().count())) {
                    let number = citations.as_deref().map_or(0, |list| list.matches("\"type\"").count());
                    let mut fields = place(&item.id, index, "content_index");
                    fields.num("annotation_index", number as u64).raw("annotation", &note);
                    self.say("response.output_text.annotation.added", &mut fields, out);
                    Delta::Citation(note).append_to(content);
                }
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
