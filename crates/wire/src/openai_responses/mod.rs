//! OpenAI Responses.
//!
//! Source: OpenAI's OpenAPI description 2.3.0. Errors have the shape of Chat Completions.

mod answer;
mod decode;
mod encode;
mod item;
mod outline;
pub(crate) mod stream;

pub use crate::openai_chat::{decode_error, encode_error};
pub use answer::{decode_answer, echo, encode_answer, encode_usage, usage};
pub use decode::decode_request;
pub use encode::encode_request;
pub use outline::outline;
