//! A streamed answer in the neutral form.

use super::{Answer, Choice, Content, Finish, Json, Part};
use crate::logprobs::Gathered;
use crate::stream::MAX_CHOICES;
use crate::{ApiError, Format, Usage};

/// One step of a stream. Blocks of one choice are numbered from 0 in the order in which they start; several may be open.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first event.
    Start {
        /// The provider's id of the answer.
        id: String,
        /// The model that answers.
        model: String,
        /// Usage that is known already (Anthropic tells the input here).
        usage: Option<Usage>,
    },
    /// A block begins.
    BlockStart {
        /// The choice it belongs to.
        choice: u32,
        /// Its number.
        block: u32,
        /// What it is.
        kind: BlockKind,
    },
    /// More of a block.
    Delta {
        /// The choice it belongs to.
        choice: u32,
        /// The block's number.
        block: u32,
        /// What came.
        delta: Delta,
    },
    /// A block is whole.
    BlockStop {
        /// The choice it belongs to.
        choice: u32,
        /// Its number.
        block: u32,
    },
    /// A choice is whole.
    Finish {
        /// The choice.
        choice: u32,
        /// Why it ended.
        finish: Finish,
    },
    /// Usage so far; the last one counts.
    Usage(Usage),
    /// The stream failed; nothing follows.
    Error(ApiError),
    /// The stream is whole.
    Done,
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockKind {
    /// Text.
    Text,
    /// A refusal.
    Refusal,
    /// Reasoning.
    Reasoning {
        /// Reasoning that only the provider can read.
        encrypted: Option<String>,
        /// The id under which the provider knows it.
        id: Option<String>,
    },
    /// A tool call; its arguments follow as [`Delta::Arguments`].
    ToolCall {
        /// Id that the result refers to.
        id: String,
        /// The tool.
        name: String,
        /// The tool takes free text.
        custom: bool,
        /// A provider's signature of the call.
        signature: Option<String>,
    },
    /// Something that only its origin understands.
    Raw(Json),
}

/// More of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Text, of an answer or a refusal.
    Text(String),
    /// Log probabilities of the text that came, in OpenAI's shape.
    Logprobs(Json),
    /// Readable reasoning.
    Reasoning(String),
    /// The signature of the reasoning.
    Signature(String),
    /// Reasoning that only the provider can read.
    Encrypted(String),
    /// A piece of a tool call's arguments.
    Arguments(String),
    /// One citation, in the origin's shape.
    Citation(Json),
}

/// Puts the events of a stream together to the answer that a plain call would have given.
#[derive(Debug)]
pub struct Collector {
    answer: Answer,
    /// By choice.
    logprobs: Vec<Gathered>,
    finished: bool,
    error: Option<Box<ApiError>>,
}

impl Collector {
    /// For a stream of one API.
    #[must_use]
    pub const fn new(origin: Format) -> Self {
        let answer = Answer {
            origin,
            id: String::new(),
            model: String::new(),
            choices: Vec::new(),
            usage: None,
            service_tier: None,
        };
        Self { answer, logprobs: Vec::new(), finished: false, error: None }
    }

    /// Takes the next event.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Start { id, model, usage } => {
                self.answer.id.clone_from(id);
                self.answer.model.clone_from(model);
                self.answer.usage = *usage;
            }
            Event::BlockStart { choice, kind, .. } => {
                let content = kind.empty(self.answer.origin);
                self.choice(*choice).parts.push(Part::new(content));
            }
            Event::Delta { choice, block, delta } => {
                if let Delta::Logprobs(json) = delta {
                    return self.odds(*choice).push(json);
                }
                if let Some(part) = self.choice(*choice).parts.get_mut(*block as usize) {
                    delta.append_to(&mut part.content);
                }
            }
            Event::BlockStop { .. } => {}
            Event::Finish { choice, finish } => self.choice(*choice).finish = finish.clone(),
            Event::Usage(usage) => self.answer.usage = Some(*usage),
            Event::Error(error) => self.error = Some(Box::new(error.clone())),
            Event::Done => self.finished = true,
        }
    }

    /// The answer, when the stream came to its end.
    ///
    /// # Errors
    /// The stream's own error, or one that says that it was cut.
    pub fn finish(mut self) -> Result<Answer, Box<ApiError>> {
        for (choice, odds) in self.answer.choices.iter_mut().zip(self.logprobs) {
            choice.logprobs = odds.whole();
        }
        match (self.error, self.finished) {
            (Some(error), _) => Err(error),
            (None, true) => Ok(self.answer),
            (None, false) => Err(Box::new(crate::stream::cut())),
        }
    }

    fn odds(&mut self, choice: u32) -> &mut Gathered {
        let index = choice.min(MAX_CHOICES - 1) as usize;
        while self.logprobs.len() <= index {
            self.logprobs.push(Gathered::default());
        }
        &mut self.logprobs[index]
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        // The decoders let no more through.
        let index = index.min(MAX_CHOICES - 1) as usize;
        while self.answer.choices.len() <= index {
            self.answer.choices.push(Choice { parts: Vec::new(), finish: Finish::Stop, logprobs: None });
        }
        &mut self.answer.choices[index]
    }
}

impl BlockKind {
    pub(crate) fn empty(&self, origin: Format) -> Content {
        match self.clone() {
            Self::Text => Content::text(""),
            Self::Refusal => Content::Refusal(String::new()),
            Self::Reasoning { encrypted, id } => {
                Content::Reasoning { text: String::new(), signature: None, encrypted, id, origin }
            }
            Self::ToolCall { id, name, custom, signature } => {
                Content::ToolCall { id, name, arguments: String::new(), custom, signature }
            }
            Self::Raw(json) => Content::Raw { origin, json },
        }
    }
}

impl Delta {
    pub(crate) fn append_to(&self, content: &mut Content) {
        match (content, self) {
            (Content::Text { text, .. } | Content::Refusal(text), Self::Text(more))
            | (Content::Reasoning { text, .. }, Self::Reasoning(more))
            | (Content::ToolCall { arguments: text, .. }, Self::Arguments(more)) => text.push_str(more),
            (Content::Reasoning { signature, .. }, Self::Signature(more)) => {
                signature.get_or_insert_default().push_str(more);
            }
            (Content::Reasoning { encrypted, .. }, Self::Encrypted(whole)) => *encrypted = Some(whole.clone()),
            (Content::Text { citations, .. }, Self::Citation(json)) => {
                let list = citations.get_or_insert_with(|| "[]".to_owned());
                list.pop();
                if list.len() > 1 {
                    list.push(',');
                }
                list.push_str(json);
                list.push(']');
            }
            _ => {}
        }
    }
}
