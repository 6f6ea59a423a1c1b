//! OpenAI Chat Completions, and every server that is compatible with it.
//!
//! Source: OpenAI's OpenAPI description 2.3.0; differences of compatible servers are named where they are handled.

mod answer;
mod decode;
mod encode;
mod error;
mod facts;
mod outline;
pub(crate) mod stream;
mod thought;
mod tools;
mod usage;

pub use answer::{decode_answer, encode_answer, encode_usage};
pub use decode::decode_request;
pub(crate) use decode::reasoning;
pub use encode::encode_request;
pub(crate) use encode::reasoning_field;
pub use error::{decode_error, encode_error};
pub use facts::Facts;
pub use outline::outline;
pub use usage::usage;
