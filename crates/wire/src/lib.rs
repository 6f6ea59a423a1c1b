//! What the APIs of language models say.
//!
//! Every API (OpenAI Chat and Responses, Anthropic Messages, Gemini, Ollama) has one module that reads and writes it.
//! A request is read twice at most: always into an [`Outline`] (borrowed, one pass, just what routing needs), and only
//! when it has to be translated into a [`neutral`] form that owns everything the API said.
//! When client and target speak the same API the bytes go through as they came, with a few fields [spliced](splice).
//!
//! Pure: no runtime, clock, file, network or random call. Types what we act on, carries the rest untouched.

mod error;
mod format;
mod json;
pub mod neutral;
pub mod openai_chat;
mod outline;
pub mod splice;
pub mod sse;
mod top;
mod usage;

pub use error::{ApiError, DecodeError};
pub use format::Format;
pub use outline::{Needs, Outline, OutputForm, Part, Role, ToolOutline, Turn};
pub use usage::Usage;
