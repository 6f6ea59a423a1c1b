//! Streams of any API into neutral events, and neutral events into streams of any API.
//!
//! Decoders take bytes cut anywhere and hold at most one unfinished event. A stream that ends without its finish reason is
//! an error, never a finished answer: agents took such cuts for success.

use crate::neutral::Event;
use crate::restore::Restore;
use crate::{
    ApiError, Context, DecodeError, Format, anthropic, bedrock_converse, gemini, ollama_chat, openai_chat,
    openai_responses, sse,
};
use bytes::{Buf, BytesMut};

/// The most choices in one stream (OpenAI's own bound for `n`).
pub(crate) const MAX_CHOICES: u32 = 128;

/// The most blocks in one choice: no model writes that many, garbage might.
pub(crate) const MAX_BLOCKS: u32 = 4_096;

/// The error of a stream that ended too early.
pub(crate) fn cut() -> ApiError {
    ApiError::new(502, "the provider's stream ended before the answer did").with_code("stream_cut")
}

/// Writes one server-sent event.
pub(crate) fn write_event(name: Option<&str>, json: &str, out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(json.as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// Bytes of a provider's stream into events.
#[derive(Debug)]
pub struct StreamDecoder {
    framing: Framing,
    codec: Decoder,
    restore: Restore,
}

#[derive(Debug)]
enum Framing {
    Events(sse::Events),
    Lines(BytesMut),
}

#[derive(Debug)]
enum Decoder {
    Chat(openai_chat::stream::Decoder),
    Responses(openai_responses::stream::Decoder),
    Anthropic(anthropic::stream::Decoder),
    Gemini(gemini::stream::Decoder),
    Ollama(ollama_chat::stream::Decoder),
    Bedrock(bedrock_converse::stream::Decoder),
}

impl StreamDecoder {
    /// For one stream of that API.
    #[must_use]
    pub fn new(format: Format, context: &Context) -> Self {
        let codec = match format {
            Format::OpenaiChat => Decoder::Chat(openai_chat::stream::Decoder::new(context)),
            Format::OpenaiResponses => Decoder::Responses(openai_responses::stream::Decoder::new(context)),
            Format::AnthropicMessages => Decoder::Anthropic(anthropic::stream::Decoder::new()),
            Format::Gemini => Decoder::Gemini(gemini::stream::Decoder::new(context)),
            Format::OllamaChat => Decoder::Ollama(ollama_chat::stream::Decoder::new(context)),
            Format::BedrockConverse => Decoder::Bedrock(bedrock_converse::stream::Decoder::new(context)),
        };
        let framing = match format {
            Format::OllamaChat => Framing::Lines(BytesMut::new()),
            _ => Framing::Events(sse::Events::default()),
        };
        Self { framing, codec, restore: Restore::new(context) }
    }

    /// Takes the next bytes; events that are whole now are added to `out`.
    ///
    /// # Errors
    /// When the bytes are no stream of this API. Nothing may be pushed after that.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let from = out.len();
        let mut result = Ok(());
        let codec = &mut self.codec;
        match &mut self.framing {
            Framing::Events(events) => {
                let framed = events.push(bytes, |event| {
                    let data = event.data();
                    if result.is_ok() && !data.is_empty() {
                        result = codec.data(event.name(), &data, out);
                    }
                });
                framed.map_err(|error| DecodeError::body(error.to_string()))?;
            }
            Framing::Lines(held) => {
                held.extend_from_slice(bytes);
                while let Some(end) = memchr::memchr(b'\n', held) {
                    let line = held.split_to(end);
                    held.advance(1);
                    if result.is_ok() && !line.trim_ascii().is_empty() {
                        result = codec.data(None, &line, out);
                    }
                }
                if held.len() > sse::MAX_EVENT_BYTES {
                    return Err(DecodeError::body(sse::EventTooLong.to_string()));
                }
            }
        }
        self.restore.apply(from, out);
        result
    }

    /// The bytes have ended: adds [`Event::Done`], or [`Event::Error`] when the answer is not whole.
    pub fn end(&mut self, out: &mut Vec<Event>) {
        let from = out.len();
        // A last line without its line feed is still a line.
        if let Framing::Lines(held) = &mut self.framing
            && !held.trim_ascii().is_empty()
        {
            let line = held.split();
            if self.codec.data(None, &line, out).is_err() {
                out.truncate(from);
            }
        }
        self.codec.end(out);
        self.restore.apply(from, out);
    }
}

impl Decoder {
    fn data(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let data = std::str::from_utf8(data).map_err(|_| DecodeError::body("the stream is not valid UTF-8"))?;
        if let Self::Anthropic(codec) = self
            && codec.more_text(data, out)
        {
            return Ok(());
        }
        // Chat's end mark; compatible servers put it after streams of other kinds, too.
        if data.trim() != "[DONE]" {
            crate::json::check(data)?;
        }
        match self {
            Self::Chat(codec) => codec.event(data, out),
            Self::Responses(codec) => codec.event(data, out),
            Self::Anthropic(codec) => codec.event(name, data, out),
            Self::Gemini(codec) => codec.event(data, out),
            Self::Ollama(codec) => codec.event(data, out),
            Self::Bedrock(codec) => codec.event(name, data, out),
        }
    }

    fn end(&mut self, out: &mut Vec<Event>) {
        match self {
            Self::Chat(codec) => codec.end(out),
            Self::Responses(codec) => codec.end(out),
            Self::Anthropic(codec) => codec.end(out),
            Self::Gemini(codec) => codec.end(out),
            Self::Ollama(codec) => codec.end(out),
            Self::Bedrock(codec) => codec.end(out),
        }
    }
}

/// Events into the bytes of a client's stream.
#[derive(Debug)]
pub struct StreamEncoder {
    origin: Format,
    codec: Encoder,
}

#[derive(Debug)]
enum Encoder {
    Chat(openai_chat::stream::Encoder),
    Responses(Box<openai_responses::stream::Encoder>),
    Anthropic(anthropic::stream::Encoder),
    Gemini(gemini::stream::Encoder),
    Ollama(ollama_chat::stream::Encoder),
    Bedrock(bedrock_converse::stream::Encoder),
}

impl StreamEncoder {
    /// For a client of `format`, answered by a provider of `origin`.
    #[must_use]
    pub fn new(format: Format, origin: Format, context: &Context) -> Self {
        let codec = match format {
            Format::OpenaiChat => Encoder::Chat(openai_chat::stream::Encoder::new(context)),
            Format::OpenaiResponses => {
                Encoder::Responses(Box::new(openai_responses::stream::Encoder::new(origin, context)))
            }
            Format::AnthropicMessages => Encoder::Anthropic(anthropic::stream::Encoder::new(origin, context)),
            Format::Gemini => Encoder::Gemini(gemini::stream::Encoder::new(context)),
            Format::OllamaChat => Encoder::Ollama(ollama_chat::stream::Encoder::new(context)),
            Format::BedrockConverse => Encoder::Bedrock(bedrock_converse::stream::Encoder::default()),
        };
        Self { origin, codec }
    }

    /// For a stream of which so many events went to the client already: one API numbers them.
    #[must_use]
    pub fn after(mut self, events: u64) -> Self {
        if let Encoder::Responses(codec) = &mut self.codec {
            codec.sequence = events;
        }
        self
    }

    /// Adds the bytes of one event to `out`. Some events give none, some give several of the client's events.
    pub fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match &mut self.codec {
            Encoder::Chat(codec) => codec.event(event, self.origin, out),
            Encoder::Responses(codec) => codec.event(event, out),
            Encoder::Anthropic(codec) => codec.event(event, out),
            Encoder::Gemini(codec) => codec.event(event, out),
            Encoder::Ollama(codec) => codec.event(event, out),
            Encoder::Bedrock(codec) => codec.event(event, out),
        }
    }
}
