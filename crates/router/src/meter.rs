//! Reads a stream in passing: what came, what it cost, whether it is whole; and says which bytes go to the client.
//!
//! When client and provider speak the same API, bytes go through as they came. Three things are changed: usage that the
//! client did not ask for is held back, the cost is put into usage that it did ask for, and the end mark of a stream that
//! is not whole never goes out.

use crate::log::Money;
use bytes::{Bytes, BytesMut};
use tierway_decide::dispatch::{ErrorReply, FailureKind};
use tierway_wire::openai_chat::{self, Facts};
use tierway_wire::sse::{Event, Events};
use tierway_wire::{ApiError, Usage};

/// What a stream has said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) usage: Option<Usage>,
    /// Finish reason in OpenAI's words; empty until it came.
    pub(crate) finish: String,
    /// Content came: from here on there is no falling back in silence.
    pub(crate) content: bool,
    /// Chunks with content: the estimate of output tokens when the provider reports none.
    pub(crate) content_chunks: u64,
    /// The end mark came.
    pub(crate) done: bool,
}

/// A stream that cannot go on.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) kind: FailureKind,
    pub(crate) reply: Option<Box<ErrorReply>>,
}

impl From<FailureKind> for Broken {
    fn from(kind: FailureKind) -> Self {
        Self { kind, reply: None }
    }
}

/// Reads an OpenAI Chat stream for a client of the same API.
pub(crate) struct Meter {
    events: Events,
    usage_wanted: bool,
    pub(crate) said: Said,
}

impl Meter {
    pub(crate) fn new(usage_wanted: bool) -> Self {
        Self { events: Events::default(), usage_wanted, said: Said::default() }
    }

    /// Takes the next bytes and adds to `out` what goes to the client. `price` tells the money of a usage.
    pub(crate) fn feed(
        &mut self,
        bytes: &Bytes,
        out: &mut Out,
        price: &mut dyn FnMut(&Usage) -> Money,
    ) -> Result<(), Broken> {
        let whole = self.events.unfinished().is_empty();
        let mark = out.mark();
        let (mut broken, mut untouched) = (None, true);
        let (said, usage_wanted) = (&mut self.said, self.usage_wanted);
        let pushed = self.events.push(bytes, |event| {
            if broken.is_some() {
                return;
            }
            match said.hear(event, usage_wanted, price) {
                Ok(Pass::AsIs) => out.event(event.raw()),
                Ok(Pass::HeldBack) => untouched = false,
                Ok(Pass::Changed(data)) => {
                    untouched = false;
                    out.data(&data);
                }
                Err(error) => broken = Some(error),
            }
        });
        if let Some(broken) = broken {
            return Err(broken);
        }
        pushed.map_err(|_| FailureKind::Garbled)?;
        if whole && untouched && self.events.unfinished().is_empty() {
            out.instead(mark, bytes);
        }
        Ok(())
    }

    /// The stream ended. Fails when it ended before its time.
    pub(crate) fn end(&mut self, out: &mut Out, price: &mut dyn FnMut(&Usage) -> Money) -> Result<(), Broken> {
        if !self.events.unfinished().is_empty() {
            // Some servers end without the empty line after the last event.
            self.feed(&Bytes::from_static(b"\n\n"), out, price)?;
        }
        if self.said.finish.is_empty() {
            return Err(FailureKind::MissingEnd.into());
        }
        if !self.said.done {
            // Finished by its own word; only the mark is missing, and clients wait for it.
            self.said.done = true;
            out.data(b"[DONE]");
        }
        Ok(())
    }
}

enum Pass {
    AsIs,
    HeldBack,
    Changed(Vec<u8>),
}

impl Said {
    fn hear(
        &mut self,
        event: Event<'_>,
        usage_wanted: bool,
        price: &mut dyn FnMut(&Usage) -> Money,
    ) -> Result<Pass, Broken> {
        let data = event.data();
        if data.is_empty() {
            return Ok(Pass::AsIs);
        }
        let facts = Facts::read(&data).ok_or(FailureKind::Garbled)?;
        if facts.is_done {
            self.done = true;
            // The mark of an answer without an end is not passed on.
            return if self.finish.is_empty() { Err(FailureKind::MissingEnd.into()) } else { Ok(Pass::AsIs) };
        }
        if facts.error_json.is_some() {
            let reply = ErrorReply::read(200, &data);
            return Err(Broken { kind: in_band(&reply), reply: Some(Box::new(reply)) });
        }
        self.content |= facts.has_content;
        self.content_chunks += u64::from(facts.has_content);
        if let Some(finish) = facts.finish {
            finish.clone_into(&mut self.finish);
        }
        let Some(usage) = facts.usage() else { return Ok(Pass::AsIs) };
        self.usage = Some(usage);
        if facts.is_usage_only() && !usage_wanted {
            return Ok(Pass::HeldBack);
        }
        let (cost, details) = price(&usage).as_json();
        Ok(openai_chat::with_cost(&data, &facts, &cost, Some(&details)).map_or(Pass::AsIs, Pass::Changed))
    }
}

/// What an error inside a stream that began with 200 means; unknown words stay what they are.
fn in_band(reply: &ErrorReply) -> FailureKind {
    match reply.kind(None) {
        FailureKind::BadRequest { .. } | FailureKind::ServerError { .. } => FailureKind::InBand,
        kind => kind,
    }
}

/// The in-band error that ends a stream of this API; no end mark follows it.
pub(crate) fn last_words(error: &ApiError, out: &mut Out) {
    out.data(&openai_chat::encode_error(error));
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

    fn event(&mut self, raw: &[u8]) {
        self.own();
        self.buffer.extend_from_slice(raw);
        self.buffer.extend_from_slice(b"\n\n");
    }

    fn data(&mut self, data: &[u8]) {
        self.own();
        self.buffer.extend_from_slice(b"data: ");
        self.buffer.extend_from_slice(data);
        self.buffer.extend_from_slice(b"\n\n");
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

    pub(crate) fn take(&mut self) -> Option<Bytes> {
        self.chunk.take().or_else(|| (!self.buffer.is_empty()).then(|| self.buffer.split().freeze()))
    }
}
