//! Anthropic Messages.
//!
//! Source: Anthropic's API reference and SDK types of November 2026 (versions 2023-06-01 and 2026-10-21).

mod answer;
pub(crate) mod cache;
mod decode;
mod encode;
mod error;
mod outline;
pub(crate) mod stream;
mod thinking;
mod turns;
mod usage;

pub use answer::{decode_answer, encode_answer};
pub use decode::decode_request;
pub use encode::encode_request;
pub use error::{decode_error, encode_error};
pub use outline::{outline, outline_to_count};
pub(crate) use thinking::{Beside, Thinking, thinking};
pub use usage::{encode_usage, usage};
