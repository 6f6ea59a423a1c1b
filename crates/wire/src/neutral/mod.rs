//! The one form through which all translation goes: every codec reads into it and writes from it.
//!
//! It owns everything that an API said and that another API can say too. What only the origin understands rides along as
//! JSON text (`extra`, [`Content::Raw`]) and is reported by the encoder that has to leave it behind.

mod answer;
mod event;
mod request;

pub use answer::{Answer, Choice, Finish};
pub use event::{BlockKind, Collector, Delta, Event};
pub use request::{Content, Message, Output, Part, ReasoningAsk, Request, Role, Source, Tool, ToolChoice, ToolKind};

/// JSON text, kept as it came: key order steers models, large integers and `1.0` must survive.
pub type Json = String;
