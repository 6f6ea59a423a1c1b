//! Google Gemini `generateContent` and `streamGenerateContent?alt=sse`.
//!
//! The model and the wish for a stream stand in the path, not in the body. Source: Gemini API reference and google-genai
//! 3.4 types of November 2026.

mod answer;
mod decode;
mod encode;
mod error;
pub(crate) mod stream;
mod usage;

pub use answer::{decode_answer, encode_answer};
pub use decode::decode_request;
pub use encode::encode_request;
pub use error::{decode_error, encode_error};
pub use usage::{encode_usage, usage};
