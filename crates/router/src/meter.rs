//! Reads a stream in passing: what came, what it cost, whether it is whole; and says which bytes go to the client.
//!
//! When client and provider speak the same API, bytes go through as they came. Three things are changed: usage that the
//! client did not ask for is held back, the cost is put into all other usage, and the end mark of a stream that is not
//! whole never goes out. When they speak different APIs every event is written anew. A client that waits for usage where the
//! provider told none gets our estimate, which is marked as one.

use crate::log::Money;
use crate::seam::Provider;
use bytes::{Bytes, BytesMut};
use tierway_decide::dispatch::{ErrorReply, FailureKind};
use tierway_wire::neutral::{self, BlockKind, Delta, Finish};
use tierway_wire::openai_chat::Facts;
use tierway_wire::sse::{Event, Events};
use tierway_wire::tokens::Tally;
use tierway_wire::{ApiError, Context, Format, Repeats, ServiceTier, StreamDecoder, StreamEncoder, Usage};

/// How resellers end a Chat answer that is none.
pub(crate) const FAILED: &str = "error";

/// What a stream has said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) usage: Option<Usage>,
    /// Finish reason in OpenAI's words, of the answer that finished last; empty until one came.
    pub(crate) finish: String,
    /// Answers that were asked for ...
    asked: u32,
    /// ... that have begun ...
    begun: u32,
    /// ... and that have their finish.
    finished: u32,
    /// Content came: from here on there is no falling back in silence.
    pub(crate) content: bool,
    /// What was said: the estimate of output tokens when the provider reports none.
    pub(crate) tally: Tally,
    /// The end mark came.
    pub(crate) done: bool,
    /// The service tier that chunks named last.
    service_tier: ServiceTier,
}

/// A stream that cannot go on.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) kind: FailureKind,
    pub(crate) reply: Option<Box<ErrorReply>>,
    /// By our estimate: what the provider had done for it by then and will charge.
    pub(crate) spent: Usage,
}

impl From<FailureKind> for Broken {
    fn from(kind: FailureKind) -> Self {
        Self { kind, reply: None, spent: Usage::default() }
    }
}

impl Broken {
    /// Without credentials in what the provider said.
    pub(crate) fn masked(mut self, provider: &dyn Provider) -> Self {
        if let Some(reply) = &mut self.reply {
            let param = reply.param.iter_mut();
            [&mut reply.message, &mut reply.code, &mut reply.error_type]
                .into_iter()
                .chain(param)
                .for_each(|words| provider.mask_credentials(words));
        }
        self
    }

    /// What a provider answered in place of an answer.
    pub(crate) fn said(kind: FailureKind, reply: ErrorReply) -> Self {
        Self { reply: Some(Box::new(reply)), ..Self::from(kind) }
    }

    /// The model ended in a way that is no answer, by the provider's word for it.
    pub(crate) fn failed(why: &str) -> Self {
        let message = format!("the model gave no answer ({why})");
        Self::in_band(ErrorReply { status: 200, code: why.to_owned(), message, ..ErrorReply::default() })
    }

    /// An error that came inside an answer that began with 200.
    pub(crate) fn in_band(reply: ErrorReply) -> Self {
        let kind = match reply.kind(None) {
            FailureKind::BadRequest { .. } | FailureKind::ServerError { .. } => FailureKind::InBand,
            kind => kind,
        };
        Self::said(kind, reply)
    }
}

/// Tells the money of a usage.
pub(crate) type Price<'p> = &'p mut dyn FnMut(&Usage) -> Money;

/// Reads one stream.
pub(crate) struct Meter {
    mode: Mode,
    client: Format,
    /// Our estimate of the prompt.
    input_tokens: u32,
    pub(crate) said: Said,
}

enum Mode {
    /// Chat to chat: the facts of each chunk are enough.
    Chat { events: Events, ear: Ear },
    /// Another API to itself: decoded beside, passed on as it came.
    Beside { events: Events, decoder: Box<StreamDecoder>, passed: u64 },
    /// One API to another.
    Anew { decoder: Box<StreamDecoder>, encoder: Box<StreamEncoder> },
}

/// What reading one chunk of Chat takes from those before it.
#[derive(Default)]
struct Ear {
    repeats: Repeats,
    usage_wanted: bool,
    /// When the answer began, in seconds; id and model as its chunks name them. For a chunk of our own.
    created_s: u64,
    id: String,
    model: String,
}

impl Meter {
    /// For a stream of `provider`'s API to a client of `client`'s, who asked for so many answers. `input_tokens`: our estimate.
    pub(crate) fn new(provider: Format, client: Format, context: &Context, answers: u32, input_tokens: u32) -> Self {
        let decoder = || Box::new(StreamDecoder::new(provider, context));
        let mode = match (provider, client) {
            (Format::OpenaiChat, Format::OpenaiChat) => {
                let (usage_wanted, created_s) = (context.usage_wanted, context.created_s);
                Mode::Chat { events: Events::default(), ear: Ear { usage_wanted, created_s, ..Ear::default() } }
            }
            (from, to) if from == to => Mode::Beside { events: Events::default(), decoder: decoder(), passed: 0 },
            (from, to) => Mode::Anew { decoder: decoder(), encoder: Box::new(StreamEncoder::new(to, from, context)) },
        };
        Self { mode, client, input_tokens, said: Said { asked: answers.max(1), ..Said::default() } }
    }

    /// Takes the next bytes and adds to `out` what goes to the client.
    pub(crate) fn feed(&mut self, bytes: &Bytes, out: &mut Out, price: Price<'_>) -> Result<(), Broken> {
        let (said, client, input_tokens) = (&mut self.said, self.client, self.input_tokens);
        match &mut self.mode {
            Mode::Chat { events, ear } => {
                pass(events, bytes, out, |event, data| said.hear_chunk(event, data, ear, price))?;
                if said.done { ear.end_without_usage(said, input_tokens, out, price) } else { Ok(()) }
            }
            Mode::Beside { events, decoder, passed } => {
                let mut heard = Vec::new();
                // What it means is known before any of it goes out.
                decoder.push(bytes, &mut heard).map_err(|_| FailureKind::Garbled)?;
                heard.iter().try_for_each(|event| said.hear(event))?;
                let usage = said.usage.filter(|_| heard.iter().any(|event| matches!(event, neutral::Event::Usage(_))));
                pass(events, bytes, out, |event, data| {
                    *passed += 1;
                    let usage = usage.zip(usage.and_then(|_| tierway_wire::final_usage(client, data)));
                    Ok(usage.map_or(Pass::AsIs, |(usage, json)| priced(event, json, price(&usage))))
                })
            }
            Mode::Anew { decoder, encoder } => {
                let mut heard = Vec::new();
                decoder.push(bytes, &mut heard).map_err(|_| FailureKind::Garbled)?;
                write_anew(&heard, encoder, (client, input_tokens), said, out, price)
            }
        }
    }

    /// The stream ended. Fails when it ended before its time.
    pub(crate) fn end(&mut self, out: &mut Out, price: Price<'_>) -> Result<(), Broken> {
        let said = &mut self.said;
        match &mut self.mode {
            Mode::Chat { events, ear } => {
                if !events.unfinished().is_empty() {
                    // Some servers end without the empty line after the last event.
                    pass(events, &Bytes::from_static(b"\n\n"), out, |event, data| {
                        said.hear_chunk(event, data, ear, price)
                    })?;
                }
                if !said.done && !said.is_finished() {
                    return Err(FailureKind::MissingEnd.into());
                }
                // Finished by its own word; should the mark be missing, clients wait for it.
                if !said.done && !ear.lacks_usage(said) {
                    out.data(b"[DONE]");
                }
                ear.end_without_usage(said, self.input_tokens, out, price)?;
            }
            Mode::Beside { decoder, .. } => {
                let mut heard = Vec::new();
                decoder.end(&mut heard);
                heard.iter().try_for_each(|event| said.hear(event)).map_err(|_| FailureKind::MissingEnd)?;
            }
            Mode::Anew { decoder, encoder } => {
                let mut heard = Vec::new();
                decoder.end(&mut heard);
                write_anew(&heard, encoder, (self.client, self.input_tokens), said, out, price)
                    .map_err(|_| FailureKind::MissingEnd)?;
            }
        }
        said.done = true;
        Ok(())
    }

    /// Ends the stream with an error in the client's API; no end mark follows it.
    pub(crate) fn last_words(&mut self, error: &ApiError, out: &mut Out) {
        let mut words = Vec::new();
        let event = neutral::Event::Error(error.clone());
        match &mut self.mode {
            Mode::Anew { encoder, .. } => encoder.push(&event, &mut words),
            Mode::Chat { .. } => self.own_words().push(&event, &mut words),
            Mode::Beside { passed, .. } => {
                let passed = *passed;
                self.own_words().after(passed).push(&event, &mut words);
            }
        }
        out.raw(&words);
    }

    /// Writes in the client's API what no provider said.
    fn own_words(&self) -> StreamEncoder {
        StreamEncoder::new(self.client, self.client, &Context::default())
    }
}

/// What to do with one event.
enum Pass {
    AsIs,
    HeldBack,
    /// Its lines, other than they came.
    Changed(Vec<u8>),
}

/// Passes whole events on: the received bytes themselves where none of their events had to be changed.
fn pass(
    events: &mut Events,
    bytes: &Bytes,
    out: &mut Out,
    mut hear: impl FnMut(Event<'_>, &[u8]) -> Result<Pass, Broken>,
) -> Result<(), Broken> {
    let whole = events.unfinished().is_empty();
    let mark = out.mark();
    let (mut broken, mut untouched) = (None, true);
    let pushed = events.push(bytes, |event| {
        if broken.is_some() {
            return;
        }
        let data = event.data();
        match if data.is_empty() { Ok(Pass::AsIs) } else { hear(event, &data) } {
            Ok(Pass::AsIs) => out.event(event.raw()),
            Ok(Pass::HeldBack) => untouched = false,
            Ok(Pass::Changed(raw)) => {
                untouched = false;
                out.event(&raw);
            }
            Err(error) => broken = Some(error),
        }
    });
    if let Some(broken) = broken {
        return Err(broken);
    }
    pushed.map_err(|_| FailureKind::Garbled)?;
    if whole && untouched && events.unfinished().is_empty() {
        out.instead(mark, bytes);
    }
    Ok(())
}

fn write_anew(
    heard: &[neutral::Event],
    encoder: &mut StreamEncoder,
    (client, input_tokens): (Format, u32),
    said: &mut Said,
    out: &mut Out,
    price: Price<'_>,
) -> Result<(), Broken> {
    let mut written = Vec::new();
    for event in heard {
        said.hear(event)?;
        written.clear();
        if said.done && said.usage.is_none() {
            let usage = said.usage(input_tokens).0;
            encoder.push(&neutral::Event::Usage(usage), &mut written);
            encoder.push(event, &mut written);
            write_estimated(&written, client, &usage, out, price)?;
            continue;
        }
        encoder.push(event, &mut written);
        match said.usage.filter(|_| memchr::memmem::find(&written, b"\"usage\":{").is_some()) {
            Some(usage) => write_priced(&written, client, price(&usage), out)?,
            None => out.raw(&written),
        }
    }
    Ok(())
}

/// Whole events, written a moment ago, with the money in their usage.
fn write_priced(written: &[u8], client: Format, money: Money, out: &mut Out) -> Result<(), Broken> {
    pass(&mut Events::default(), &Bytes::copy_from_slice(written), out, |event, data| {
        let json = match client {
            Format::OpenaiChat => Facts::read(data).and_then(|facts| facts.usage_json),
            _ => tierway_wire::final_usage(client, data),
        };
        Ok(json.map_or(Pass::AsIs, |json| priced(event, json, money)))
    })
}

/// The same for a usage that is our estimate.
fn write_estimated(
    written: &[u8],
    client: Format,
    usage: &Usage,
    out: &mut Out,
    price: Price<'_>,
) -> Result<(), Broken> {
    write_priced(written, client, Money { estimated: true, ..price(usage) }, out)
}

/// The event with the money in its usage.
fn priced(event: Event<'_>, usage: &str, money: Money) -> Pass {
    let (cost, details) = money.as_json();
    tierway_wire::with_cost(event.raw(), usage, &cost, &details).map_or(Pass::AsIs, Pass::Changed)
}

impl Ear {
    /// The client waits for usage, and the provider told none.
    const fn lacks_usage(&self, said: &Said) -> bool {
        self.usage_wanted && said.usage.is_none()
    }

    /// The end of a stream with our estimate, where the client waits for usage and none came.
    fn end_without_usage(
        &mut self,
        said: &Said,
        input_tokens: u32,
        out: &mut Out,
        price: Price<'_>,
    ) -> Result<(), Broken> {
        if !self.lacks_usage(said) {
            return Ok(());
        }
        let usage = said.usage(input_tokens).0;
        let context = Context { created_s: self.created_s, usage_wanted: true, ..Context::default() };
        let mut encoder = StreamEncoder::new(Format::OpenaiChat, Format::OpenaiChat, &context);
        let (id, model) = (std::mem::take(&mut self.id), std::mem::take(&mut self.model));
        let mut written = Vec::new();
        for event in [neutral::Event::Start { id, model, usage: Some(usage) }, neutral::Event::Done] {
            encoder.push(&event, &mut written);
        }
        write_estimated(&written, Format::OpenaiChat, &usage, out, price)
    }
}

impl Said {
    /// As reported, or estimated from what went by. Says whether it is estimated.
    pub(crate) fn usage(&self, input_tokens: u32) -> (Usage, bool) {
        let told = self.usage.unwrap_or(Usage { input_tokens: u64::from(input_tokens), ..Usage::default() });
        if self.usage.is_some() && (self.done || self.is_finished()) {
            return (told, false);
        }
        // What is told before the end is of the beginning: Messages count one token with their first event.
        (Usage { output_tokens: told.output_tokens.max(self.tally.tokens()), ..told }, true)
    }

    fn hear_chunk(&mut self, event: Event<'_>, data: &[u8], ear: &mut Ear, price: Price<'_>) -> Result<Pass, Broken> {
        if let Some(text) = ear.repeats.text_json(data) {
            self.tally.add_json(text);
            return Ok(Pass::AsIs);
        }
        let facts = Facts::read(data).ok_or(FailureKind::Garbled)?;
        if facts.is_done {
            self.done = true;
            // The mark of an answer without an end is not passed on.
            // Who gives fewer answers than were asked for, but whole ones, says so with it.
            if self.finished == 0 || self.finished < self.begun {
                return Err(FailureKind::MissingEnd.into());
            }
            // Usage that is still to come goes before it.
            return Ok(if ear.lacks_usage(self) { Pass::HeldBack } else { Pass::AsIs });
        }
        if facts.error_json.is_some() {
            return Err(Broken::in_band(ErrorReply::read(200, data)));
        }
        if let Some(text) = facts.only_text() {
            ear.repeats.keep(data, text);
        }
        if ear.usage_wanted && ear.id.is_empty() {
            facts.id.unwrap_or_default().clone_into(&mut ear.id);
            facts.model.unwrap_or_default().clone_into(&mut ear.model);
        }
        self.content |= facts.has_content;
        facts.tally(&mut self.tally);
        self.begun = self.begun.max(facts.choices);
        self.finished += facts.finished;
        if facts.finish == Some(FAILED) {
            return Err(Broken::failed(FAILED));
        }
        if let Some(finish) = facts.finish {
            finish.clone_into(&mut self.finish);
        }
        if let Some(word) = facts.service_tier {
            self.service_tier = ServiceTier::named(word);
        }
        let Some(usage) = facts.usage() else { return Ok(Pass::AsIs) };
        let usage = usage.under(self.service_tier);
        self.usage = Some(usage);
        if facts.is_usage_only() && !ear.usage_wanted {
            return Ok(Pass::HeldBack);
        }
        Ok(facts.usage_json.map_or(Pass::AsIs, |json| priced(event, json, price(&usage))))
    }

    /// Every answer that was asked for, or began unasked, has its finish.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished >= self.asked.max(self.begun)
    }

    fn hear(&mut self, event: &neutral::Event) -> Result<(), Broken> {
        match event {
            neutral::Event::Start { usage, .. } => self.usage = usage.or(self.usage),
            neutral::Event::Usage(usage) => self.usage = Some(*usage),
            neutral::Event::BlockStart { choice, kind, .. } => {
                self.begun = self.begun.max(choice.saturating_add(1));
                self.content |= matches!(kind, BlockKind::ToolCall { .. } | BlockKind::Raw(_));
                if let BlockKind::ToolCall { name, .. } = kind {
                    self.tally.add(name);
                }
            }
            neutral::Event::Delta { delta, .. } => {
                self.content |= !matches!(delta, Delta::Logprobs(_));
                if let Delta::Text(text) | Delta::Reasoning(text) | Delta::Arguments(text) = delta {
                    self.tally.add(text);
                }
            }
            neutral::Event::Finish { finish: Finish::Failed(why), .. } => return Err(Broken::failed(why)),
            neutral::Event::Finish { finish, .. } => {
                self.finished += 1;
                finish_word(finish).clone_into(&mut self.finish);
            }
            neutral::Event::Done => self.done = true,
            neutral::Event::Error(error) => return Err(Broken::in_band(reply_of(error))),
            neutral::Event::BlockStop { .. } => {}
        }
        Ok(())
    }
}

/// The finish reason in OpenAI's words, for records.
pub(crate) const fn finish_word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause => "stop",
        Finish::Length | Finish::ContextFull => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Failed(_) => "failed",
    }
}

fn reply_of(error: &ApiError) -> ErrorReply {
    ErrorReply {
        status: if error.status == 0 { 200 } else { error.status },
        code: error.code.clone().unwrap_or_default(),
        error_type: error.kind.clone(),
        message: error.message.clone(),
        param: error.param.clone(),
        retry_after_ms: None,
    }
}

/// Bytes on their way to the client: one received chunk as it came where possible, else a buffer.
#[derive(Default)]
pub(crate) struct Out {
    buffer: BytesMut,
    chunk: Option<Bytes>,
}

impl Out {
    fn mark(&mut self) -> usize {
        self.own();
        self.buffer.len()
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.own();
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn event(&mut self, raw: &[u8]) {
        self.raw(raw);
        self.buffer.extend_from_slice(b"\n\n");
    }

    pub(crate) fn data(&mut self, data: &[u8]) {
        self.raw(b"data: ");
        self.event(data);
    }

    /// One received chunk, kept as it is where nothing stands before it.
    pub(crate) fn chunk(&mut self, bytes: Bytes) {
        if self.len() == 0 {
            self.chunk = Some(bytes);
        } else {
            self.raw(&bytes);
        }
    }

    /// All that was added since the mark is this chunk, byte for byte.
    fn instead(&mut self, mark: usize, chunk: &Bytes) {
        if mark == 0 {
            self.buffer.clear();
            self.chunk = Some(chunk.clone());
        }
    }

    /// A chunk that was kept as it came moves into the buffer when more follows.
    fn own(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.buffer.extend_from_slice(&chunk);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len() + self.chunk.as_ref().map_or(0, Bytes::len)
    }

    /// All of it.
    pub(crate) fn all(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&self.buffer, |chunk| chunk)
    }

    pub(crate) fn take(&mut self) -> Option<Bytes> {
        self.chunk.take().or_else(|| (!self.buffer.is_empty()).then(|| self.buffer.split().freeze()))
    }
}
