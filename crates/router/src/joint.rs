//! What the client has of an answer that may have to be gone on with, and how the rest is joined to it without a seam.

mod chat;
mod messages;

use crate::meter::Out;
use tierway_wire::sse::Events;
use tierway_wire::tokens::Tally;
use tierway_wire::{Format, Repeats};

/// A longer answer is not kept for going on with it.
const MAX_PARTIAL_BYTES: usize = 1024 * 1024;

/// What the client has so far.
pub(crate) struct Sent {
    format: Format,
    events: Events,
    heard: Transcript,
}

/// What was heard of an answer on its way to the client.
#[derive(Default)]
struct Transcript {
    text: String,
    id: String,
    /// Its tokens, by our estimate.
    tally: Tally,
    /// More than open text went out.
    other: bool,
    repeats: Repeats,
}

impl Transcript {
    /// One more piece of text.
    fn take(&mut self, text: &str) {
        self.text.push_str(text);
        self.tally.add(text);
    }
}

impl Sent {
    /// Nothing yet, to a client of this API.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, events: Events::default(), heard: Transcript::default() }
    }

    /// Bytes on their way to the client.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if self.heard.other {
            return;
        }
        let (format, heard) = (self.format, &mut self.heard);
        let pushed = self.events.push(bytes, |event| match format {
            Format::AnthropicMessages => messages::hear(&event.data(), heard),
            _ => chat::hear(&event.data(), heard),
        });
        heard.other |= pushed.is_err() || heard.text.len() > MAX_PARTIAL_BYTES;
        if heard.other {
            // Nobody will be asked to go on: what was kept for that goes.
            heard.text = String::new();
            self.events = Events::default();
        }
    }

    pub(crate) fn can_be_continued(&self) -> bool {
        !self.partial().is_empty() && !self.heard.other
    }

    /// What another target is asked to go on from. Without space at its end: Anthropic refuses it there, and models put it
    /// before a word, not after.
    pub(crate) fn partial(&self) -> &str {
        self.heard.text.trim_end()
    }

    /// Joins what another target says to what the client has.
    pub(crate) fn seam(&self) -> Splicer {
        let Transcript { text, id, tally, .. } = &self.heard;
        let space = text[self.partial().len()..].to_owned();
        let (id, tokens) = (id.clone(), tally.tokens());
        Splicer { format: self.format, events: Events::default(), joint: Joint { id, tokens, space, shift: None } }
    }

    /// Tokens that other targets gave to this answer.
    pub(crate) const fn tokens(&self) -> u64 {
        self.heard.tally.tokens()
    }
}

/// Makes the rest of an answer look like the rest: one id, one opening, usage of the whole.
pub(crate) struct Splicer {
    format: Format,
    events: Events,
    joint: Joint,
}

struct Joint {
    id: String,
    tokens: u64,
    /// Space that the client has and the one who goes on was not told of.
    space: String,
    /// Messages: by how much the numbers of blocks are moved; none before the first one.
    shift: Option<u64>,
}

impl Splicer {
    /// Whole events of the continuation, as they go to the client.
    pub(crate) fn join(&mut self, bytes: &[u8], out: &mut Out) {
        let (format, joint) = (self.format, &mut self.joint);
        // Too long an event was refused before it came here.
        let _ = self.events.push(bytes, |event| match format {
            Format::AnthropicMessages => messages::join(&event, joint, out),
            _ => chat::join(&event, joint, out),
        });
    }
}

impl Joint {
    /// A piece of text without the space that the client has already.
    fn without_space<'t>(&mut self, piece: &'t str) -> &'t str {
        let had = piece.chars().zip(self.space.chars()).take_while(|(said, had)| said == had);
        let length = had.map(|(said, _)| said.len_utf8()).sum();
        if length == self.space.len() || length < piece.len() {
            self.space.clear();
        } else {
            self.space.drain(..length);
        }
        &piece[length..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(format: Format, events: &[Value]) -> Vec<u8> {
        let one = |event: &Value| match format {
            Format::AnthropicMessages => format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()),
            _ => format!("data: {event}\n\n"),
        };
        events.iter().flat_map(|event| one(event).into_bytes()).collect()
    }

    /// What the client had, what another says, and what the client gets of that.
    #[track_caller]
    fn check(format: Format, had: &[Value], rest: &[Value], want: &[Value]) {
        let mut sent = Sent::new(format);
        sent.hear(&said(format, had));
        assert!(sent.can_be_continued());
        let mut out = Out::default();
        sent.seam().join(&said(format, rest), &mut out);
        let got = out.take().unwrap_or_default();
        assert_eq!(String::from_utf8(got.to_vec()), String::from_utf8(said(format, want)));
    }

    fn chunk(id: &str, delta: &Value, finish: &Value) -> Value {
        json!({"id": id, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    }

    #[test]
    fn the_rest_of_a_chat_has_one_id_one_opening_and_the_usage_of_the_whole() {
        let none = Value::Null;
        check(
            Format::OpenaiChat,
            &[
                chunk("a", &json!({"role": "assistant", "content": ""}), &none),
                chunk("a", &json!({"content": "Hel"}), &none),
            ],
            &[
                chunk("b", &json!({"role": "assistant", "content": ""}), &none),
                chunk("b", &json!({"role": "assistant", "content": "lo"}), &none),
                chunk("b", &json!({}), &json!("stop")),
                json!({"id": "b", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}}),
            ],
            &[
                chunk("a", &json!({"content": "lo"}), &none),
                chunk("a", &json!({}), &json!("stop")),
                json!({"id": "a", "choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}}),
            ],
        );
    }

    fn start(block: &Value) -> Value {
        json!({"type": "content_block_start", "index": 0, "content_block": block})
    }

    fn text(index: u64, text: &str) -> Value {
        json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}})
    }

    fn opening(id: &str) -> Value {
        json!({"type": "message_start", "message": {"id": id, "usage": {"input_tokens": 5, "output_tokens": 1}}})
    }

    fn stop(index: u64) -> Value {
        json!({"type": "content_block_stop", "index": index})
    }

    #[test]
    fn the_rest_of_a_message_goes_into_the_block_that_is_open() {
        let end = |output: u64| json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": output}});
        let over = json!({"type": "message_stop"});
        check(
            Format::AnthropicMessages,
            &[opening("a"), start(&json!({"type": "text", "text": ""})), text(0, "Hel"), text(0, "lo ")],
            &[
                opening("b"),
                start(&json!({"type": "text", "text": ""})),
                text(0, " you"),
                stop(0),
                end(3),
                over.clone(),
            ],
            &[text(0, "you"), stop(0), end(5), over.clone()],
        );
        // Something else comes first: the text is closed, and what follows is numbered after it.
        let tool = json!({"type": "tool_use", "id": "t", "name": "f", "input": {}});
        check(
            Format::AnthropicMessages,
            &[opening("a"), start(&json!({"type": "text", "text": ""})), text(0, "Look:")],
            &[opening("b"), start(&tool), stop(0), end(3)],
            &[stop(0), json!({"type": "content_block_start", "index": 1, "content_block": tool}), stop(1), end(4)],
        );
    }

    #[test]
    fn only_open_text_can_be_gone_on_with() {
        let chat = |delta: &Value| said(Format::OpenaiChat, &[chunk("a", delta, &Value::Null)]);
        let block = |more: &[Value]| {
            let begun = [opening("a"), start(&json!({"type": "text", "text": ""})), text(0, "x")];
            said(Format::AnthropicMessages, &[&begun, more].concat())
        };
        let thinking = [opening("a"), start(&json!({"type": "thinking", "thinking": ""}))];
        let cases = [
            (Format::OpenaiChat, chat(&json!({"content": "x"})), true),
            (Format::OpenaiChat, chat(&json!({"content": " "})), false),
            (Format::OpenaiChat, chat(&json!({"role": "assistant", "content": ""})), false),
            (Format::OpenaiChat, chat(&json!({"reasoning_content": "hm"})), false),
            (Format::OpenaiChat, chat(&json!({"content": "x", "tool_calls": [{"index": 0}]})), false),
            (Format::OpenaiChat, chat(&json!({"refusal": "no"})), false),
            (Format::AnthropicMessages, block(&[]), true),
            (Format::AnthropicMessages, block(&[stop(0)]), false),
            (Format::AnthropicMessages, said(Format::AnthropicMessages, &thinking), false),
        ];
        for (format, bytes, want) in cases {
            let mut sent = Sent::new(format);
            sent.hear(&bytes);
            assert_eq!(sent.can_be_continued(), want, "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn what_cannot_be_gone_on_with_is_not_kept() {
        let text = "x".repeat(MAX_PARTIAL_BYTES / 2);
        let piece = said(Format::OpenaiChat, &[chunk("a", &json!({ "content": text }), &Value::Null)]);
        let tool = said(Format::OpenaiChat, &[chunk("a", &json!({"tool_calls": [{"index": 0}]}), &Value::Null)]);
        for (pieces, kept) in [(vec![&piece], true), (vec![&piece; 9], false), (vec![&piece, &tool, &piece], false)] {
            let mut sent = Sent::new(Format::OpenaiChat);
            pieces.into_iter().for_each(|piece| sent.hear(piece));
            assert_eq!((sent.can_be_continued(), sent.heard.text.capacity() > 0), (kept, kept));
        }
    }

    #[test]
    fn space_is_said_once() {
        for (had, pieces, want) in [
            ("a ", vec![" b"], "b"),
            ("a ", vec!["b"], "b"),
            ("a\n", vec!["\n\nb"], "\nb"),
            ("a\n\n", vec!["\n", "\n", " b"], " b"),
            ("a ", vec!["\nb", " c"], "\nb c"),
            ("a", vec![" b"], " b"),
        ] {
            let mut sent = Sent::new(Format::OpenaiChat);
            sent.hear(&said(Format::OpenaiChat, &[chunk("a", &json!({ "content": had }), &Value::Null)]));
            let mut seam = sent.seam();
            let got: String = pieces.iter().map(|piece| seam.joint.without_space(piece)).collect();
            assert_eq!(got, want, "{had:?} {pieces:?}");
        }
    }
}
