//! Ollama's own `/api/chat`: JSON lines instead of server-sent events.
//!
//! Source: Ollama's API documentation and Python client 0.6.3.

mod answer;
mod decode;
mod encode;
pub(crate) mod stream;

pub use answer::{decode_answer, decode_error, encode_answer, encode_error, usage};
pub use decode::decode_request;
pub use encode::encode_request;
