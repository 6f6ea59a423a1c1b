//! Turns that alternate between user and model, as Anthropic's API and Bedrock's want them.

use crate::EncodeError;
use crate::ids::{GO_ON, GO_ON_NOTE};
use crate::options::Changes;
use crate::write::{Arr, Obj};

/// How an API's blocks are told apart, by how their JSON begins, and how it says text.
pub(crate) struct Blocks {
    /// The API, as the caller is told.
    pub(crate) api: &'static str,
    pub(crate) result: &'static str,
    pub(crate) call: &'static str,
    pub(crate) thoughts: &'static [&'static str],
    pub(crate) text: fn(&str) -> String,
}

/// What one side says.
pub(crate) struct Turn {
    pub(crate) user: bool,
    /// JSON text of each block.
    pub(crate) blocks: Vec<String>,
    /// The turn holds tool calls and no thinking that this model signed.
    unsigned_calls: bool,
}

/// The turns of one request.
pub(crate) struct Turns {
    blocks: &'static Blocks,
    pub(crate) list: Vec<Turn>,
}

impl Turns {
    pub(crate) const fn new(blocks: &'static Blocks) -> Self {
        Self { blocks, list: Vec::new() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What one side says in several messages is one turn. Results of tools come first in theirs, as they do in the neutral
    /// form.
    pub(crate) fn say(&mut self, user: bool, blocks: Vec<String>, changes: &mut Changes) {
        if blocks.is_empty() {
            return changes.left_out_silent();
        }
        let holds = |start: &str| blocks.iter().any(|block| block.starts_with(start));
        let thinking = self.blocks.thoughts.iter().any(|start| holds(start));
        let unsigned_calls = holds(self.blocks.call) && !thinking;
        match self.list.last_mut() {
            Some(last) if last.user == user => {
                // Results go before what else the user says; those of one message never stand among texts.
                let is_result = |block: &String| block.starts_with(self.blocks.result);
                let place = if holds(self.blocks.result) {
                    last.blocks.iter().take_while(|block| is_result(block)).count()
                } else {
                    last.blocks.len()
                };
                last.blocks.splice(place..place, blocks);
                last.unsigned_calls |= unsigned_calls;
            }
            _ => self.list.push(Turn { user, blocks, unsigned_calls }),
        }
    }

    /// What the API demands of the sequence: somebody asks first, and (for models without prefill) asks last.
    ///
    /// # Errors
    /// When nothing is said at all.
    pub(crate) fn shape(
        &mut self,
        system: &mut Vec<String>,
        prefill: bool,
        changes: &mut Changes,
    ) -> Result<(), EncodeError> {
        let ask = |text: &str| Turn { user: true, blocks: vec![(self.blocks.text)(text)], unsigned_calls: false };
        match self.list.first() {
            None if system.is_empty() => {
                return Err(EncodeError::new(
                    "messages",
                    format!("all of their texts are empty, which {} refuses", self.blocks.api),
                ));
            }
            None => {
                changes.moved("system", "the API needs a user turn; the instructions became one");
                self.list.push(Turn { user: true, blocks: std::mem::take(system), unsigned_calls: false });
            }
            Some(first) if !first.user => {
                changes.changed("messages", "the API wants a user turn first; an empty one was put there");
                self.list.insert(0, ask("(start)"));
            }
            Some(_) => {}
        }
        if self.list.last().is_some_and(|last| !last.user) && !prefill {
            changes.changed("messages", GO_ON_NOTE);
            self.list.push(ask(GO_ON));
        }
        Ok(())
    }

    /// The tool calls that wait for their results were made without this model's thinking.
    pub(crate) fn runs_unsigned(&self) -> bool {
        self.list.iter().rev().take(2).find(|turn| !turn.user).is_some_and(|turn| turn.unsigned_calls)
    }

    /// `messages`.
    pub(crate) fn json(self) -> String {
        Arr::of(self.list.into_iter().map(|turn| {
            let role = if turn.user { "user" } else { "assistant" };
            Obj::new().str("role", role).raw("content", &Arr::of(turn.blocks)).end()
        }))
    }
}
