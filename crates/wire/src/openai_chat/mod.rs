//! OpenAI Chat Completions, and every server that is compatible with it.
//!
//! Source: OpenAI's OpenAPI description 2.3.0; differences of compatible servers are named where they are handled.

mod error;
mod facts;
mod outline;
mod usage;

pub use error::{decode_error, encode_error};
pub use facts::{Facts, with_cost};
pub use outline::outline;
pub use usage::{reported_cost, usage};
