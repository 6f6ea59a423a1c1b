//! Amazon's event stream framing, unwrapped to the server-sent events of the Messages API that it carries.
//!
//! Checks every frame (lengths, both checksums). An exception inside the stream becomes the API's own `error` event.

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

/// The content type of such bodies.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// A frame that is longer is none: Amazon's own bound is 24 MB.
const MAX_FRAME_BYTES: usize = 32 * 1024 * 1024;

/// A body of frames as a body of server-sent events.
pub(crate) struct EventStream<B> {
    source: B,
    frames: Frames,
}

impl<B> EventStream<B> {
    pub(crate) fn new(source: B) -> Self {
        Self { source, frames: Frames { decoder: MessageFrameDecoder::new(), buffer: BytesMut::new() } }
    }
}

struct Frames {
    decoder: MessageFrameDecoder,
    buffer: BytesMut,
}

impl Frames {
    /// The events of all frames that are whole.
    fn events(&mut self) -> Result<BytesMut, String> {
        let mut out = BytesMut::new();
        loop {
            let frame =
                self.decoder.decode_frame(&mut self.buffer).map_err(|error| format!("a broken frame: {error}"))?;
            match frame {
                DecodedFrame::Complete(message) => out.extend_from_slice(event(&message)?.as_bytes()),
                DecodedFrame::Incomplete => break,
            }
        }
        if self.buffer.len() > MAX_FRAME_BYTES { Err("a frame without an end".into()) } else { Ok(out) }
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
                None if self.frames.buffer.is_empty() => return Poll::Ready(None),
                None => {
                    self.frames.buffer.clear();
                    return Poll::Ready(Some(Err(broken("it ended inside a frame".into()))));
                }
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
fn event(message: &Message) -> Result<String, String> {
    let header = |name: &str| {
        let found = message.headers().iter().find(|header| header.name().as_str() == name);
        found.and_then(|header| header.value().as_string().ok()).map_or("", |text| text.as_str())
    };
    match (header(":message-type"), header(":event-type")) {
        ("event", "chunk") => {
            let no_chunk = |_| "a frame without a piece of the answer".to_owned();
            let chunk: Chunk<'_> = serde_json::from_slice(message.payload()).map_err(no_chunk)?;
            let data = STANDARD.decode(chunk.bytes.as_bytes()).map_err(|_| "a piece that is no base64".to_owned())?;
            let data = String::from_utf8(data).map_err(|_| "a piece that is no text".to_owned())?;
            let kind: Kind<'_> = serde_json::from_str(&data).map_err(|_| "a piece that is no event".to_owned())?;
            Ok(format!("event: {}\ndata: {data}\n\n", kind.kind))
        }
        ("exception", _) => {
            let said: Value = serde_json::from_slice(message.payload()).unwrap_or_default();
            let said = said.get("message").and_then(Value::as_str).unwrap_or_default();
            Ok(error_event(header(":exception-type"), said))
        }
        ("error", _) => Ok(error_event(header(":error-code"), header(":error-message"))),
        _ => Ok(String::new()),
    }
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
    fn check(bytes: &[u8], want: &str) {
        for size in [1, 5, bytes.len()] {
            let mut frames = Frames { decoder: MessageFrameDecoder::new(), buffer: BytesMut::new() };
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
            assert_eq!(said, want, "pieces of {size}");
        }
    }

    #[test]
    fn frames_become_the_events_that_they_carry() {
        let ping = format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(r#"{"type":"ping"}"#));
        let chunk = frame(&[(":message-type", "event"), (":event-type", "chunk")], &ping);
        check(&[chunk.clone(), chunk].concat(), &"event: ping\ndata: {\"type\":\"ping\"}\n\n".repeat(2));
        let slow = frame(
            &[(":message-type", "exception"), (":exception-type", "throttlingException")],
            r#"{"message":"Too many"}"#,
        );
        check(
            &slow,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Too many\"}}\n\n",
        );
        check(&frame(&[(":message-type", "event"), (":event-type", "initial-response")], "{}"), "");
        check(
            &frame(&[(":message-type", "event"), (":event-type", "chunk")], r#"{"bytes":"%"}"#),
            "a piece that is no base64",
        );
    }
}
