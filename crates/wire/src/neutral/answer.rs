//! An answer in the neutral form.

use super::{BlockKind, Content, Delta, Event, Json, Part};
use crate::json::Node;
use crate::{Format, Usage};

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The API that it was read from.
    pub origin: Format,
    /// The provider's id of it; empty when it gave none.
    pub id: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The answers; one unless several were asked for.
    pub choices: Vec<Choice>,
    /// Tokens as reported.
    pub usage: Option<Usage>,
    /// The service tier that was used.
    pub service_tier: Option<String>,
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What the model said, in order.
    pub parts: Vec<Part>,
    /// Why it stopped.
    pub finish: Finish,
    /// Log probabilities in OpenAI's shape.
    pub logprobs: Option<Json>,
}

/// Why a model stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// It had said what it had to say.
    #[default]
    Stop,
    /// A stop sequence came.
    StopSequence(Option<String>),
    /// The output limit was reached.
    Length,
    /// The context window was full.
    ContextFull,
    /// It waits for the results of tools.
    ToolCalls,
    /// The provider's filter, or the model's refusal, ended it.
    ContentFilter,
    /// A long turn was paused and may be continued by sending it back (Anthropic).
    Pause,
    /// The model failed in a way that is no answer (Gemini: `MALFORMED_FUNCTION_CALL`).
    Failed(String),
}

impl Answer {
    /// The answer as the events of a stream, each block in one piece: for clients that asked for a stream and an answer
    /// that came whole.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::Start { id: self.id.clone(), model: self.model.clone(), usage: self.usage }];
        for (choice, said) in (0u32..).zip(&self.choices) {
            let mut odds = said.logprobs.clone();
            for (block, part) in (0u32..).zip(&said.parts) {
                if let Some((kind, mut deltas)) = block_of(&part.content) {
                    if matches!(kind, BlockKind::Text) {
                        deltas.extend(odds.take().map(Delta::Logprobs));
                    }
                    events.push(Event::BlockStart { choice, block, kind });
                    events.extend(deltas.into_iter().map(|delta| Event::Delta { choice, block, delta }));
                    events.push(Event::BlockStop { choice, block });
                }
            }
            events.push(Event::Finish { choice, finish: said.finish.clone() });
        }
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::Done);
        events
    }
}

/// The kind of block that holds a part, and what comes in it.
fn block_of(content: &Content) -> Option<(BlockKind, Vec<Delta>)> {
    Some(match content {
        Content::Text { text, citations } => {
            let list = citations.as_deref().and_then(|list| Node::parse(list, 1).ok());
            let notes = list.iter().flat_map(Node::items).map(|note| Delta::Citation(note.raw.to_owned()));
            let notes: Vec<Delta> = notes.collect();
            (BlockKind::Text, some_text(text).map(Delta::Text).into_iter().chain(notes).collect())
        }
        Content::Refusal(text) => (BlockKind::Refusal, some_text(text).map(Delta::Text).into_iter().collect()),
        Content::Reasoning { text, signature, encrypted, id, .. } => {
            let kind = BlockKind::Reasoning { encrypted: encrypted.clone(), id: id.clone() };
            let text = some_text(text).map(Delta::Reasoning);
            (kind, text.into_iter().chain(signature.clone().map(Delta::Signature)).collect())
        }
        Content::ToolCall { id, name, arguments, custom, signature } => {
            let kind = BlockKind::ToolCall {
                id: id.clone(),
                name: name.clone(),
                custom: *custom,
                signature: signature.clone(),
            };
            (kind, some_text(arguments).map(Delta::Arguments).into_iter().collect())
        }
        Content::Raw { json, .. } => (BlockKind::Raw(json.clone()), Vec::new()),
        _ => return None,
    })
}

fn some_text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
