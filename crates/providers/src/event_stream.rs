//! Amazon's event stream framing, unwrapped to server-sent events: those of the Messages API that InvokeModel's frames carry,
//! or one for each frame of Converse.
//!
//! Checks every frame (lengths, both checksums). An exception inside the stream becomes the API's own `error` event, or for
//! Converse an event of the exception's name.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tierway::BrokenBody;
use tierway_wire::Format;

/// The content type of such bodies.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// A frame that is longer is none: Amazon's own bound is 24 MB.
const MAX_FRAME_BYTES: u32 = 32 * 1024 * 1024;

/// Bytes of a frame in which its length stands.
const LENGTH_BYTES: usize = 4;

/// A body of frames as a body of server-sent events.
pub(crate) struct EventStream<B> {
    source: B,
    frames: Frames,
}

impl<B> EventStream<B> {
    /// `format`: the API that is spoken inside the frames.
    pub(crate) fn new(source: B, format: Format) -> Self {
        Self { source, frames: Frames::new(format) }
    }
}

struct Frames {
    format: Format,
    decoder: MessageFrameDecoder,
    buffer: BytesMut,
    /// A frame has begun whose end did not come; its head may have left the buffer.
    inside: bool,
}

impl Frames {
    fn new(format: Format) -> Self {
        Self { format, decoder: MessageFrameDecoder::new(), buffer: BytesMut::new(), inside: false }
    }

    /// The events of all frames that are whole.
    fn events(&mut self) -> Result<BytesMut, String> {
        let mut out = BytesMut::new();
        while !self.buffer.is_empty() {
            self.check_length()?;
            let frame =
                self.decoder.decode_frame(&mut self.buffer).map_err(|error| format!("a broken frame: {error}"))?;
            let DecodedFrame::Complete(message) = frame else { break };
            self.inside = false;
            out.extend_from_slice(event(self.format, &message)?.as_bytes());
        }
        Ok(out)
    }

    /// Looks at a frame's length as soon as it is there, so that no more than a frame is ever waited for.
    fn check_length(&mut self) -> Result<(), String> {
        match self.buffer.first_chunk::<LENGTH_BYTES>() {
            Some(length) if !self.inside => {
                self.inside = true;
                let length = u32::from_be_bytes(*length);
                if length > MAX_FRAME_BYTES { Err(format!("a frame of {length} bytes")) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn is_cut(&self) -> bool {
        self.inside || !self.buffer.is_empty()
    }
}

impl<B: Body<Data = Bytes, Error = BrokenBody> + Unpin> Body for EventStream<B> {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        let broken = |cause: String| BrokenBody(cause.into());
        loop {
            match ready!(Pin::new(&mut self.source).poll_frame(cx)).transpose()? {
                Some(frame) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.frames.buffer.extend_from_slice(&bytes);
                    let events = self.frames.events().map_err(broken)?;
                    if !events.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(events.freeze()))));
                    }
                }
                None if self.frames.is_cut() => {
                    self.frames = Frames::new(self.frames.format);
                    return Poll::Ready(Some(Err(broken("it ended inside a frame".into()))));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

/// What a frame with a piece of the answer holds; its padding against guessing by length is passed over.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// One frame as one event; nothing for frames that mean nothing to a client.
fn event(format: Format, message: &Message) -> Result<String, String> {
    let header = |name: &str| {
        let found = message.headers().iter().find(|header| header.name().as_str() == name);
        found.and_then(|header| header.value().as_string().ok()).map_or("", |text| text.as_str())
    };
    let failed = |exception: &str, message: &str| match format {
        Format::BedrockConverse => named(exception, json!({ "message": message }).to_string().as_bytes()),
        _ => Ok(error_event(exception, message)),
    };
    match (header(":message-type"), header(":event-type")) {
        ("event", name) if format == Format::BedrockConverse => named(name, message.payload()),
        ("event", "chunk") => chunk(message.payload()),
        ("exception", _) if format == Format::BedrockConverse => named(header(":exception-type"), message.payload()),
        ("exception", _) => {
            let said: Value = serde_json::from_slice(message.payload()).unwrap_or_default();
            failed(header(":exception-type"), said.get("message").and_then(Value::as_str).unwrap_or_default())
        }
        ("error", _) => {
            failed("internalServerException", &format!("{}: {}", header(":error-code"), header(":error-message")))
        }
        _ => Ok(String::new()),
    }
}

/// A piece of an answer of InvokeModel: an event of the model's own API.
fn chunk(payload: &[u8]) -> Result<String, String> {
    let no_chunk = |_| "a frame without a piece of the answer".to_owned();
    let chunk: Chunk<'_> = serde_json::from_slice(payload).map_err(no_chunk)?;
    let data = STANDARD.decode(chunk.bytes.as_bytes()).map_err(|_| "a piece that is no base64".to_owned())?;
    let data = String::from_utf8(data).map_err(|_| "a piece that is no text".to_owned())?;
    let kind: Kind<'_> = serde_json::from_str(&data).map_err(|_| "a piece that is no event".to_owned())?;
    Ok(format!("event: {}\ndata: {data}\n\n", kind.kind))
}

/// An event of Converse, under the name that its frame has.
fn named(name: &str, payload: &[u8]) -> Result<String, String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("a frame without a name".to_owned());
    }
    let payload = std::str::from_utf8(payload).map_err(|_| "a frame that is no text".to_owned())?;
    // Line ends stand between the tokens of JSON only; in an event they would end its line.
    Ok(format!("event: {name}\ndata: {}\n\n", payload.replace(['\r', '\n'], " ")))
}

/// Amazon's exception in the words of the Messages API.
fn error_event(exception: &str, message: &str) -> String {
    let kind = match exception {
        "throttlingException" => "rate_limit_error",
        "validationException" => "invalid_request_error",
        "modelTimeoutException" => "timeout_error",
        "serviceUnavailableException" => "overloaded_error",
        _ => "api_error",
    };
    let error = json!({"type": "error", "error": {"type": kind, "message": message}});
    format!("event: error\ndata: {error}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    fn frame(headers: &[(&'static str, &'static str)], payload: &str) -> Vec<u8> {
        let mut message = Message::new(payload.to_owned().into_bytes());
        for (name, value) in headers {
            message = message.add_header(Header::new(*name, HeaderValue::String((*value).into())));
        }
        let mut out = Vec::new();
        assert!(write_message_to(&message, &mut out).is_ok());
        out
    }

    /// What comes of these bytes, however they are cut.
    #[track_caller]
    fn check(format: Format, bytes: &[u8], want: &str) {
        for size in [1, 5, bytes.len()] {
            let mut frames = Frames::new(format);
            let mut said = String::new();
            for piece in bytes.chunks(size) {
                frames.buffer.extend_from_slice(piece);
                match frames.events() {
                    Ok(events) => said.push_str(&String::from_utf8_lossy(&events)),
                    Err(cause) => {
                        said.push_str(&cause);
                        break;
                    }
                }
            }
            if frames.is_cut() && !said.contains("frame") {
                said.push_str("cut");
            }
            assert_eq!(said, want, "pieces of {size}");
        }
    }

    #[test]
    fn frames_become_the_events_that_they_carry() {
        let ping = format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(r#"{"type":"ping"}"#));
        let chunk = frame(&[(":message-type", "event"), (":event-type", "chunk")], &ping);
        check(
            Format::AnthropicMessages,
            &[chunk.clone(), chunk].concat(),
            &"event: ping\ndata: {\"type\":\"ping\"}\n\n".repeat(2),
        );
        let slow = frame(
            &[(":message-type", "exception"), (":exception-type", "throttlingException")],
            r#"{"message":"Too many"}"#,
        );
        check(
            Format::AnthropicMessages,
            &slow,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Too many\"}}\n\n",
        );
        check(
            Format::AnthropicMessages,
            &frame(&[(":message-type", "event"), (":event-type", "initial-response")], "{}"),
            "",
        );
        check(
            Format::AnthropicMessages,
            &frame(&[(":message-type", "event"), (":event-type", "chunk")], r#"{"bytes":"%"}"#),
            "a piece that is no base64",
        );
    }

    #[test]
    fn frames_of_converse_are_events_of_their_own() {
        let check = |bytes: &[u8], want: &str| check(Format::BedrockConverse, bytes, want);
        let stop = [(":message-type", "event"), (":event-type", "messageStop")];
        let whole = frame(&stop, "{\"stopReason\":\n\"end_turn\"}");
        let event = "event: messageStop\ndata: {\"stopReason\": \"end_turn\"}\n\n";
        check(&whole, event);
        let slow = [(":message-type", "exception"), (":exception-type", "throttlingException")];
        let said = "event: throttlingException\ndata: {\"message\":\"Too many\"}\n\n";
        check(&[whole.clone(), frame(&slow, r#"{"message":"Too many"}"#)].concat(), &format!("{event}{said}"));
        let broken = [(":message-type", "error"), (":error-code", "Oops"), (":error-message", "It \"broke\"")];
        check(
            &frame(&broken, ""),
            "event: internalServerException\ndata: {\"message\":\"Oops: It \\\"broke\\\"\"}\n\n",
        );
        check(&frame(&[(":message-type", "event"), (":event-type", "x\ndata: y")], "{}"), "a frame without a name");
        check(&frame(&[(":message-type", "event")], "{}"), "a frame without a name");
        check(&frame(&[(":message-type", "news")], "{}"), "");
        check(&frame(&[], "{}"), "");
    }

    #[test]
    fn broken_frames_end_the_stream() {
        let whole = frame(&[(":message-type", "event"), (":event-type", "metadata")], "{}");
        let event = "event: metadata\ndata: {}\n\n";
        // Cut anywhere, at the end of a frame's head too.
        for cut in 1..whole.len() {
            check(Format::BedrockConverse, &[whole.as_slice(), &whole[..cut]].concat(), &format!("{event}cut"));
        }
        // One bit turned, in the lengths, the headers, the payload, a checksum: never an event.
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x10;
            let mut frames = Frames::new(Format::BedrockConverse);
            frames.buffer.extend_from_slice(&bytes);
            let came = frames.events();
            assert!(came.is_err() || (came.is_ok_and(|events| events.is_empty()) && frames.is_cut()), "byte {place}");
        }
    }

    #[test]
    fn no_giant_frame_is_waited_for() {
        for (length, want) in [
            (u32::MAX, "a frame of 4294967295 bytes"),
            (MAX_FRAME_BYTES + 1, "a frame of 33554433 bytes"),
            (3, "a broken frame: "),
        ] {
            let mut frames = Frames::new(Format::BedrockConverse);
            frames.buffer.extend_from_slice(&length.to_be_bytes());
            frames.buffer.extend_from_slice(&[0; 12]);
            let cause = frames.events().err().unwrap_or_default();
            assert!(cause.starts_with(want), "{length}: {cause}");
        }
    }
}
