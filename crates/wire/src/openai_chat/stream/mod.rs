//! Streamed Chat Completions answers.

mod read;
mod write;

pub(crate) use read::Decoder;
pub(crate) use write::Encoder;
