//! What routing needs to know of a request, borrowed from its body.
//!
//! Every inbound format decodes into the same [`Outline`], in one pass and without copying text that has no escapes.
//! Features, rules and constraints read outlines only, so they cannot tell which API the client spoke.

use crate::Format;
use std::borrow::Cow;

/// The decisive parts of one request.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    /// The API that the client spoke.
    pub format: Format,
    /// The model as the client named it: `auto`, a tier, or a model.
    pub requested_model: Cow<'a, str>,
    /// The client wants a stream of events.
    pub stream: bool,
    /// The client asked to see usage at the end of the stream (always true for formats that send it anyway).
    pub usage_wanted: bool,
    /// All turns in order, instructions (system, developer) included.
    pub turns: Vec<Turn<'a>>,
    /// The tools on offer.
    pub tools: Vec<ToolOutline<'a>>,
    /// The client insists on a tool call.
    pub tool_forced: bool,
    /// The form that the answer has to have.
    pub output: OutputForm,
    /// The most output that the client wants, reasoning included where the API counts it so.
    pub max_output_tokens: Option<u32>,
    /// The client wants to hear the answer.
    pub speaks: bool,
    /// How many answers are wanted (`n`), at least 1.
    pub answers: u32,
    /// Reasoning effort as the client named it, if it did.
    pub effort: Option<Cow<'a, str>>,
    /// The end user that the application named (`user`, `metadata.user_id`, `safety_identifier`).
    pub user: Option<Cow<'a, str>>,
    /// Flat string metadata, for rules.
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The history holds what only the model that made it may see again: signed thinking, encrypted reasoning,
    /// stored response ids.
    pub bound_to_model: bool,
    /// Names of all top-level fields, for [`Needs`] and for saying what a target cannot take.
    pub fields: Vec<Cow<'a, str>>,
    /// Size of the body in bytes.
    pub body_bytes: usize,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// System or developer instructions.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// What a tool gave back.
    Tool,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. Never empty for a user turn that passed decoding.
    pub parts: Vec<Part<'a>>,
}

/// One piece of a message.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A refusal by the model, as text.
    Refusal(Cow<'a, str>),
    /// Reasoning that is shown in the history; its text where it is readable.
    Reasoning(Cow<'a, str>),
    /// A picture, by link or inline.
    Image,
    /// Sound.
    Audio,
    /// A document.
    File,
    /// The model calls a tool.
    ToolCall {
        /// The tool.
        name: Cow<'a, str>,
        /// Its arguments as the JSON text that the model wrote.
        arguments: Cow<'a, str>,
    },
    /// A tool's result as text.
    ToolResult {
        /// The text of the result.
        text: Cow<'a, str>,
        /// The caller marked it as failed.
        is_error: bool,
    },
}

/// One tool on offer.
#[derive(Clone, Debug)]
pub struct ToolOutline<'a> {
    /// Its name, or its type for tools that the provider runs.
    pub name: Cow<'a, str>,
    /// Bytes of its whole definition.
    pub bytes: usize,
}

/// The form that an answer has to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputForm {
    /// Free text.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema,
}

/// What a target must be able to do, or the request loses its meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent capabilities, each named")]
pub struct Needs {
    /// Sees pictures.
    pub vision: bool,
    /// Calls tools.
    pub tools: bool,
    /// Follows a JSON schema.
    pub json_schema: bool,
    /// Hears or speaks.
    pub audio: bool,
    /// Reads documents.
    pub files: bool,
    /// Streams.
    pub streaming: bool,
}

impl Outline<'_> {
    /// What a target must be able to do to serve this request.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs {
            tools: !self.tools.is_empty(),
            json_schema: self.output == OutputForm::JsonSchema,
            streaming: self.stream,
            audio: self.speaks,
            ..Needs::default()
        };
        for part in self.turns.iter().flat_map(|turn| &turn.parts) {
            match part {
                Part::Image => needs.vision = true,
                Part::Audio => needs.audio = true,
                Part::File => needs.files = true,
                _ => {}
            }
        }
        needs
    }
}

impl Turn<'_> {
    /// All readable text of the turn, piece by piece.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) | Part::ToolResult { text, .. } => Some(text.as_ref()),
            _ => None,
        })
    }
}
