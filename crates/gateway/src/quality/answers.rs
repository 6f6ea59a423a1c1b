//! Answers and requests as whoever compares them reads them: plain text.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tierway_wire::neutral::{Answer, Content};
use tierway_wire::{Context, Format, Outline, Role};

/// Of a conversation, at most this is shown: its end.
const MOST_BYTES: usize = 12_000;

/// What a model answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    /// Its text; refusals count as text.
    pub(crate) text: String,
    /// Tools it called: name and arguments.
    pub(crate) calls: Vec<(String, String)>,
}

impl Said {
    /// Reads a whole answer, or the events of a stream. None when it is none.
    pub(crate) fn read(format: Format, stream: bool, bytes: &[u8]) -> Option<Self> {
        let context = Context::default();
        let answer = if stream {
            tierway_wire::decode_stream(format, bytes, &context)?
        } else {
            tierway_wire::decode_answer(format, bytes, &context).ok()?
        };
        Some(Self::of(&answer))
    }

    fn of(answer: &Answer) -> Self {
        let mut said = Self::default();
        for part in answer.choices.first().into_iter().flat_map(|choice| &choice.parts) {
            match &part.content {
                Content::Text { text, .. } | Content::Refusal(text) => said.text.push_str(text),
                Content::ToolCall { name, arguments, .. } => said.calls.push((name.clone(), arguments.clone())),
                _ => {}
            }
        }
        said
    }

    /// Nothing was said and nothing called.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.trim().is_empty() && self.calls.is_empty()
    }

    /// For the store, to be read again whole.
    pub(crate) fn kept(&self) -> String {
        // Serialising texts cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was kept; a text that was not kept this way is the answer itself.
    pub(crate) fn of_kept(kept: String) -> Self {
        serde_json::from_str(&kept).unwrap_or_else(|_| Self { text: kept, calls: Vec::new() })
    }

    /// As text.
    pub(crate) fn shown(&self) -> String {
        let mut shown = self.text.clone();
        for (name, arguments) in &self.calls {
            let _ = write!(shown, "{}[calls {name} with {arguments}]", if shown.is_empty() { "" } else { "\n" });
        }
        shown
    }
}

/// The end of a conversation as text.
pub(crate) fn conversation(outline: &Outline<'_>) -> String {
    let mut turns = Vec::new();
    let mut room = MOST_BYTES;
    for turn in outline.turns.iter().rev() {
        let who = match turn.role {
            Role::System => "System",
            Role::User => "User",
            Role::Assistant => "Assistant",
            Role::Tool => "Tool",
        };
        let text = turn.texts().collect::<Vec<_>>().join("\n");
        let text = end_of(&text, room);
        room = room.saturating_sub(text.len());
        turns.push(format!("{who}: {text}"));
        if room == 0 {
            break;
        }
    }
    turns.reverse();
    if !outline.tools.is_empty() {
        let names: Vec<_> = outline.tools.iter().map(|tool| &*tool.name).collect();
        turns.push(format!("(Tools on offer: {})", names.join(", ")));
    }
    turns.join("\n\n")
}

/// A stored request as text; the body itself where it cannot be read any more.
pub(crate) fn request_text(format: &str, body: &str) -> String {
    let format = Format::named(format);
    let read = format.and_then(|format| tierway_wire::outline(format, body.as_bytes()).ok());
    read.map_or_else(|| body.to_owned(), |(outline, _)| conversation(&outline))
}

/// The last so many bytes, from a whole letter on.
fn end_of(text: &str, most: usize) -> &str {
    let from = text.ceil_char_boundary(text.len().saturating_sub(most));
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_and_streams_read_the_same() {
        let whole = br#"{"id":"a","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Lima."},"finish_reason":"stop"}]}"#;
        let stream = b"data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Li\"}}]}\n\n\
            data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ma.\"}}]}\n\n\
            data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
            data: [DONE]\n\n";
        let want = Some(Said { text: "Lima.".into(), calls: Vec::new() });
        assert_eq!(Said::read(Format::OpenaiChat, false, whole), want);
        assert_eq!(Said::read(Format::OpenaiChat, true, stream), want);
        assert_eq!(Said::read(Format::OpenaiChat, true, &stream[..60]), None);
        assert_eq!(Said::read(Format::OpenaiChat, false, b"oops"), None);
    }

    #[test]
    fn long_conversations_are_shown_from_their_end() {
        assert_eq!(end_of("äöü", 4), "öü");
        assert_eq!(end_of("äöü", 3), "ü");
        assert_eq!(end_of("abc", 9), "abc");
    }
}
