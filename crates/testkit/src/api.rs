//! The APIs that the fake upstream speaks: reading requests as strictly as the provider does, writing its replies.

mod converse;
mod embeddings;
mod gemini;
mod messages;
mod ollama;
mod openai_chat;
mod openai_responses;

use crate::answer::{Ask, Reply};
use crate::cloud::unescaped;
use crate::fault::Fault;
use crate::traits::Traits;
use serde_json::{Value, json};

pub(crate) use embeddings::embed;

/// One API, or one of its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Responses,
    Messages,
    CountTokens,
    Gemini { model: String, how: GeminiCall },
    Ollama,
    Converse { model: String, stream: bool },
    Embeddings,
    Models,
    Tags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GeminiCall {
    Whole,
    Sse,
    /// Without `alt=sse` the stream is one JSON list.
    List,
    CountTokens,
}

/// A request that the provider would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// OpenAI's code; other APIs have their own words by status.
    pub(crate) code: Option<&'static str>,
    pub(crate) param: Option<String>,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, code: None, param: None, message: message.into() }
    }

    pub(crate) fn field(param: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code: Some(code), param: Some(param.into()), message: message.into() }
    }

    pub(crate) fn coded(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: Some(code), param: None, message: message.into() }
    }
}

/// A streamed reply in pieces as they go over the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) head: Vec<String>,
    pub(crate) content: Vec<String>,
    pub(crate) tail: Vec<String>,
}

impl Api {
    /// The call at a path; none: 404.
    pub(crate) fn at(method: &str, path: &str, query: &str) -> Option<Self> {
        if let Some((model, call)) = path.strip_prefix("/model/").and_then(|rest| rest.rsplit_once('/')) {
            let stream = call == "converse-stream";
            let known = method == "POST" && (stream || call == "converse");
            return known.then(|| Self::Converse { model: unescaped(model), stream });
        }
        let path = path.strip_prefix("/openai").unwrap_or(path);
        let bare = path.strip_prefix("/v1beta").or_else(|| path.strip_prefix("/v1")).unwrap_or(path);
        // Google's words for OpenAI's API.
        let bare = bare.strip_prefix("/openai").unwrap_or(bare);
        if let Some((model, call)) = bare.strip_prefix("/models/").and_then(|rest| rest.rsplit_once(':')) {
            let how = match call {
                "generateContent" => GeminiCall::Whole,
                "streamGenerateContent" if query.split('&').any(|pair| pair == "alt=sse") => GeminiCall::Sse,
                "streamGenerateContent" => GeminiCall::List,
                "countTokens" => GeminiCall::CountTokens,
                _ => return None,
            };
            return (method == "POST").then(|| Self::Gemini { model: model.to_owned(), how });
        }
        Some(match (method, bare) {
            ("POST", "/chat/completions") => Self::Chat,
            ("POST", "/responses") => Self::Responses,
            ("POST", "/messages") => Self::Messages,
            ("POST", "/messages/count_tokens") => Self::CountTokens,
            ("POST", "/api/chat") => Self::Ollama,
            ("POST", "/embeddings") => Self::Embeddings,
            ("GET", "/models") => Self::Models,
            ("GET", "/api/tags") => Self::Tags,
            _ => return None,
        })
    }

    /// Reads a request of this API. `header` looks a header up by its name in lower case.
    pub(crate) fn read(
        &self,
        body: &Value,
        header: &dyn Fn(&str) -> Option<String>,
        traits: &Traits,
    ) -> Result<Ask, Refusal> {
        if body.get("stream").is_some_and(|stream| !stream.is_null() && !stream.is_boolean()) {
            return Err(Refusal::field("stream", "invalid_type", "Invalid type for 'stream': expected a boolean."));
        }
        let mut ask = self.read_strictly(body, header, traits)?;
        let tier = text_of(body, "service_tier");
        ask.fast = tier == "fast" || text_of(body, "speed") == "fast";
        tier.clone_into(&mut ask.service_tier);
        Ok(ask)
    }

    fn read_strictly(
        &self,
        body: &Value,
        header: &dyn Fn(&str) -> Option<String>,
        traits: &Traits,
    ) -> Result<Ask, Refusal> {
        match self {
            Self::Chat => openai_chat::read(body, traits),
            Self::Responses => openai_responses::read(body, traits),
            Self::Messages => messages::read(body, header, traits, true),
            Self::CountTokens => messages::read(body, header, traits, false),
            Self::Gemini { model, how } => gemini::read(model, *how, body, traits),
            Self::Ollama => ollama::read(body),
            Self::Converse { model, stream } => converse::read(model, *stream, body, traits),
            Self::Embeddings => embeddings::read(body),
            Self::Models | Self::Tags => Ok(Ask::default()),
        }
    }

    /// The whole reply.
    pub(crate) fn whole(&self, ask: &Ask, reply: &Reply) -> Value {
        match self {
            Self::Responses => openai_responses::whole(ask, reply),
            Self::Messages => messages::whole(ask, reply),
            Self::CountTokens => json!({ "input_tokens": reply.input_tokens }),
            Self::Gemini { how: GeminiCall::CountTokens, .. } => json!({ "totalTokens": reply.input_tokens }),
            Self::Gemini { .. } => gemini::whole(ask, reply),
            Self::Ollama => ollama::whole(ask, reply),
            Self::Converse { .. } => converse::whole(ask, reply),
            Self::Chat | Self::Embeddings | Self::Models | Self::Tags => openai_chat::whole(ask, reply),
        }
    }

    /// The reply as a stream.
    pub(crate) fn streamed(&self, ask: &Ask, reply: &Reply) -> Streamed {
        match self {
            Self::Responses => openai_responses::streamed(ask, reply),
            Self::Messages => messages::streamed(ask, reply),
            Self::Gemini { how, .. } => gemini::streamed(*how, ask, reply),
            Self::Ollama => ollama::streamed(ask, reply),
            Self::Converse { .. } => converse::streamed(ask, reply),
            _ => openai_chat::streamed(ask, reply),
        }
    }

    pub(crate) const fn stream_type(&self) -> &'static str {
        match self {
            Self::Ollama => "application/x-ndjson",
            Self::Gemini { how: GeminiCall::List, .. } => "application/json",
            _ => "text/event-stream",
        }
    }

    /// An error in this API's shape.
    pub(crate) fn error(&self, refusal: &Refusal) -> Value {
        let status = refusal.status;
        match self {
            Self::Messages | Self::CountTokens => messages::error(status, &refusal.message),
            Self::Gemini { .. } => gemini::error(status, &refusal.message),
            Self::Ollama | Self::Tags => json!({ "error": refusal.message }),
            Self::Converse { .. } => converse::error(&refusal.message),
            _ => openai_chat::error(refusal),
        }
    }

    /// The event of an error inside a stream.
    pub(crate) fn in_band(&self) -> String {
        match self {
            Self::Messages => messages::event("error", &messages::error(529, "Overloaded")),
            Self::Responses => openai_responses::failed(),
            Self::Converse { .. } => converse::event("serviceUnavailableException", &converse::error("Busy")),
            Self::Gemini { .. } => format!("data: {}\n\n", gemini::error(503, "The model is overloaded.")),
            Self::Ollama => "{\"error\":\"llama runner process has terminated\"}\n".to_owned(),
            _ => {
                let error = Refusal::coded(500, "server_error", "The server had an error while answering.");
                format!("data: {}\n\n", openai_chat::error(&error))
            }
        }
    }

    /// A broken event.
    pub(crate) const fn malformed(&self) -> &'static str {
        match self {
            Self::Ollama => "{\"message\":{\"content\":\"bro\n",
            _ => "data: {\"choices\":[{\"delta\":{\"content\":\"bro\n\n",
        }
    }

    /// The refusal that a fault stands for, where it is one.
    pub(crate) fn refusal_of(fault: &Fault, model: &str) -> Option<Refusal> {
        Some(match fault {
            Fault::RateLimit { .. } => {
                Refusal::coded(429, "rate_limit_exceeded", format!("Rate limit reached for {model}"))
            }
            Fault::OutOfCredit => Refusal::coded(429, "insufficient_quota", "You exceeded your current quota"),
            Fault::Unauthorized => Refusal::coded(401, "invalid_api_key", "Incorrect API key provided"),
            Fault::ContextTooLong => Refusal::coded(
                400,
                "context_length_exceeded",
                // Each provider's own words, as far as clients look for them.
                "prompt is too long: this model's maximum context length is 8192 tokens; the input token count exceeds \
                 the maximum number of tokens allowed",
            ),
            Fault::ContentFilter => Refusal::coded(
                400,
                "content_filter",
                "The response was filtered: the prompt violates the content policy",
            ),
            Fault::ModelNotFound => {
                Refusal::coded(404, "model_not_found", format!("The model `{model}` does not exist"))
            }
            Fault::Status { status } => Refusal {
                status: *status,
                code: None,
                param: None,
                message: format!("The server answered {status} because it was told to"),
            },
            _ => return None,
        })
    }
}

/// Refuses top-level fields that the provider does not know.
fn known_fields(body: &Value, known: &[&str]) -> Result<(), String> {
    let fields = body.as_object().ok_or("the body is no JSON object")?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(name.clone()),
        None => Ok(()),
    }
}

/// The tier that OpenAI's answers name for one that was asked for: `fast` comes back as `priority`.
fn openai_tier(ask: &Ask) -> &str {
    match ask.service_tier.as_str() {
        "fast" => "priority",
        "" | "auto" => "default",
        tier => tier,
    }
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Names that OpenAI and Anthropic take for tools.
fn tool_name_ok(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
