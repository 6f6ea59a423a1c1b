//! What the APIs of language models say.
//!
//! Every API (OpenAI Chat and Responses, Anthropic Messages, Gemini, Ollama, Bedrock Converse) has one module for both ways.
//! A request is read twice at most: always into an [`Outline`] (borrowed, one pass, just what routing needs), and only
//! when it has to be translated into a [`neutral`] form that owns everything the API said.
//! When client and target speak the same API the bytes go through as they came, with a few fields [spliced](splice).
//!
//! Pure: no runtime, clock, file, network or random call. Types what we act on, carries the rest untouched.

mod adapt;
mod alternating;
pub mod anthropic;
pub mod bedrock_converse;
mod citations;
mod codec;
mod context;
mod cost;
pub mod embeddings;
mod error;
mod fit;
mod form;
mod format;
pub mod gemini;
pub mod grammar;
mod ids;
mod json;
mod logprobs;
pub mod neutral;
pub mod ollama_chat;
pub mod openai_chat;
pub mod openai_responses;
mod options;
mod outline;
mod repeats;
mod restore;
mod runs;
mod scripts;
mod service_tier;
pub mod splice;
pub mod sse;
mod strangers;
mod stream;
pub mod tokens;
mod top;
mod usage;
mod vocabulary;
mod write;

pub use adapt::{Fitted, adapt};
pub use codec::{
    decode_answer, decode_error, decode_request, decode_stream, encode_answer, encode_error, encode_request, outline,
};
pub use context::Context;
pub use cost::{final_usage, usage_in, with_cost};
pub use error::{ApiError, DecodeError};
pub use form::Form;
pub use format::Format;
pub use options::{
    Adaptation, Adapted, EFFORTS, EncodeError, EncodeOptions, Encoded, MaxTokensField, Reasoning, Sampling, Structured,
    SystemRole,
};
pub use outline::{Needs, Outline, OutputForm, Part, Role, ToolOutline, Turn};
pub use repeats::Repeats;
pub use scripts::Estimate;
pub use service_tier::ServiceTier;
pub use stream::{StreamDecoder, StreamEncoder};
pub use usage::{MOST_TOKENS, Usage, encode_usage, usage};
pub use vocabulary::Vocabulary;
