//! A request in the neutral form.

use super::Json;
use crate::Format;

/// Everything that a client asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The API that it was read from; [`Request::extra`] and raw parts make sense only there.
    pub origin: Format,
    /// The model as named by the client.
    pub model: String,
    /// The conversation, instructions included, in order.
    pub messages: Vec<Message>,
    /// Tools on offer.
    pub tools: Vec<Tool>,
    /// Which tool is to be called.
    pub tool_choice: ToolChoice,
    /// Several calls in one turn are allowed; None: the provider's default.
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer.
    pub output: Output,
    /// The most output tokens, reasoning included where the target counts it so.
    pub max_output_tokens: Option<u32>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Top-k sampling.
    pub top_k: Option<u32>,
    /// Presence penalty.
    pub presence_penalty: Option<f64>,
    /// Frequency penalty.
    pub frequency_penalty: Option<f64>,
    /// Seed of the sampling.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Answers wanted; at least 1.
    pub n: u32,
    /// Log probabilities of the answer's tokens are wanted.
    pub logprobs: bool,
    /// How many alternatives for each token.
    pub top_logprobs: Option<u32>,
    /// Bias by token id: an object.
    pub logit_bias: Option<Json>,
    /// Reasoning that was asked for.
    pub reasoning: ReasoningAsk,
    /// How wordy the answer is to be.
    pub verbosity: Option<String>,
    /// Service tier as the origin names it.
    pub service_tier: Option<String>,
    /// The end user.
    pub user: Option<String>,
    /// Flat metadata.
    pub metadata: Vec<(String, String)>,
    /// A stream is wanted.
    pub stream: bool,
    /// Usage is wanted at the end of the stream.
    pub usage_wanted: bool,
    /// Top-level fields that have no neutral meaning, in order.
    pub extra: Vec<(String, Json)>,
    /// Places of fields below them that have none (`tools[].x_new`): only to be told, they are gone.
    pub unknown: Vec<String>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// System instructions.
    System,
    /// Developer instructions (OpenAI's newer word).
    Developer,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// Results of tools; a message of this role holds only [`Content::ToolResult`].
    Tool,
}

/// One message. Results of one round of tool calls stand together in one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's name, where given.
    pub name: Option<String>,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// The prompt up to here is to be cached: a JSON object as Anthropic writes it (`{"type":"ephemeral"}`).
    pub cache: Option<Json>,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text, with citations as JSON text where the origin gave some.
    Text {
        /// The text.
        text: String,
        /// A JSON array in the origin's shape (`annotations`, `citations`).
        citations: Option<Json>,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// How closely to look (`low`, `high`, `auto`).
        detail: Option<String>,
    },
    /// Sound, inline.
    Audio {
        /// Base64.
        data: String,
        /// `wav`, `mp3`.
        format: String,
    },
    /// A document.
    File {
        /// Where it is.
        source: Source,
        /// Its name.
        name: Option<String>,
    },
    /// The model calls a tool.
    ToolCall {
        /// Id that the result refers to.
        id: String,
        /// The tool.
        name: String,
        /// JSON text as the model wrote it, or free text for tools that take it (`custom`).
        arguments: String,
        /// The tool takes free text.
        custom: bool,
        /// A provider's signature that has to come back with the call (Gemini).
        signature: Option<String>,
    },
    /// What a tool gave back.
    ToolResult {
        /// The call it answers.
        call_id: String,
        /// The tool, where the origin says it.
        name: Option<String>,
        /// Text and pictures.
        content: Vec<Content>,
        /// It failed.
        is_error: bool,
    },
    /// Reasoning of the model.
    Reasoning {
        /// What is readable of it.
        text: String,
        /// Proof that the provider made it.
        signature: Option<String>,
        /// Reasoning that only the provider can read.
        encrypted: Option<String>,
        /// The id under which the provider knows it.
        id: Option<String>,
        /// The API it came from: signatures mean nothing elsewhere.
        origin: Format,
    },
    /// A refusal.
    Refusal(String),
    /// Something that only its origin understands, as it came.
    Raw {
        /// The API it came from.
        origin: Format,
        /// The part or item.
        json: Json,
    },
}

/// Where a picture or document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A link.
    Url(String),
    /// Inline.
    Data {
        /// `image/png`.
        mime: String,
        /// Base64.
        data: String,
    },
    /// Uploaded to a provider before.
    FileId {
        /// The id there.
        id: String,
        /// Whose id it is.
        origin: Format,
    },
    /// Plain text of a document.
    Text(String),
}

/// A tool on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// How it is called.
    pub kind: ToolKind,
    /// The prompt up to here is to be cached.
    pub cache: Option<Json>,
}

/// How a tool is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolKind {
    /// With JSON that follows a schema.
    Function {
        /// The schema; None: no arguments.
        parameters: Option<Json>,
        /// The provider has to hold the model to the schema.
        strict: Option<bool>,
    },
    /// With free text.
    Custom {
        /// The grammar of the text, as JSON.
        format: Option<Json>,
    },
    /// Run by the provider itself: the definition as it came.
    Hosted {
        /// Whose tool it is.
        origin: Format,
        /// Its definition.
        json: Json,
    },
}

/// Which tool is to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// Nothing was said.
    #[default]
    Unset,
    /// The model decides.
    Auto,
    /// None.
    None,
    /// Some tool.
    Required,
    /// This one.
    Named(String),
    /// One of these, or (when not required) none.
    Allowed {
        /// The tools.
        names: Vec<String>,
        /// One of them has to be called.
        required: bool,
    },
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Free text.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Json,
        /// The provider has to hold the model to it.
        strict: Option<bool>,
    },
}

/// Reasoning that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasoningAsk {
    /// Effort by name.
    pub effort: Option<String>,
    /// The most tokens for it.
    pub budget_tokens: Option<u32>,
    /// Switched on or off without more.
    pub enabled: Option<bool>,
    /// The form of the summary that is wanted (`auto`, `summarized`).
    pub summary: Option<String>,
}

impl Request {
    /// A request of one API that asks nothing yet.
    #[must_use]
    pub fn new(origin: Format, model: impl Into<String>) -> Self {
        Self {
            origin,
            model: model.into(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: ToolChoice::Unset,
            parallel_tool_calls: None,
            output: Output::Text,
            max_output_tokens: None,
            temperature: None,
            top_p: None,
            top_k: None,
            presence_penalty: None,
            frequency_penalty: None,
            seed: None,
            stop: Vec::new(),
            n: 1,
            logprobs: false,
            top_logprobs: None,
            logit_bias: None,
            reasoning: ReasoningAsk::default(),
            verbosity: None,
            service_tier: None,
            user: None,
            metadata: Vec::new(),
            stream: false,
            usage_wanted: false,
            extra: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The model's own text stands last, to be continued.
    pub(crate) fn ends_partial(&self) -> bool {
        let last = self.messages.last().filter(|last| last.role == Role::Assistant);
        last.and_then(|last| last.parts.last()).is_some_and(|part| matches!(part.content, Content::Text { .. }))
    }

    /// Adds a message; parts of a role that spoke just before, and results next to results, join the message before.
    pub(crate) fn push(&mut self, role: Role, parts: Vec<Part>, join: bool) {
        match self.messages.last_mut() {
            Some(last) if last.role == role && last.name.is_none() && (join || role == Role::Tool) => {
                last.parts.extend(parts);
            }
            _ => self.messages.push(Message { role, parts, name: None }),
        }
    }
}

impl Tool {
    /// It is run by its provider.
    #[must_use]
    pub const fn is_hosted(&self) -> bool {
        matches!(self.kind, ToolKind::Hosted { .. })
    }
}

impl Part {
    /// The id of the call that it is the result of.
    pub(crate) fn answers(&self) -> Option<&str> {
        match &self.content {
            Content::ToolResult { call_id, .. } => Some(call_id),
            _ => None,
        }
    }

    /// A part without a cache mark.
    #[must_use]
    pub const fn new(content: Content) -> Self {
        Self { content, cache: None }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::text(text))
    }
}

impl Content {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), citations: None }
    }

    /// What it is, for reports of what was left out.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Image { .. } => "image",
            Self::Audio { .. } => "audio",
            Self::File { .. } => "file",
            Self::ToolCall { .. } => "tool_call",
            Self::ToolResult { .. } => "tool_result",
            Self::Reasoning { .. } => "reasoning",
            Self::Refusal(_) => "refusal",
            Self::Raw { .. } => "provider_item",
        }
    }
}

impl Source {
    /// A link, or inline data when it is a `data:` URL in base64.
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        match url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
            Some((mime, data)) => Self::Data { mime: mime.to_owned(), data: data.to_owned() },
            None => Self::Url(url.to_owned()),
        }
    }

    /// As a URL; None for what lies with a provider or is text.
    #[must_use]
    pub fn to_url(&self) -> Option<String> {
        match self {
            Self::Url(url) => Some(url.clone()),
            Self::Data { mime, data } => Some(format!("data:{mime};base64,{data}")),
            Self::FileId { .. } | Self::Text(_) => None,
        }
    }
}
