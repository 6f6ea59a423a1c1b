//! Amazon Bedrock `Converse` and `ConverseStream`: one API for the models of many makers.
//!
//! The model and the wish for a stream stand in the path, not in the body. Streams come in Amazon's binary frames; who sends
//! the request unwraps each to a server-sent event with the frame's `:event-type` (or `:exception-type`) as its name and the
//! frame's payload as its data, which is what is read here. Source: Amazon's description of the service, `bedrock-runtime`
//! 2023-09-30, in botocore 1.44.8.

mod answer;
mod decode;
mod encode;
mod error;
mod maker;
mod media;
pub(crate) mod stream;
mod tools;
mod turns;
mod usage;

pub use answer::{decode_answer, encode_answer};
pub use decode::decode_request;
pub use encode::encode_request;
pub use error::{decode_error, encode_error};
pub use usage::{encode_usage, usage};
